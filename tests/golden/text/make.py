#!/usr/bin/env python3
"""Renews wordpiece.jsonl, pairs.jsonl and settings.jsonl beside this file, from the reference.

    pip install tokenizers==0.23.1 && python3 tests/golden/text/make.py

The texts are those that stand there already. vocab-zh.txt is bert-base-chinese's vocabulary, vocab-en.txt that of
bert-base-uncased (both Apache-2.0). Offsets are pairs in code points, end to end; special tokens have 0, 0.
"""
import json
import os
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = {t.rstrip("\n"): i for i, t in enumerate(open(os.path.join(HERE, "vocab-zh.txt"), encoding="utf-8", newline="\n"))}
SPECIAL = ["[UNK]", "[SEP]", "[CLS]", "[PAD]", "[MASK]"]


def tokenizer(longest=100, vocab=VOCAB, unknown="[UNK]", **flags):
    t = Tokenizer(models.WordPiece(vocab, unk_token=unknown, max_input_chars_per_word=longest))
    t.normalizer = normalizers.BertNormalizer(**flags)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    t.decoder = decoders.WordPiece()
    t.add_special_tokens([s for s in SPECIAL if s in vocab])
    return t


def flat(encoding):
    return [x for pair in encoding.offsets for x in pair]


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def write(name, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            f.write(line.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\u0085", "\\u0085") + "\n")


def wordpiece():
    cased, uncased = tokenizer(lowercase=False), tokenizer(lowercase=True)
    rows = []
    for row in read("wordpiece.jsonl"):
        c, u = cased.encode(row["text"]), uncased.encode(row["text"])
        rows.append({"text": row["text"], "cased": c.ids, "cased_at": flat(c), "uncased": u.ids, "uncased_at": flat(u)})
    write("wordpiece.jsonl", rows)


def pairs():
    t = tokenizer(lowercase=True)
    t.enable_truncation(32, strategy="longest_first")
    rows = []
    for row in read("pairs.jsonl"):
        e = t.encode(row["a"], row["b"])
        rows.append({"a": row["a"], "b": row["b"], "ids": e.ids, "segments": e.type_ids, "at": flat(e)})
    write("pairs.jsonl", rows)


# A small vocabulary, every combination of flags, added tokens of every kind, texts that show the differences.
SMALL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "A", "##A", "e", "##e", "é", "##é", "我", "你",
         "##我", "##你", "北京", "i", "I", "ß", ".", ",", "!", "foo", "##foo", "が", "か", "\u1112", "##\u1161", "##\u11ab", "한",
         "\u0301", "##\u0301", "\u200b", "##\u200b", "\ufffd", "##\ufffd", "İ", "##\u0307", "σ", "##σ", "##ς", "豈", "更", "`"]
TEXTS = ["", "我你", "aA", "Aa.", "éE", "e\u0301a", "İI", "a\u200bb", "我\u200b你", "a\ufffdb\ufffd", "がか", "한", "ＡＢ", "a b\u3000我",
         "a\u0085b\u2028b\u00a0b", "ΑΣ aΣ", "豈\uf901", "\u1fef\u037e", "\U0002b820\U0002b91f\U0002b920", "[MASK]我", "a[MASK]b", "[mask]",
         " <x> a", "a<x>b<x>", "foo foofoo afoo foo.", "北京 北京人 人北京", "Nü nü NU", "[ M ]  a  [ M ]", "我<y>你", "你好吗", "a\u0000b", "\u0301a",
         "aaaaaa我aaaaa", "\u000b\u000ca", "ﬁ①", "<x", "foo\u200b", "我 [SEP] 你", "##a ##我"]


def settings():
    vocab = {t: i for i, t in enumerate(SMALL)}
    rnd, rows = random.Random(4), []
    for i in range(48):
        flags = dict(lowercase=bool(i & 1), strip_accents=[None, True, False][i % 3], handle_chinese_chars=bool(i & 2), clean_text=bool(i & 4))
        longest = 5 if i & 8 else 100
        t = tokenizer(longest, vocab, **flags)
        if i & 16 or i >= 32:
            kind = lambda **more: dict(single_word=rnd.random() < .4, lstrip=rnd.random() < .4, rstrip=rnd.random() < .4,
                                       normalized=rnd.random() < .5, **more)
            t.add_tokens([AddedToken("<x>", **kind()), AddedToken("foo", **kind()), AddedToken("北京", **kind()),
                          AddedToken("nÜ", **kind()), AddedToken("你好", **kind()), AddedToken("<y>", **kind())])
            t.add_special_tokens([AddedToken("[ M ]", **kind())])
        made = json.loads(t.to_str())
        rows.append({"settings": {"normalizer": made["normalizer"], "added_tokens": made["added_tokens"], "longest": longest},
                     "cases": [[e.ids, flat(e)] for e in map(t.encode, TEXTS)]})
    write("settings.jsonl", [{"vocab": SMALL, "texts": TEXTS}] + rows)


wordpiece()
pairs()
settings()
