/* tokenize.c - a text or a pair: special tokens around it, and truncation.
 *
 * Idea: tokens are written where they will stay. Room for what the template puts before each text
 * is left first, the texts are tokenized behind it, truncation closes the gaps, and the special
 * tokens are filled in last.
 *
 *     [CLS] a a a a a [SEP] b b b b [SEP]
 *       ^             ^              ^      the template's parts
 */
#include <string.h>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* Tokens of one text within the encoding: [begin, begin + n), of which `keep` stay. */
typedef struct span { int begin, n, keep; } span;

static int least(int a, int b) { return a < b ? a : b; }

/* What may stay of a pair's tokens, together limit - special. */
static void share(b4c_dialect dialect, int limit, int special, span *a, span *b)
{
    const int budget = limit - special, half = budget / 2, more = budget - half;
    if (dialect == B4C_DIALECT_BERT4KERAS) {
        /* one token at a time off the longer text, off the first where they are equal */
        if (a->n <= half) b->keep = budget - a->n;
        else if (b->n <= more) a->keep = budget - b->n;
        else a->keep = half, b->keep = more;
        return;
    }
    /* The hub: an odd token goes to the longer text. Version 0.23.1 cuts each text to the limit
     * before it compares; earlier ones and 0.23.3 compare them whole. */
    const bool swap = least(a->n, limit) > least(b->n, limit);
    span *less = swap ? b : a, *most = swap ? a : b;
    if (less->n <= half) most->keep = budget - less->n;
    else less->keep = half, most->keep = more;
}

/* Move the tokens [from, from + n) to `to`, which lies before. */
static void move(b4c_encoding *e, int to, int from, int n)
{
    if (to == from || n == 0) return;
    memmove(e->ids + to, e->ids + from, (size_t)n * sizeof *e->ids);
    memmove(e->begin + to, e->begin + from, (size_t)n * sizeof *e->begin);
    memmove(e->end + to, e->end + from, (size_t)n * sizeof *e->end);
    memmove(e->char_begin + to, e->char_begin + from, (size_t)n * sizeof *e->char_begin);
    memmove(e->char_end + to, e->char_end + from, (size_t)n * sizeof *e->char_end);
}

/* Move what stays of a text to `to`. */
static void truncate(b4c_encoding *e, const span *text, b4c_truncate how, int to)
{
    const int gone = text->n - text->keep;
    int head = text->keep;   /* tokens that stay before those that go */
    if (how == B4C_TRUNCATE_LEFT) head = 0;
    if (how == B4C_TRUNCATE_MIDDLE) head = text->keep - text->keep / 2;
    move(e, to, text->begin, head);
    move(e, to + head, text->begin + head + gone, text->keep - head);
}

/* The template's parts before `what`, from part `from` on: special tokens all. */
static int specials_before(const b4c_template *tp, int from, int what)
{
    int n = 0;
    while (from + n < tp->n && tp->part[from + n].what != what) n++;
    return n;
}

static int segment_of(const b4c_template *tp, int what)
{
    for (int i = 0; i < tp->n; i++)
        if (tp->part[i].what == what) return tp->part[i].segment;
    return what == B4C_TEMPLATE_B;
}

static void fill_special(b4c_encoding *e, int at, const b4c_template_part *part, int n)
{
    for (int i = 0; i < n; i++, at++) {
        e->ids[at] = part[i].what;
        e->segments[at] = part[i].segment;
        e->begin[at] = e->end[at] = e->char_begin[at] = e->char_end[at] = 0;
        e->added[at] = 1;
    }
}

static void fill_text(b4c_encoding *e, int at, int n, int segment)
{
    for (int i = 0; i < n; i++) e->segments[at + i] = segment;
    if (n) memset(e->added + at, 0, (size_t)n);
}

/* Check that text is UTF-8, or count what is not where that is to be repaired. */
static int check_text(const char *text, size_t bytes, bool repair, b4c_encoding *e,
                      const char *what, b4c_error *err)
{
    size_t at = b4c_utf8_check(text, bytes);
    if (at < bytes && !repair) return b4c_utf8_fail(what, text, bytes, at, err);
    const uint8_t *const end = (const uint8_t *)text + bytes, *p, *next;
    for (; at < bytes; at += b4c_utf8_check(text + at, bytes - at)) {
        p = (const uint8_t *)text + at;
        (void)b4c_utf8_read(p, end, &next);
        at += (size_t)(next - p);
        e->repaired++;
    }
    return 0;
}

int b4c_tokenize(const b4c_tokenizer *t, const char *a, size_t len_a, const char *b, size_t len_b,
                 const b4c_tokenize_options *options, b4c_encoding *e, b4c_error *err)
{
    const b4c_tokenize_options o = options ? *options : B4C_TOKENIZE_DEFAULT;
    e->n = e->unknown = e->cut = e->n_dropped = e->dropped_in_first = e->repaired = 0;
    if (!t || !a) return b4c_fail(err, B4C_E_ARG, "tokenize: no %s", t ? "text" : "tokenizer");
    if (len_a == SIZE_MAX) len_a = strlen(a);
    if (b && len_b == SIZE_MAX) len_b = strlen(b);
    if (o.max_length < 0)
        return b4c_fail(err, B4C_E_ARG, "tokenize: max_length is %d, wanted 0 (no limit) or more",
                        o.max_length);
    if ((unsigned)o.truncate > B4C_TRUNCATE_ERROR)
        return b4c_fail(err, B4C_E_ARG, "tokenize: unknown way %d to truncate", (int)o.truncate);

    const b4c_template *tp = b ? &t->two : &t->one;
    if (tp->missing && !o.no_special)
        return b4c_fail(
            err, B4C_E_MISSING,
            "tokenize: the vocabulary lacks a token that stands around every text ([CLS], [SEP], "
            "</s> ...); ask for no special tokens");
    int lead = 0, between = 0, tail = 0;
    if (!o.no_special) {
        lead = specials_before(tp, 0, B4C_TEMPLATE_A);
        if (b) between = specials_before(tp, lead + 1, B4C_TEMPLATE_B);
        tail = tp->n - lead - between - (b ? 2 : 1);
    }
    const int special = lead + between + tail;
    if (o.max_length && o.max_length < special)
        return b4c_fail(err, B4C_E_ARG,
                        "tokenize: max_length %d has no room for the %d special tokens",
                        o.max_length, special);

    const bool find = !o.plain_text && (o.find_special || t->flags.dialect == B4C_DIALECT_HUB);
    B4C_TRY(check_text(a, len_a, o.repair, e, b ? "first text" : "text", err));
    if (b) B4C_TRY(check_text(b, len_b, o.repair, e, "second text", err));
    B4C_TRY(b4c_encoding_reserve(e, 64, err));
    e->n = lead;
    B4C_TRY(b4c_encode_text(t, a, len_a, find, o.parted, e, b ? "first text" : "text", err));
    span first = { lead, e->n - lead, e->n - lead }, second = { 0 };
    e->dropped_in_first = e->n_dropped;
    B4C_TRY(b4c_encoding_reserve(e, (int64_t)e->n + between, err));
    if (b) {
        e->n += between;
        second.begin = e->n;
        B4C_TRY(b4c_encode_text(t, b, len_b, find, o.parted, e, "second text", err));
        second.n = second.keep = e->n - second.begin;
    }
    const int64_t all = (int64_t)first.n + second.n + special;
    if (o.max_length && all > o.max_length) {
        if (o.truncate == B4C_TRUNCATE_ERROR) {
            e->n = 0;
            return b4c_fail(err, B4C_E_TEXT,
                            "%s: %lld tokens, the limit is %d; shorten the text, or truncate it",
                            b ? "pair" : "text", (long long)all, o.max_length);
        }
        share(t->flags.dialect, o.max_length, special, &first, &second);
        e->cut = first.n - first.keep + second.n - second.keep;
    }
    B4C_TRY(b4c_encoding_reserve(e, (int64_t)e->n + tail, err));

    truncate(e, &first, o.truncate, lead);
    const int at_b = lead + first.keep + between;
    truncate(e, &second, o.truncate, at_b);
    fill_text(e, lead, first.keep, segment_of(tp, B4C_TEMPLATE_A));
    fill_text(e, at_b, second.keep, segment_of(tp, B4C_TEMPLATE_B));
    fill_special(e, 0, tp->part, lead);
    fill_special(e, lead + first.keep, tp->part + lead + 1, between);
    if (!o.no_special) fill_special(e, at_b + second.keep, tp->part + tp->n - tail, tail);
    e->n = at_b + second.keep + tail;
    for (int i = 0; i < e->n; i++) e->unknown += e->ids[i] == t->unknown && !e->added[i];
    return 0;
}
