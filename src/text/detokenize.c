/* detokenize.c - ids to text, by the dialect's rules.
 *
 * Hub: the WordPiece decoder of the tokenizers library, token by token. bert4keras:
 * Tokenizer.decode, which joins first and then mends the whole text with four substitutions.
 * Neither gives the original back: blanks and case are lost.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* ---- hub ----------------------------------------------------------------------------------- */

/* Replace `from` by the shorter or equally long `to` in out->data[begin ..]. */
static void replace(b4c_buffer *out, size_t begin, const char *from, const char *to)
{
    if (out->failed || !out->data) return;
    const size_t n_from = strlen(from), n_to = strlen(to);
    char *write = out->data + begin;
    const char *read = write, *const end = out->data + out->size, *hit;
    while ((hit = memmem(read, (size_t)(end - read), from, n_from))) {
        memmove(write, read, (size_t)(hit - read));
        write += hit - read;
        memcpy(write, to, n_to);
        write += n_to;
        read = hit + n_from;
    }
    memmove(write, read, (size_t)(end - read));
    write += end - read;
    *write = 0;
    out->size = (size_t)(write - out->data);
}

/* `decoder`: the decoder's list, else that of transformers' clean_up_tokenization. */
static void clean_up(b4c_buffer *out, size_t begin, bool decoder)
{
    static const char *const pair[][2] = {
        { " .", "." },     { " ?", "?" },      { " !", "!" },   { " ,", "," },
        { " ' ", "'" },    { " n't", "n't" },  { " 'm", "'m" }, { " do not", " don't" },
        { " 's", "'s" },   { " 've", "'ve" },  { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (decoder || pair[i][0][1] != 'd') replace(out, begin, pair[i][0], pair[i][1]);
}

static void join_hub(const b4c_tokenizer *t, const char *token, bool first, b4c_buffer *out)
{
    const size_t n = strlen(t->decoder_prefix), begin = out->size;
    if (first) b4c_buffer_text(out, token);
    else if (t->wordpiece_decoder && strncmp(token, t->decoder_prefix, n) == 0)
        b4c_buffer_text(out, token + n);
    else {
        b4c_buffer_text(out, " ");
        b4c_buffer_text(out, token);
    }
    if (t->wordpiece_decoder && t->cleanup) clean_up(out, begin, true);
}

static bool is_special_hub(const b4c_tokenizer *t, int id)
{
    const int i = b4c_added_find_id(&t->added, id);
    return i >= 0 && t->added.token[i].special;
}

/* ---- bert4keras ---------------------------------------------------------------------------- */

typedef struct points { uint32_t *c; size_t n; } points;

/* bert4keras' list of Chinese punctuation (zhon's), and some ASCII: no blank stays behind these. */
static bool drops_blank(uint32_t c)
{
    static const uint16_t list[] = {
        0xff02, 0xff03, 0xff04, 0xff05, 0xff06, 0xff07, 0xff08, 0xff09, 0xff0a, 0xff0b, 0xff0c,
        0xff0d, 0xff0f, 0xff1a, 0xff1b, 0xff1c, 0xff1d, 0xff1e, 0xff20, 0xff3b, 0xff3c, 0xff3d,
        0xff3e, 0xff3f, 0xff40, 0xff5b, 0xff5c, 0xff5d, 0xff5e, 0xff5f, 0xff60, 0xff62, 0xff63,
        0xff64, 0x3000, 0x3001, 0x3003, 0x3008, 0x3009, 0x300a, 0x300b, 0x300c, 0x300d, 0x300e,
        0x300f, 0x3010, 0x3011, 0x3014, 0x3015, 0x3016, 0x3017, 0x3018, 0x3019, 0x301a, 0x301b,
        0x301c, 0x301d, 0x301e, 0x301f, 0x3030, 0x303e, 0x303f, 0x2013, 0x2014, 0x2018, 0x2019,
        0x201b, 0x201c, 0x201d, 0x201e, 0x201f, 0x2026, 0x2027, 0xfe4f, 0xfe51, 0xfe54, 0x00b7,
        0xff01, 0xff1f, 0xff61, 0x3002, '+',    '-',    '/',    '=',    '{',    '(',    '<',
        '[',
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == c) return true;
    return false;
}

static void append(points *out, const char *token)
{
    const uint8_t *p = (const uint8_t *)token, *const end = p + strlen(token);
    while (p < end) out->c[out->n++] = b4c_utf8_read(p, end, &p);
}

static void join_bert4keras(const char *token, bool first, points *out)
{
    const size_t bytes = strlen(token);
    const uint8_t *const p = (const uint8_t *)token, *next;
    const uint32_t c = bytes ? b4c_utf8_read(p, p + bytes, &next) : 0;
    const bool one = bytes && next == p + bytes;
    const b4c_dialect d = B4C_DIALECT_BERT4KERAS;
    if (strncmp(token, "##", 2) == 0) {
        append(out, token + 2);
    } else if (one && b4c_is_chinese(d, c)) {
        append(out, token);
    } else if (one && b4c_is_punctuation(d, c)) {
        append(out, token);
        out->c[out->n++] = ' ';
    } else {
        if (first || out->n == 0 || !b4c_is_chinese(d, out->c[out->n - 1])) out->c[out->n++] = ' ';
        append(out, token);
    }
}

/* Characters of "re ", "m " ... (with the blank) that stand at c[i], or 0. */
static size_t contraction(const points *t, size_t i)
{
    static const char *const tail[] = { "re ", "m ", "s ", "t ", "ve ", "d ", "ll " };
    for (size_t k = 0; k < sizeof tail / sizeof *tail; k++) {
        size_t n = 0;
        while (tail[k][n] && i + n < t->n && t->c[i + n] == (uint32_t)tail[k][n]) n++;
        if (!tail[k][n]) return n;
    }
    return 0;
}

static void mend(points *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)   /* ' +' -> ' ' */
        if (t->c[i] != ' ' || n == 0 || t->c[n - 1] != ' ') t->c[n++] = t->c[i];
    t->n = n;

    n = 0;
    for (size_t i = 0; i < t->n;) {   /* "' (re|m|s|t|ve|d|ll) " -> "'\1 " */
        const bool quote = t->c[i] == '\'' && i + 1 < t->n && t->c[i + 1] == ' ';
        const size_t tail = quote ? contraction(t, i + 2) : 0;
        t->c[n++] = t->c[i++];
        if (!tail) continue;
        memmove(t->c + n, t->c + i + 1, tail * sizeof *t->c);
        n += tail;
        i += 1 + tail;
    }
    t->n = n;

    n = 0;
    for (size_t i = 0; i < t->n; i++) {   /* a blank behind Chinese punctuation goes */
        t->c[n++] = t->c[i];
        if (i + 1 < t->n && t->c[i + 1] == ' ' && drops_blank(t->c[i])) i++;
    }
    t->n = n;

    n = 0;
    for (size_t i = 0; i < t->n;) {   /* "(\d\.) (\d)" -> "\1\2" */
        const bool hit = i + 3 < t->n && t->c[i + 1] == '.' && t->c[i + 2] == ' ' &&
                         b4c_is_digit(t->c[i]) && b4c_is_digit(t->c[i + 3]);
        t->c[n++] = t->c[i++];
        if (!hit) continue;
        t->c[n++] = '.';
        t->c[n++] = t->c[i + 2];
        i += 3;
    }
    t->n = n;
}

static bool is_special_bert4keras(const char *token)
{
    const size_t n = strlen(token);
    return n && token[0] == '[' && token[n - 1] == ']';
}

static void write_stripped(const points *t, b4c_buffer *out)
{
    size_t from = 0, to = t->n;
    while (from < to && b4c_is_python_space(t->c[from])) from++;
    while (to > from && b4c_is_python_space(t->c[to - 1])) to--;
    for (; from < to; from++) {
        char bytes[4];
        b4c_buffer_add(out, bytes, (size_t)b4c_utf8_write(t->c[from], bytes));
    }
}

/* ---- both ---------------------------------------------------------------------------------- */

char *b4c_detokenize(const b4c_tokenizer *t, const int32_t *ids, int n, bool keep_special,
                     b4c_error *err)
{
    const bool hub = t->flags.dialect == B4C_DIALECT_HUB;
    const int count = b4c_tokenizer_count(t);
    b4c_buffer out = { 0 };
    points text = { 0 };
    size_t room = 1;
    for (int i = 0; i < n; i++) {
        const char *token = b4c_tokenizer_token(t, ids[i]);
        if (!token) {
            b4c_fail(err, B4C_E_ARG, "detokenize: id %d at place %d is no token; ids are 0 to %d",
                     ids[i], i, count - 1);
            return NULL;
        }
        room += strlen(token) + 2;
    }
    if (!hub && !(text.c = malloc(room * sizeof *text.c))) out.failed = true;
    bool first = true;
    for (int i = 0; i < n && !out.failed; i++) {
        const char *token = b4c_tokenizer_token(t, ids[i]);
        if (!keep_special && (hub ? is_special_hub(t, ids[i]) : is_special_bert4keras(token)))
            continue;
        if (hub) join_hub(t, token, first, &out);
        else join_bert4keras(token, first, &text);
        first = false;
    }
    if (hub && t->cleanup_all) clean_up(&out, 0, false);
    if (!hub && !out.failed) {
        mend(&text);
        write_stripped(&text, &out);
    }
    free(text.c);
    b4c_buffer_text(&out, "");   /* an empty text is a string too */
    if (!out.failed) return out.data;
    b4c_buffer_done(&out);
    b4c_fail(err, B4C_E_MEMORY, "detokenize: no memory for %d tokens", n);
    return NULL;
}
