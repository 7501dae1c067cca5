/* default_model.h - the model that a command uses without -m. Only this file says so; scripts read
 * it too. */
#ifndef CLI_DEFAULT_MODEL_H
#define CLI_DEFAULT_MODEL_H

/* Sentence vectors: embed, similar, tokenize, inspect, bench, pull. */
#define CLI_DEFAULT_ENCODER "BAAI/bge-small-zh-v1.5"
/* A masked-LM head, which sentence encoders lack: fill. */
#define CLI_DEFAULT_FILLER "google-bert/bert-base-chinese"
#endif
