/* rules.c - the table of outcomes.
 *
 * Order of the steps. Hub: delete controls, make every blank a space, set Chinese apart, decompose
 * and drop marks, lower case; then words end at blanks and punctuation. bert4keras: lower case,
 * decompose, drop marks; then punctuation and Chinese are words, blanks divide, controls vanish.
 */
#include "text/rules.h"

#include <stdlib.h>

#include "text/utf8.h"

int b4c_rules_normalize(const b4c_flags *f, uint32_t c, uint32_t out[B4C_EXPANSION], bool *barrier)
{
    const bool clean = f->dialect == B4C_DIALECT_HUB && f->clean;
    *barrier = false;
    if (clean && b4c_is_removed(f->dialect, c)) return 0;
    if (clean && b4c_is_blank(c)) {
        out[0] = ' ';
        return 1;
    }
    if (!f->lower && !f->strip_accents) {
        out[0] = c;
        return 1;
    }
    /* The hub decomposes first. For every character both orders come to the same. */
    uint32_t lower[B4C_EXPANSION] = { c };
    const int n_lower = f->lower ? b4c_lower(f->dialect, c, lower) : 1;
    int n = 0;
    for (int i = 0; i < n_lower; i++) {
        uint32_t part[B4C_EXPANSION] = { lower[i] };
        const int n_part = f->strip_accents ? b4c_decompose(f->dialect, lower[i], part) : 1;
        for (int k = 0; k < n_part && n < B4C_EXPANSION; k++) {
            if (f->strip_accents && b4c_is_mark(f->dialect, part[k]))
                *barrier |= b4c_combining_class(part[k]) == 0;
            else out[n++] = part[k];
        }
    }
    return n;
}

b4c_char_kind b4c_rules_classify(const b4c_flags *f, uint32_t c, bool chinese)
{
    if (chinese && b4c_is_chinese(f->dialect, c)) return B4C_KIND_SINGLE;
    if (f->dialect == B4C_DIALECT_HUB)
        return b4c_is_blank(c)                   ? B4C_KIND_SPACE
             : b4c_is_punctuation(f->dialect, c) ? B4C_KIND_SINGLE
                                                 : B4C_KIND_LETTER;
    if (b4c_is_punctuation(f->dialect, c)) return B4C_KIND_SINGLE;
    if (b4c_is_plain_space(c)) return B4C_KIND_SPACE;
    if (b4c_is_removed(f->dialect, c)) return B4C_KIND_BARRIER;
    return b4c_is_blank(c) ? B4C_KIND_SPACE
                           : B4C_KIND_LETTER; /* U+2028, U+2029: Python's split() */
}

int b4c_rules_single(const b4c_rules *r, uint32_t c)
{
    char bytes[4];
    const int32_t id = b4c_trie_find(&r->vocab->trie, bytes, (size_t)b4c_utf8_write(c, bytes));
    return id < 0 ? r->unknown : id;
}

int b4c_rules_entries(const b4c_rules *r, uint32_t c, uint32_t out[B4C_EXPANSION])
{
    const b4c_flags *f = &r->flags;
    if (c == B4C_CAPITAL_SIGMA && f->lower && f->dialect == B4C_DIALECT_BERT4KERAS) {
        out[0] = B4C_ENTRY(B4C_KIND_SIGMA, 0);
        return 1;
    }
    bool barrier;
    const int n = b4c_rules_normalize(f, c, out, &barrier);
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const uint32_t d = out[i];
        const b4c_char_kind kind = b4c_rules_classify(f, d, f->chinese);
        if (kind == B4C_KIND_LETTER)
            out[kept++] = B4C_ENTRY(
                f->strip_accents && b4c_combining_class(d) ? B4C_KIND_MARK : B4C_KIND_OTHER, d);
        else if (kind == B4C_KIND_BARRIER)
            barrier = true;
        else
            out[kept++] = B4C_ENTRY(kind, kind == B4C_KIND_SINGLE ? b4c_rules_single(r, d) : 0);
    }
    if (kept) return kept;
    out[0] = B4C_ENTRY(barrier ? B4C_KIND_BARRIER : B4C_KIND_DROP, 0);
    return 1;
}

static uint32_t table_entry(const b4c_rules *r, uint32_t c)
{
    const bool ideograph = (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf);
    if (ideograph && r->flags.chinese) return B4C_ENTRY(B4C_KIND_SINGLE, b4c_rules_single(r, c));
    if (c >= 0xac00 && c <= 0xd7a3 && r->flags.strip_accents)
        return B4C_ENTRY(B4C_KIND_LATER, 0); /* syllables become two or three */
    uint32_t out[B4C_EXPANSION];
    const int n = b4c_rules_entries(r, c, out);
    const b4c_char_kind kind = B4C_ENTRY_KIND(out[0]);
    if (n > 1 || kind == B4C_KIND_MARK || kind == B4C_KIND_SIGMA)
        return B4C_ENTRY(B4C_KIND_LATER, 0);
    return out[0] == B4C_ENTRY(B4C_KIND_OTHER, c) ? B4C_ENTRY(B4C_KIND_LETTER, 0) : out[0];
}

int b4c_rules_make(b4c_rules *r, const b4c_flags *flags, const b4c_vocab *vocab, int unknown)
{
    *r = (b4c_rules){ *flags, malloc(0x10000 * sizeof *r->table), vocab, unknown };
    if (!r->table) return B4C_E_MEMORY;
    for (uint32_t c = 0; c < 0x10000; c++)
        r->table[c] = c >= 0xd800 && c <= 0xdfff ? B4C_ENTRY(B4C_KIND_LATER, 0) : table_entry(r, c);
    return 0;
}

void b4c_rules_done(b4c_rules *r)
{
    free(r->table);
    *r = (b4c_rules){ 0 };
}
