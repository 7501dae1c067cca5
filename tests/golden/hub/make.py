#!/usr/bin/env python3
"""Makes the files beside it: what the hub's library does with Unigram and BPE in a tokenizer.json.

    pip install tokenizers==0.23.3 sentencepiece==0.2.2 && python3 tests/golden/hub/make.py

unigram.json and bpe.json are small models made here of the sentences of tests/golden/real;
variants.json lists what is put around them and around tests/golden/bytes/tokenizer.json (the keys
replace those of the model's file); cases.jsonl has texts with each variant's ids, those of the pair
of "今天" and some texts, and the text of the ids without special tokens and without <new> and Éx! ("":
of all variants that are not listed).
"""
import collections
import json
import math
import os
import random
import tempfile

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.dirname(HERE)
MARK = "\u2581"


def lines(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


SENTENCES = [x["text"] for n in ("sentences.jsonl", "sentences-en.jsonl") for x in lines("real/" + n) if "text" in x]


def charsmap():
    """A small one, as SentencePiece compiles it: replaced, joined, deleted, blanks."""
    rules = [("FF21", "0041"), ("FF11", "0031"), ("3000", "0020"), ("0009", "0020"), ("000A", "0020"), ("0065 0301", "00E9"),
             ("FB01", "0066 0069"), ("200B", ""), ("337F", "682A 5F0F 4F1A 793E"), ("304B 3099", "304C"), ("2460", "0031")]
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/rules.tsv", "w") as f:
            f.writelines(a + "\t" + b + "\n" for a, b in rules)
        with open(d + "/text", "w", encoding="utf-8") as f:
            f.write("\n".join(SENTENCES))
        sentencepiece.SentencePieceTrainer.train(input=d + "/text", model_prefix=d + "/m", vocab_size=2000, character_coverage=0.98,
                                                 model_type="bpe", normalization_rule_tsv=d + "/rules.tsv", minloglevel=2)
        model = open(d + "/m.model", "rb").read()
    at = 0   # field 3 of the model is normalizer_spec, whose field 2 is the map

    def varint(b, i):
        value = shift = 0
        while True:
            value |= (b[i] & 127) << shift
            shift += 7
            i += 1
            if b[i - 1] < 128:
                return value, i

    def field(b, wanted):
        i = 0
        while i < len(b):
            key, i = varint(b, i)
            if key & 7 == 2:
                n, i = varint(b, i)
                if key >> 3 == wanted:
                    return b[i:i + n]
                i += n
            elif key & 7 == 0:
                _, i = varint(b, i)
            else:
                i += 4 if key & 7 == 5 else 8
    return field(field(model, 3), 2)


def save(t, name):
    path = os.path.join(HERE, name)
    t.save(path, pretty=False)
    return path


def make_unigram():
    """The most frequent parts of words, scored by frequency: the trainer would want every character to be a piece."""
    count = collections.Counter()
    for text in SENTENCES:
        for word in text.split():
            word = MARK + word
            count.update(word[i:i + n] for i in range(len(word)) for n in range(1, 6) if i + n <= len(word))
    count = {k: v for k, v in count.items() if MARK not in k[1:]}
    best = sorted(count, key=lambda k: (-count[k] * len(k), k))[:1500]
    total = sum(count.values())
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [(k, math.log(count[k] / total)) for k in best]
    t = Tokenizer(models.Unigram(pieces, unk_id=2))
    t.normalizer = normalizers.Precompiled(charsmap())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return save(t, "unigram.json")


def train_bpe():
    alphabet = ["<0x%02X>" % i for i in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    t.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator([x[:60] for x in SENTENCES], trainers.BpeTrainer(
        vocab_size=900, limit_alphabet=350, max_token_length=6, special_tokens=["<unk>", "<s>", "</s>"] + alphabet, show_progress=False))
    data = json.loads(t.to_str())   # bytes are tokens, but not sought in texts
    data["added_tokens"] = [a for a in data["added_tokens"] if not a["content"].startswith("<0x")]
    return save(Tokenizer.from_str(json.dumps(data)), "bpe.json")


def added(*tokens):
    return [dict(id=i, content=c, single_word=s, lstrip=l, rstrip=r, normalized=n, special=p) for i, c, s, l, r, n, p in tokens]


def template(single, pair, **ids):
    def part(x):
        name, _, kind = x.partition(":")
        if name in ("A", "B"):
            return {"Sequence": {"id": name, "type_id": int(kind or 0)}}
        return {"SpecialToken": {"id": name, "type_id": int(kind or 0)}}
    return {"type": "TemplateProcessing", "single": [part(x) for x in single.split()], "pair": [part(x) for x in pair.split()],
            "special_tokens": {k: {"id": k, "ids": [v], "tokens": [k]} for k, v in ids.items()}}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
          r"|\s+(?!\S)|\s+")


def variants(unigram, bpe, bytes_):
    u, b, y = (json.load(open(p, encoding="utf-8")) for p in (unigram, bpe, bytes_))
    size = {id(m): 1 + max(m["model"]["vocab"].values()) if isinstance(m["model"]["vocab"], dict) else len(m["model"]["vocab"])
            for m in (u, b, y)}
    meta = lambda scheme, s: {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": s}
    byte = lambda prefix=False, regex=True: {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    replace = lambda a, c: {"type": "Replace", "pattern": a, "content": c}
    squeeze = lambda c: replace({"Regex": " {2,}"}, c)
    own = [u["normalizer"]]
    more = lambda m: m["added_tokens"] + added((size[id(m)], "<new>", False, False, False, True, False),
                                               (size[id(m)] + 1, "<m>", False, True, False, False, True),
                                               (size[id(m)] + 2, "Éx!", True, False, True, True, False))
    t5 = template("A </s>", "A </s> B </s>", **{"</s>": 1})
    llama = template("<s> A", "<s> A <s>:1 B:1", **{"<s>": 1})
    fallback = [{"type": "ByteFallback"}, {"type": "Fuse"}]
    spaces = replace({"String": MARK}, " ")
    base = {"added_tokens": more(y), "post_processor": byte()}
    yield "t5-old", "unigram", {"normalizer": sequence("normalizers", *own), "post_processor": t5, "added_tokens": more(u),
                                "pre_tokenizer": sequence("pretokenizers", {"type": "WhitespaceSplit"}, meta("always", True))}
    yield "xlm-r", "unigram", {"normalizer": sequence("normalizers", *own, squeeze(" ")), "pre_tokenizer": meta("always", True)}
    yield "t5-new", "unigram", {
        "normalizer": sequence("normalizers", *own, {"type": "Strip", "strip_left": False, "strip_right": True}, squeeze(MARK)),
        "pre_tokenizer": meta("first", False), "decoder": meta("first", False), "post_processor": t5, "added_tokens": more(u)}
    yield "albert", "unigram", {
        "normalizer": sequence("normalizers", replace({"String": "``"}, '"'), replace({"String": "''"}, '"'), {"type": "NFKD"},
                               {"type": "StripAccents"}, {"type": "Lowercase"}, *own, squeeze(" ")),
        "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "add_prefix_space": True}}
    yield "llama-legacy", "bpe", {"post_processor": llama}
    yield "llama", "bpe", {"normalizer": None, "pre_tokenizer": meta("first", False), "post_processor": llama}
    yield "mistral", "bpe", {"normalizer": None, "pre_tokenizer": meta("always", True), "added_tokens": more(b)}
    yield "gemma", "bpe", {
        "normalizer": replace({"String": " "}, MARK), "decoder": sequence("decoders", spaces, *fallback),
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}}
    yield "gpt2", "bytes", {"pre_tokenizer": byte(), **base}
    yield "roberta", "bytes", {"pre_tokenizer": byte(True), "added_tokens": more(y), "post_processor": {
        "type": "RobertaProcessing", "sep": ["<m>", size[id(y)] + 1], "cls": ["<|endoftext|>", 0], "trim_offsets": True,
        "add_prefix_space": True}}
    yield "smollm", "bytes", {"pre_tokenizer": sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, byte()), **base}
    yield "llama3", "bytes", {
        "pre_tokenizer": sequence("pretokenizers", split(LLAMA3), byte(regex=False)), "added_tokens": more(y),
        "post_processor": sequence("processors", byte(), template(
            "<|endoftext|> A", "<|endoftext|> A <|endoftext|>:1 B:1", **{"<|endoftext|>": 0}))}
    yield "cl100k", "bytes", {"pre_tokenizer": sequence("pretokenizers", split(CL100K, "Removed", True), byte(regex=False)), **base}
    yield "qwen2", "bytes", {"normalizer": {"type": "NFC"}, **base, "pre_tokenizer": sequence(
        "pretokenizers", split(LLAMA3.replace("{1,3}", "")), byte(regex=False))}
    yield "nfkc", "bytes", {"normalizer": {"type": "NFKC"}, "pre_tokenizer": byte(regex=False), **base}
    yield "nfd", "bytes", {"normalizer": {"type": "NFD"}, "pre_tokenizer": byte(), "post_processor": byte()}


def texts():
    pools = [range(0x20, 0x7f), range(0x4e00, 0x4f00), range(0xa0, 0x180), range(0x300, 0x330), range(0xff00, 0xff60),
             range(0x1f600, 0x1f650), range(0x1100, 0x11ff), range(0xac00, 0xad00), range(0x3040, 0x30ff), range(0x900, 0x980),
             range(0x2000, 0x2070), range(0x1f1e6, 0x1f200), [0x20, 0x20, 9, 10, 13, 0x3000, 0xa0, 0x2581, 0x200b, 0x200d, 0xfeff],
             [0x1d15e, 0x1d1bc, 0xf900, 0x2f800, 0x344, 0xfdfa, 0x337f, 0x2460, 0xfb01]]
    words = ["<new>", "</s>", "<s>", "<m>", " <m> ", "Éx!", " Éx! ", "<|endoftext|>", "  ", MARK, "hello", "天气", "'s", "'RE", "12345", "``"]
    r = random.Random(20)
    fixed = ["", " ", "  ", "\t\n", "\u3000", "a", " a", "a ", "今天天气很好。", "Hello, WORLD!", "Café résumé", "e\u0301É\u0301 \u1e0b\u0323",
             "가각 \u1100\u1161\u11a8", "ＡＢ１２ ﬁ ㍿", "か\u3099 か", "\u200bab\u200b", "\u200b", "It's we'RE 'tis", "3.14, 1234567",
             "a<new>b <new>c", "x <m> y<m>", "Éx! aÉx! E\u0301x! 我Éx!  b", "<s>a</s><s>", "def f(x):\n\treturn x\r\n\r\n", "👨\u200d👩\u200d👧 🇨🇳",
             "Ω≈ç√∫", "\u0930\u094d\u0915", "``quoted''", "\x1b[31m红\x1b[0m", MARK + "a" + MARK, "ﷺ ㋿"]
    yield from fixed
    for _ in range(60):
        yield "".join(r.choice(words) if r.random() < .35 else "".join(chr(r.choice(r.choice(pools))) for _ in range(r.randint(1, 3)))
                      for _ in range(r.randint(2, 8)))


def main():
    files = {"unigram": make_unigram(), "bpe": train_bpe(), "bytes": os.path.join(GOLDEN, "bytes", "tokenizer.json")}
    made = {}
    with open(os.path.join(HERE, "variants.json"), "w", encoding="utf-8") as f:
        rows = []
        for name, model, patch in variants(files["unigram"], files["bpe"], files["bytes"]):
            data = json.load(open(files[model], encoding="utf-8"))
            data.update(patch)
            made[name] = Tokenizer.from_str(json.dumps(data))
            patch = json.loads(json.dumps(patch))
            if "normalizer" in patch and model == "unigram":   # the map is in unigram.json already
                for step in patch["normalizer"]["normalizers"]:
                    if step["type"] == "Precompiled":
                        step["precompiled_charsmap"] = "="
            rows.append(" " + json.dumps({"name": name, "model": model, "patch": patch}, ensure_ascii=False))
        f.write("[\n" + ",\n".join(rows) + "\n]\n")
    before = "今天"
    with open(os.path.join(HERE, "cases.jsonl"), "w", encoding="utf-8") as f:
        for number, text in enumerate(texts()):
            row = {"text": text, "ids": {}, "decoded": {}, "pair": {}}
            for name, t in made.items():
                ids = t.encode(text).ids
                row["ids"][name] = ids
                # of added tokens that are sought in the normalised text this version writes that form, others the token
                row["decoded"][name] = t.decode([i for i in ids if t.id_to_token(i) not in ("<new>", "Éx!")])
                if number % 4 == 0:
                    row["pair"][name] = t.encode(before, text).ids
            # those whose text is the same are listed once
            same = max(set(row["decoded"].values()), key=list(row["decoded"].values()).count)
            row["decoded"] = {"": same, **{k: v for k, v in row["decoded"].items() if v != same}}
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
