"""Do models that `bert4c train` made open in transformers, and find texts exactly as likely there?

    python bench/peers/check_trained.py [--bert4c build/bert4c] TOKENIZER

TOKENIZER: a folder with a WordPiece vocabulary (any Chinese BERT's). For each family a small model is trained from nothing for a
few steps, opened by transformers without a missing or unexpected tensor, and the log-probability of a text is computed there and
by `bert4c score`: token by token, behind a source, or (masked LMs) of each token from all others; of classifiers, the
log-probabilities of the classes, by `bert4c eval classify`. Tolerance: 1e-4 nats a token, or a class.
With transformers 5.24.0, torch 2.15.0.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from check_convert import open_model, verdict
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TEXT, SOURCE = "今天天气很好", "明天会下雨吗"
ROWS = ["今天天气很好\t明天会下雨吗", "火车票怎么买\t在哪里买火车票", "我想吃苹果\t苹果很好吃", "他走进了屋子\t屋子里没有人"] * 4
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 64}
STACKS = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4}
FAMILIES = {
    "bert": ("mlm", dict(LAYERS, architectures=["BertForMaskedLM"])),
    "roformer": ("mlm", dict(LAYERS, architectures=["RoFormerForMaskedLM"], embedding_size=64)),
    "gpt2": ("lm", dict(n_embd=64, n_layer=2, n_head=4, n_positions=64, architectures=["GPT2LMHeadModel"])),
    "llama": ("lm", dict(LAYERS, num_key_value_heads=2, tie_word_embeddings=True, architectures=["LlamaForCausalLM"])),
    "qwen2": ("lm", dict(LAYERS, num_key_value_heads=2, tie_word_embeddings=False, architectures=["Qwen2ForCausalLM"])),
    "t5": ("seq2seq", dict(STACKS, architectures=["T5ForConditionalGeneration"])),
    "mt5": ("seq2seq", dict(STACKS, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                            architectures=["MT5ForConditionalGeneration"])),
    "bart": ("seq2seq", dict(d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
                             encoder_ffn_dim=96, decoder_ffn_dim=96, max_position_embeddings=64, forced_bos_token_id=None,
                             forced_eos_token_id=None, architectures=["BartForConditionalGeneration"])),
}
LABELS = ["天气", "旅行", "吃饭"]
CLASSIFIERS = {
    "bert": dict(LAYERS, architectures=["BertForMaskedLM"]),
    "albert": dict(LAYERS, embedding_size=32),
}


def command(args, *words):
    done = subprocess.run([args.bert4c, *words, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bert4c {' '.join(words)}: {done.stderr}")
    return done.stdout


def ids_of(args, folder, text, special):
    row = json.loads(command(args, "tokenize", "-m", folder, "--to", "jsonl", *([] if special else ["--no-special"]), text))
    return row["ids"]


def train(args, folder, family, task, config):
    data = os.path.join(folder, "rows.tsv" if task in ("seq2seq", "classify") else "rows.txt")
    rows = {"seq2seq": ROWS, "classify": [f"{r}\t{LABELS[i % 3]}" for i, r in enumerate(ROWS)]}
    with open(data, "w", encoding="utf8") as f:
        f.write("\n".join(rows.get(task, [r.split("\t")[0] for r in ROWS])) + "\n")
    special = {"pad_token_id": 0, "bos_token_id": 101, "eos_token_id": 102, "decoder_start_token_id": 101}
    recipe = {"model": {"config": dict(config, model_type=family, vocab_size=21128, **special), "tokenizer": args.tokenizer,
                        "deviation": 0.1},
              "task": task, "data": {"files": [data]}, "batch": {"examples": 4}, "max_length": 32, "max_target": 32, "steps": 8,
              "optimiser": {"rate": 0.003}, "output": os.path.join(folder, "model")}
    if task == "classify":
        recipe["data"] |= {"labels": LABELS, "fields": {"text": 1, "pair": 2, "label": 3}}
    path = os.path.join(folder, "recipe.json")
    json.dump(recipe, open(path, "w", encoding="utf8"), ensure_ascii=False)
    command(args, "train", path)
    return recipe["output"], data


def there(args, model, folder, task):
    """Log-probability of TEXT and the tokens that count, by transformers."""
    c = model.config
    with torch.no_grad():
        if task == "seq2seq":
            source, target = ids_of(args, folder, SOURCE, True), ids_of(args, folder, TEXT, False) + [c.eos_token_id]
            out = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[c.decoder_start_token_id] + target[:-1]]))
            p = out.logits[0].double().log_softmax(-1)
            return sum(float(p[i, t]) for i, t in enumerate(target)), len(target)
        ids = ids_of(args, folder, TEXT, True)
        if task == "lm":
            if ids[-1] == 102:
                ids = ids[:-1]
            p = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
            return sum(float(p[i - 1, ids[i]]) for i in range(1, len(ids))), len(ids) - 1
        total = 0.0
        for i in range(1, len(ids) - 1):
            hidden = ids[:i] + [103] + ids[i + 1:]
            total += float(model(input_ids=torch.tensor([hidden])).logits[0, i].double().log_softmax(-1)[ids[i]])
        return total, len(ids) - 2


def check_classifier(args, family, config):
    """Each pair of the training's data, as one sequence: here and there."""
    with tempfile.TemporaryDirectory() as folder:
        trained, data = train(args, folder, family, "classify", config)
        here = json.loads(command(args, "eval", "classify", "-m", trained, "--pair", "-f", data, "--label", "3", "--to", "json",
                                  "--dtype", "f32"))["predictions"]
        model, report = AutoModelForSequenceClassification.from_pretrained(trained, dtype=torch.float32, output_loading_info=True)
        tokenizer, worst = AutoTokenizer.from_pretrained(trained), 0.0
        model.eval()
        for one in here:
            with torch.no_grad():
                z = model(**tokenizer(one["text"], one["second"], return_tensors="pt")).logits[0].double().log_softmax(-1)
            worst = max(worst, max(abs(math.log(p) - float(q)) for p, q in zip(one["p"], z)))
    names = [model.config.id2label[i] for i in range(3)]
    lost = [*report["missing_keys"], *report["unexpected_keys"]]
    return verdict(names == LABELS and worst <= 1e-4,
                   f"{family:9} classify {len(here)} pairs, at most {worst:.1e} apart, {', '.join(names)}", lost)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bert4c", default="build/bert4c")
    parser.add_argument("tokenizer")
    args = parser.parse_args()
    bad = 0
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            task, config = FAMILIES[family]
            trained, _ = train(args, folder, family, task, config)
            words = ["--source", SOURCE] if task == "seq2seq" else []
            row = json.loads(command(args, "score", "-m", trained, "--to", "jsonl", "--dtype", "f32", *words, TEXT))
            model, missing = open_model(trained)
            logprob, n = there(args, model, trained, task)
        off = abs(logprob - row["logprob"]) / n
        bad += verdict(n == row["tokens"] and off <= 1e-4,
                       f"{family:9} {task:8} {row['logprob']:.5f}, transformers {logprob:.5f}, {n} tokens", missing)
    for family, config in CLASSIFIERS.items():
        bad += check_classifier(args, family, config)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
