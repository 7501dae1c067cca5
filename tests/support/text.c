/* text.c - see text.h. */
#include "support/text.h"

#include <string.h>

size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Ranges that tokenizers treat apart, with how often each is drawn. */
static const struct range {
    uint32_t low, high;
    int weight;
} ranges[] = {
    /* ASCII and Latin, combining marks */
    { 'a', 'z', 20 }, { 'A', 'Z', 8 }, { '0', '9', 8 }, { ' ', ' ', 12 }, { '!', '/', 5 },
    { ':', '@', 3 }, { '[', '`', 3 }, { 1, 0x1f, 2 }, { 0x7f, 0x9f, 1 }, { 0xa0, 0xff, 4 },
    { 0x100, 0x24f, 3 }, { 0x300, 0x36f, 5 }, { 0x1e00, 0x1fff, 2 },
    /* Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Hangul */
    { 0x370, 0x52f, 2 }, { 0x590, 0x6ff, 2 }, { 0x900, 0x97f, 1 }, { 0xe00, 0xe7f, 1 },
    { 0x1100, 0x11ff, 2 }, { 0xac00, 0xd7a3, 3 },
    /* blanks and joiners, currencies, symbols, selectors, BOM, full width, not characters */
    { 0x2000, 0x206f, 4 }, { 0x20a0, 0x20cf, 1 }, { 0x2100, 0x22ff, 1 }, { 0xfe00, 0xfe0f, 1 },
    { 0xfe30, 0xfe4f, 1 }, { 0xfeff, 0xfeff, 1 }, { 0xff00, 0xffef, 4 }, { 0xfffd, 0xffff, 1 },
    /* CJK marks, kana, Han: main block, extension A, compatibility, extensions B to H */
    { 0x3000, 0x303f, 4 }, { 0x3040, 0x30ff, 4 }, { 0x4e00, 0x9fff, 40 }, { 0x3400, 0x4dbf, 2 },
    { 0xf900, 0xfaff, 2 }, { 0x20000, 0x2a6df, 3 }, { 0x2a700, 0x323af, 1 },
    /* private use, everything of plane 1, emoji, tags and selectors */
    { 0xe000, 0xf8ff, 1 }, { 0xf0000, 0x10ffff, 1 }, { 0x10000, 0x1ffff, 2 },
    { 0x1f300, 0x1faff, 4 }, { 0xe0000, 0xe01ef, 1 },
};

static const char *const phrases[] = {
    "[MASK]", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[mask]", "[[MASK]]", "<s>", "##", "don't",
    "U.S.A.", "3.14", "\r\n", "\t", "\u0130", "\ufb01", "\u00e9", "e\u0301", "\u00df", "\u2460",
    "\u3231", "\u304b\u3099", "\u1100\u1161\u11a8", "\u845b\U000e0100", "\u3000", "\u2026",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e8\U0001f1f3",
};

static uint32_t pick(b4c_rng *r)
{
    int total = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) total += ranges[i].weight;
    int at = (int)b4c_rng_below(r, (uint32_t)total);
    const struct range *range = ranges;
    while (at >= range->weight) at -= range++->weight;
    return range->low + b4c_rng_below(r, range->high - range->low + 1);
}

size_t random_text(b4c_rng *r, int characters, char *out)
{
    size_t n = 0;
    const size_t room = (size_t)characters * 8 + 15;
    uint32_t last = 'a';
    for (int i = 0; i < characters; i++) {
        const uint32_t kind = b4c_rng_below(r, 32);
        const char *phrase = phrases[b4c_rng_below(r, sizeof phrases / sizeof *phrases)];
        if (kind == 0 && n + strlen(phrase) + (size_t)(characters - i) * 4 <= room) {
            memcpy(out + n, phrase, strlen(phrase));
            n += strlen(phrase);
        } else {
            if (kind >= 28)
                last = 0x4e00 + b4c_rng_below(r, 3000);
            else if (kind >= 24)
                last = 'a' + b4c_rng_below(r, 26);
            else if (kind >= 4)
                last = pick(r);
            /* else once more: runs of marks and blanks */
            n += put_utf8(out + n, last);
        }
    }
    out[n] = 0;
    return n;
}

size_t random_bytes(b4c_rng *r, int characters, char *out)
{
    static const char *const broken[] = {
        "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",    "\xff",
        "\x80",     "\xe4\xbd",     "\xf0\x9f\x98", "\xf8\x88\x80\x80\x80"
    };
    size_t n = random_text(r, characters, out);
    for (uint32_t k = b4c_rng_below(r, 4); k > 0 && n > 0; k--) {
        const char *bad = broken[b4c_rng_below(r, sizeof broken / sizeof *broken)];
        const size_t at = b4c_rng_below(r, (uint32_t)n);
        for (size_t i = 0; bad[i] && at + i < n; i++) out[at + i] = bad[i]; /* over what is there */
    }
    if (b4c_rng_below(r, 4) == 0 && n > 0) out[--n] = 0; /* cut the last character */
    return n;
}
