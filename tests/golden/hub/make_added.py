#!/usr/bin/env python3
"""Makes added.json beside it: added tokens with every combination of their flags, in every kind of tokenizer.

    pip install tokenizers==0.23.3 && python3 tests/golden/hub/make_added.py

A row is a tokenizer as in variants.json (wordpiece: a small one that stands whole in the patch), and texts with their ids, the text of
these, and the same with special tokens left out. 0.23 writes a token that is sought in the normalised text in its
normal form, 0.21 as it is spelt; here it is spelt, which the same tokenizer does with no token normalised. Not asked are: a token
of blanks but in WordPiece, and together with one that takes blanks in (the library then finds the same blank twice); one that is both
special and bound to whole words; in byte-level BPE, one with letters that stand for bytes (it decodes them as those bytes); texts that
end it in a panic, where two tokens take in the same blank.
"""
import json
import os
import random
import unicodedata

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.dirname(HERE)
CONTENTS = ["<new>", "NEW", "北京", "天气", "[X]", " ab", "ab ", "<|u|>", "你好", "A B", "A\tB", "_x_", "x1", "!!", "▁q", "<NEW>", "天 气",
            "ＡＢ", "ﬁ", "Éx!", "がく", "É", " ", "\u3000"]
BYTES = ("ＡＢ", "ﬁ", "Éx!", "がく", "É", "▁q")   # not asked of byte-level BPE
BETWEEN = [" ", "  ", "a", "b", "我", "Hello", "é", "\t", ".", "!", "中国", "1", "ab", "\u0301", "x", "▁", "new"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = SPECIAL + list("abxqn!.1我中国天气北京é_<>|") + ["##b", "##x", "##1", "hello", "Hello", "new", "NEW", "e", "É", "ab"]
SETS, TEXTS = 3, 12


def wordpiece(lower):
    vocab = {w: i for i, w in enumerate(dict.fromkeys(WORDS))}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [dict(id=vocab[c], content=c, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
                             for c in SPECIAL],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                           "lowercase": lower},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", vocab["[SEP]"]], "cls": ["[CLS]", vocab["[CLS]"]]},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                      "vocab": vocab}}


def tokenizers():
    """Name, model, patch, and the whole that they make."""
    for name, lower in (("bert-cased", False), ("bert-uncased", True)):
        yield name, "wordpiece", wordpiece(lower), wordpiece(lower)
    files = {"unigram": "hub/unigram.json", "bpe": "hub/bpe.json", "bytes": "bytes/tokenizer.json"}
    for row in json.load(open(os.path.join(HERE, "variants.json"), encoding="utf-8")):
        whole = json.load(open(os.path.join(GOLDEN, files[row["model"]]), encoding="utf-8"))
        patch = json.loads(json.dumps(row["patch"]))
        for step in (patch.get("normalizer") or {}).get("normalizers", []):
            if step.get("precompiled_charsmap") == "=":
                step["precompiled_charsmap"] = whole["normalizer"]["precompiled_charsmap"]
        whole.update(patch)
        yield row["name"], row["model"], row["patch"], whole


def ids_of(whole):
    vocab = whole["model"]["vocab"]
    return dict(vocab) if isinstance(vocab, dict) else {piece[0]: i for i, piece in enumerate(vocab)}


def form(content):
    """What no two tokens may share: which of them is found then is the library's version's own."""
    return "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFKD", content).lower() if not unicodedata.combining(c))


def choose(r, whole, contents):
    known = ids_of(whole)
    free = 1 + max(known.values())
    whole["added_tokens"] = [t for t in whole["added_tokens"] if t["id"] < free]
    forms = {form(t["content"]): t["content"] for t in whole["added_tokens"]}
    chosen = [c for c in r.sample(contents, 5) if c not in forms.values() and forms.setdefault(form(c), c) == c]
    strips = all(c.strip() for c in chosen)
    added = [dict(t, lstrip=t["lstrip"] and strips, rstrip=t["rstrip"] and strips) for t in whole["added_tokens"]]
    for c in chosen:
        word = r.random() < .3
        added.append(dict(id=known.get(c, free), content=c, single_word=word, lstrip=strips and r.random() < .3,
                          rstrip=strips and r.random() < .3, normalized=r.random() < .6, special=not word and r.random() < .3))
        free += c not in known
    return added


def asked(model, content):
    return model == "wordpiece" or (content.strip() and (model != "bytes" or content not in BYTES))


def encode(t, text):
    try:
        return t.encode(text).ids
    except BaseException:   # a panic is no Exception
        return None


def text_of(r, contents):
    parts = []
    for _ in range(r.randint(1, 7)):
        kind, content = r.random(), r.choice(contents)
        parts.append(content if kind < .5 else content.lower() if kind < .55 else r.choice(BETWEEN))
    return "".join(parts)


def main():
    r, rows = random.Random(7), []
    for name, model, patch, whole in tokenizers():
        for _ in range(SETS):
            whole["added_tokens"] = choose(r, whole, [c for c in CONTENTS if asked(model, c)])
            spelt = [dict(t, normalized=False) for t in whole["added_tokens"]]
            t, decoder = (Tokenizer.from_str(json.dumps(dict(whole, added_tokens=a))) for a in (whole["added_tokens"], spelt))
            cases = []
            while len(cases) < TEXTS:
                text = text_of(r, [a["content"] for a in whole["added_tokens"]])
                ids = encode(t, text)
                if ids is None:
                    continue
                cases.append({"text": text, "ids": ids, "decoded": decoder.decode(ids, skip_special_tokens=False),
                              "plain": decoder.decode(ids)})
            rows.append({"name": name, "model": model, "patch": dict(patch, added_tokens=whole["added_tokens"]), "cases": cases})
    with open(os.path.join(HERE, "added.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
