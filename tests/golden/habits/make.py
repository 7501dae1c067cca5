"""Writes tests/golden/habits/cases.jsonl: generation_config.json as models have it, and what transformers'
`generate` writes under it. Needs torch, transformers and safetensors (pip), and the golden models unpacked
(tests/golden/models.tar.xz) in the folder given; run from the repository's root.

Ids are random where they only must be in the vocabulary; those of phrases come from what the model writes
without rules, so that every rule changes something (checked)."""
import json
import sys

import torch
import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

WAYS = [{"max_new_tokens": 14}, {"max_new_tokens": 14, "num_beams": 4, "length_penalty": 2.0},
        {"max_new_tokens": 9, "num_beams": 3, "early_stopping": True, "min_new_tokens": 4}]


def cut(ids, ends):
    """Without what stands behind the first end token, and without it."""
    for i, x in enumerate(ids):
        if x in ends:
            return ids[:i]
    return ids


def write(model, base, config, sequence, two):
    """Every result, without prompt, start and forced first token."""
    ends = base["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    start = 1 if two else len(sequence)
    if two and config.get("forced_bos_token_id") is not None:
        start += 1
    ids = torch.tensor([sequence])
    settings = GenerationConfig(**{**base, **config, "do_sample": False})
    with torch.no_grad():
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings,
                             use_cache=not two)
    return cut(out[0].tolist()[start:], ends)


def cases(folder, name, two):
    path = f"{folder}/{name}"
    model = (AutoModelForSeq2SeqLM if two else AutoModelForCausalLM).from_pretrained(path, attn_implementation="eager")
    model.eval()
    base = {k: v for k, v in json.load(open(f"{path}/generation_config.json")).items()
            if k.endswith("token_id")}
    with safe_open(f"{path}/io.safetensors", "pt") as f:
        rows, lengths = f.get_tensor("ids").tolist(), [int(x) for x in f.get_tensor("lengths").tolist()]
    sequences, at = [], 0
    for n in lengths:
        sequences.append([int(x) for x in rows[at:at + n]])
        at += n
    pad = base.get("pad_token_id")
    base["pad_token_id"] = pad if pad is not None else 0
    for way in WAYS:
        plain = [write(model, base, way, s, two) for s in sequences]
        said = max(plain, key=len)
        end = base["eos_token_id"]
        rules = [
            {"bad_words_ids": [[said[0]], said[2:4], [end], said[1:4]]},
            {"suppress_tokens": sorted(set(said[1:4]) - {end})},
            {"begin_suppress_tokens": [said[0], end]},
            {"bad_words_ids": [said[:2]], "suppress_tokens": [said[3]], "begin_suppress_tokens": [end],
             "no_repeat_ngram_size": 3},
            {"forced_eos_token_id": end, "suppress_tokens": [said[0]]},
            {"forced_eos_token_id": end},
        ]
        if two:
            rules += [{"forced_bos_token_id": 5}, {"forced_bos_token_id": 5, "forced_eos_token_id": end,
                                                  "min_length": 8, "max_length": 12}]
        for rule in rules:
            config = {**way, **rule}
            if "max_length" in rule:
                config.pop("max_new_tokens")
                config.pop("min_new_tokens", None)
            want = [write(model, base, config, s, two) for s in sequences]
            changes = want != plain
            yield {"model": name, "config": {**base, **config}, "changes": changes, "want": want}


def main(folder):
    with open("tests/golden/habits/cases.jsonl", "w") as f:
        f.write(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}) + "\n")
        for name, two in (("gpt2", False), ("qwen2", False), ("bart", True), ("t5", True)):
            n = changed = 0
            for case in cases(folder, name, two):
                changed += case.pop("changes")
                n += 1
                f.write(json.dumps(case) + "\n")
            print(name, n, "cases,", changed, "change what is written")


main(sys.argv[1])
