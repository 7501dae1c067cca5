#!/usr/bin/env python3
"""Writes src/text/hub_tables.h: how the hub's tokenizer classifies characters.

That tokenizer (the `tokenizers` package) carries character tables of its own, older than today's Unicode, so they
are asked of it rather than taken from a Unicode library: which code points clean_text deletes, which are
punctuation, which marks strip_accents deletes, and where its decomposition and lower case differ from utf8proc's.

    pip install tokenizers==0.23.3 && python3 tools/hub_tables.py > src/text/hub_tables.h
"""
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, what, points):
    print(f"\n/* {what} */\nstatic const b4c_range {name}[] = {{")
    line = "   "
    for low, high in ranges(points):
        item = f" {{ 0x{low:X}, 0x{high:X} }},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
nfd, words = normalizers.NFD().normalize_str, pre_tokenizers.BertPreTokenizer().pre_tokenize_str

print(f"""/* hub_tables.h - character classes of the hub's tokenizer. Written by tools/hub_tables.py
 * from tokenizers {tokenizers.__version__}; do not edit. Ranges are inclusive and sorted. */
#ifndef B4C_TEXT_HUB_TABLES_H
#define B4C_TEXT_HUB_TABLES_H
#include "text/unicode.h\"""")
table("hub_removed", "deleted by clean_text", [c for c in POINTS if clean(chr(c)) == ""])
table("hub_punctuation", "a word of its own", [c for c in POINTS if len(words("a" + chr(c) + "b")) == 3])
table("hub_mark", "deleted by strip_accents", [c for c in POINTS if strip(chr(c)) == ""])
table("hub_whole", "decomposed by Unicode 15 or later, not by the hub",
      [c for c in POINTS if nfd(chr(c)) == chr(c) != unicodedata.normalize("NFD", chr(c))]
      # added by Unicode 16, after the Python that runs this
      + [0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8]
      + list(range(0x16121, 0x16129)) + list(range(0x16D68, 0x16D6B)))
print("\n/* lower case given by Unicode 16 or 17 */\nstatic const b4c_lower_pair hub_lower[] = {")
line = "   "
for c in POINTS:
    low = lower(chr(c))
    if low != chr(c).lower():
        assert len(low) == 1
        item = f" {{ 0x{c:X}, 0x{ord(low):X} }},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
print(line + "\n};\n#endif")
