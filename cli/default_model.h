/* default_model.h - the model that a command uses without -m. Only this file says so; scripts read
 * it too. */
#ifndef CLI_DEFAULT_MODEL_H
#define CLI_DEFAULT_MODEL_H

/* Sentence vectors: embed, similar, tokenize, inspect, bench, pull. */
#define CLI_DEFAULT_ENCODER "BAAI/bge-small-zh-v1.5"
/* A masked-LM head, which sentence encoders lack: fill. */
#define CLI_DEFAULT_FILLER "google-bert/bert-base-chinese"
/* A decoder: complete, score. */
#define CLI_DEFAULT_DECODER "uer/gpt2-chinese-cluecorpussmall"
/* Summaries: summarize. */
#define CLI_DEFAULT_SUMMARIZER "imxly/t5-pegasus-small"
/* Writes and measures by the same weights: paraphrase. */
#define CLI_DEFAULT_PARAPHRASER "junnyu/roformer_chinese_sim_char_small"
#endif
