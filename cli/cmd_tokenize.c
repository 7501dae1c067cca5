/* cmd_tokenize.c - tokenize: tokens, ids and offsets of texts or pairs, and ids back to text. */
#include "commands.h"
#include "default_model.h"
#include "job.h"
#include "utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct splitter {
    const cli_settings *settings;
    cli_model model; /* its path alone: no weights are needed */
    b4c_tokenizer *tokenizer;
    b4c_tokenize_options options;
    b4c_encoding e;
    int32_t *id; /* of one text to decode */
    size_t n, room;
    long long tokens, unknown, cut, dropped;
} splitter;

static const char *token_of(const splitter *t, int32_t id)
{
    const char *token = b4c_tokenizer_token(t->tokenizer, id);
    return token ? token : "";
}

/* ---- to ids --------------------------------------------------------------------------------- */

static void put_numbers(cli_output *out, const int32_t *x, int n, const char *between)
{
    for (int i = 0; i < n; i++) {
        if (i) cli_put_text(out, between);
        cli_put_count(out, x[i]);
    }
}

/* Each span as before, begin, middle, end, after. */
typedef struct span_style {
    const char *before, *middle, *after, *between;
} span_style;
static const span_style json_span = { "[", ",", "]", "," }, tsv_span = { "", "-", "", " " };

static void put_spans(cli_output *out, const uint32_t *begin, const uint32_t *end, int n,
                      span_style style)
{
    for (int i = 0; i < n; i++) {
        if (i) cli_put_text(out, style.between);
        cli_put_text(out, style.before);
        cli_put_count(out, begin[i]);
        cli_put_text(out, style.middle);
        cli_put_count(out, end[i]);
        cli_put_text(out, style.after);
    }
}

/* Where dropped characters stand: of one text an array, of a pair one for each. */
static void put_dropped(cli_output *out, const b4c_encoding *e, bool pair)
{
    cli_put_text(out, pair ? ",\"dropped\":[[" : ",\"dropped\":[");
    for (int i = 0; i < e->n_dropped; i++) {
        if (pair && i == e->dropped_in_first) cli_put_text(out, "],[");
        cli_print(out, i && i != (pair ? e->dropped_in_first : 0) ? ",%u" : "%u",
                  (unsigned)e->dropped[i]);
    }
    if (pair && e->n_dropped == e->dropped_in_first) cli_put_text(out, "],[");
    cli_put_text(out, pair ? "]]" : "]");
}

static void put_jsonl(const splitter *t, cli_output *out, const cli_chunk *c, const cli_record *r)
{
    const b4c_encoding *e = &t->e;
    const bool pair = t->settings->pair;
    cli_put_text(out, "{\"text\":");
    cli_put_json(out, cli_at(c, r->text[0]), r->text[0].size);
    if (pair) {
        cli_put_text(out, ",\"pair\":");
        cli_put_json(out, cli_at(c, r->text[1]), r->text[1].size);
    }
    cli_put_text(out, ",\"tokens\":[");
    for (int i = 0; i < e->n; i++) {
        const char *token = token_of(t, e->ids[i]);
        if (i) cli_put_text(out, ",");
        cli_put_json(out, token, strlen(token));
    }
    cli_put_text(out, "],\"ids\":[");
    put_numbers(out, e->ids, e->n, ",");
    if (pair) {
        cli_put_text(out, "],\"segments\":[");
        put_numbers(out, e->segments, e->n, ",");
    }
    cli_put_text(out, "],\"offsets\":[");
    put_spans(out, e->begin, e->end, e->n, json_span);
    cli_put_text(out, "],\"char_offsets\":[");
    put_spans(out, e->char_begin, e->char_end, e->n, json_span);
    cli_put_text(out, "]");
    put_dropped(out, e, pair);
    if (e->unknown) cli_print(out, ",\"unknown\":%d", e->unknown);
    if (e->cut) cli_print(out, ",\"cut\":%d", e->cut);
    cli_put_text(out, "}\n");
}

/* Four columns: tokens, ids, offsets in bytes, offsets in characters; within a column parted by
 * blanks. */
static void put_tsv(const splitter *t, cli_output *out)
{
    const b4c_encoding *e = &t->e;
    for (int i = 0; i < e->n; i++) {
        const char *token = token_of(t, e->ids[i]);
        if (i) cli_put_text(out, " ");
        cli_put_field(out, token, strlen(token));
    }
    cli_put_text(out, "\t");
    put_numbers(out, e->ids, e->n, " ");
    cli_put_text(out, "\t");
    put_spans(out, e->begin, e->end, e->n, tsv_span);
    cli_put_text(out, "\t");
    put_spans(out, e->char_begin, e->char_end, e->n, tsv_span);
    cli_put_text(out, "\n");
}

static void put_blanks(cli_output *out, int n)
{
    for (; n > 0; n--) cli_put_text(out, " ");
}

/* The character at a byte of the text: itself where there is something to see, and its number. */
static void put_character(cli_output *out, const char *text, size_t size, uint32_t at)
{
    const unsigned char *p = (const unsigned char *)text + at;
    const size_t n = at >= size ? 0 : *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? *p : n == 2 ? *p & 31u : n == 3 ? *p & 15u : *p & 7u;
    for (size_t i = 1; i < n && at + i < size; i++) c = c << 6 | (p[i] & 63u);
    if (c >= 0x20 && c != 0x7f && at + n <= size && cli_width((const char *)p, n) > 0) {
        cli_put(out, p, n);
        cli_put_text(out, " ");
    }
    cli_print(out, "U+%04X at byte %u", (unsigned)c, (unsigned)at);
}

static void put_table(const splitter *t, cli_output *out, const cli_chunk *c, const cli_record *r)
{
    const b4c_encoding *e = &t->e;
    int widest = 5;
    for (int i = 0; i < e->n; i++) {
        const char *token = token_of(t, e->ids[i]);
        const int w = cli_width(token, strlen(token));
        if (w > widest) widest = w;
    }
    for (int k = 0; k < (t->settings->pair ? 2 : 1); k++) {
        cli_put_field(out, cli_at(c, r->text[k]), r->text[k].size);
        cli_put_text(out, "\n");
    }
    cli_put_text(out, "  #     id  token");
    put_blanks(out, widest - 5);
    cli_print(out, "  %9s  %9s%s\n", "bytes", "chars", "");
    for (int i = 0; i < e->n; i++) {
        const char *token = token_of(t, e->ids[i]);
        char span[32];
        cli_print(out, "%3d %6d  ", i, (int)e->ids[i]);
        cli_put_field(out, token, strlen(token));
        if (!e->added[i]) {
            put_blanks(out, widest - cli_width(token, strlen(token)));
            snprintf(span, sizeof span, "%u-%u", (unsigned)e->begin[i], (unsigned)e->end[i]);
            cli_print(out, "  %9s", span);
            snprintf(span, sizeof span, "%u-%u", (unsigned)e->char_begin[i],
                     (unsigned)e->char_end[i]);
            cli_print(out, "  %9s", span);
        }
        cli_put_text(out, "\n");
    }
    for (int i = 0; i < e->n_dropped; i++) {
        const cli_piece text = r->text[i >= e->dropped_in_first && t->settings->pair];
        cli_put_text(out, "    dropped: ");
        put_character(out, cli_at(c, text), text.size, e->dropped[i]);
        cli_put_text(out, "\n");
    }
    if (e->cut) cli_print(out, "    cut: %d tokens\n", e->cut);
}

static int tokenize_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    splitter *t = self;
    for (int i = 0; i < c->n; i++) {
        const cli_record *r = c->record + i;
        const char *b = t->settings->pair ? cli_at(c, r->text[1]) : NULL;
        const int rc = b4c_tokenize(t->tokenizer, cli_at(c, r->text[0]), r->text[0].size, b,
                                    r->text[1].size, &t->options, &t->e, err);
        if (rc < 0) return rc;
        t->tokens += t->e.n;
        t->unknown += t->e.unknown;
        t->cut += t->e.cut;
        t->dropped += t->e.n_dropped;
        if (out->format == CLI_JSONL)
            put_jsonl(t, out, c, r);
        else if (out->format == CLI_TSV)
            put_tsv(t, out);
        else
            put_table(t, out, c, r);
    }
    return 0;
}

/* ---- from ids ------------------------------------------------------------------------------- */

static int add_id(splitter *t, long id, b4c_error *err)
{
    if (t->n == t->room) {
        const size_t room = 2 * t->room + 64;
        int32_t *more = realloc(t->id, room * sizeof *more);
        if (!more) return cli_fail(err, B4C_E_MEMORY, "no memory for %zu ids", room);
        t->id = more;
        t->room = room;
    }
    t->id[t->n++] = (int32_t)id;
    return 0;
}

static int read_ids(splitter *t, const char *text, size_t size, b4c_error *err)
{
    const int count = b4c_tokenizer_count(t->tokenizer);
    t->n = 0;
    for (const char *p = text; p < text + size;) {
        if (isspace((unsigned char)*p) || *p == ',') {
            p++;
            continue;
        }
        char *end;
        errno = 0;
        const long id = strtol(p, &end, 10);
        const size_t n = strcspn(p, " \t,");
        if (end != p + n || errno || id < 0 || id >= count)
            return cli_fail(err, B4C_E_FORMAT,
                            "wrong id: found '%.*s', wanted a number from 0 to %d",
                            n > 40 ? 40 : (int)n, p, count - 1);
        if (add_id(t, id, err) < 0) return B4C_E_MEMORY;
        p = end;
    }
    return 0;
}

static int decode_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    splitter *t = self;
    for (int i = 0; i < c->n; i++) {
        const cli_piece p = c->record[i].text[0];
        int rc = read_ids(t, cli_at(c, p), p.size, err);
        if (rc < 0) return rc;
        char *text = b4c_detokenize(t->tokenizer, t->id, (int)t->n, !t->settings->no_special, err);
        if (!text) return err->code;
        if (out->format == CLI_JSONL) {
            cli_put_text(out, "{\"ids\":[");
            put_numbers(out, t->id, (int)t->n, ",");
            cli_put_text(out, "],\"text\":");
            cli_put_json(out, text, strlen(text));
            cli_put_text(out, "}\n");
        } else {
            cli_put_field(out, text, strlen(text));
            cli_put_text(out, "\n");
        }
        free(text);
    }
    return 0;
}

/* ---- the command ---------------------------------------------------------------------------- */

static void say(const void *self, long long records, double seconds)
{
    const splitter *t = self;
    (void)records;
    (void)seconds;
    if (t->cut) cli_say("%lld tokens were cut; --max-length and --truncate say where", t->cut);
    if (t->dropped) cli_say("%lld characters were dropped by the tokenizer's rules", t->dropped);
    if (t->unknown)
        cli_say("%lld of %lld tokens are unknown to the vocabulary (%.2f %%)", t->unknown,
                t->tokens, 100.0 * (double)t->unknown / (double)t->tokens);
}

static int prepare(void *self, b4c_error *err)
{
    splitter *t = self;
    const cli_settings *s = t->settings;
    t->options = B4C_TOKENIZE_DEFAULT;
    t->options.max_length = (int)s->max_length;
    t->options.truncate = (b4c_truncate)s->truncate;
    t->options.no_special = s->no_special;
    t->options.plain_text = s->plain;
    b4c_tokenizer_options how = B4C_TOKENIZER_DEFAULT;
    how.dialect = (b4c_dialect)s->dialect;
    if (s->lower) how.lower_case = 1;
    t->model.path = cli_model_find(s, CLI_DEFAULT_ENCODER, err);
    if (t->model.path) t->tokenizer = b4c_tokenizer_open_with(t->model.path, &how, err);
    return t->tokenizer ? 0 : err->code;
}

static int run(const cli_command *self, const cli_settings *s)
{
    splitter t = { .settings = s };
    const cli_job job = { .command = self,
                          .settings = s,
                          .want = s->pair ? CLI_PAIR : s->decode ? CLI_IDS : CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &t.model,
                          .self = &t,
                          .prepare = prepare,
                          .chunk = s->decode ? decode_chunk : tokenize_chunk,
                          .say = say };
    const int code = cli_job_run(&job);
    b4c_encoding_free(&t.e);
    b4c_tokenizer_free(t.tokenizer);
    free(t.id);
    cli_model_close(&t.model);
    return code;
}

const cli_command cli_tokenize = {
    .bit = CLI_TOKENIZE,
    .name = "tokenize",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "Tokens, ids and offsets, and ids back to text",
    .about = "text: a table a text; tsv: a line a text with tokens, ids, byte offsets and "
             "character offsets; jsonl: "
             "{\"text\", \"tokens\", \"ids\", \"offsets\", \"char_offsets\", \"dropped\"}. Offsets "
             "are [begin, end) in "
             "the text as it was given, first in bytes, then in code points; dropped lists the "
             "bytes at which characters stand that the tokenizer's rules throw away; where there "
             "are any, \"unknown\" counts the tokens that the vocabulary does not know, and "
             "\"cut\" those that truncation took.\n"
             "\n"
             "--decode reads ids, and prints their text; in jsonl the key is \"ids\", so the "
             "command reads what it wrote.",
    .examples = "bert4c tokenize 今天天气很好\n"
                "bert4c tokenize -m vocab.txt --pair 今天天气很好 出去走走\n"
                "bert4c tokenize --decode '101 791 1921 102'\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_TSV | 1 << CLI_JSONL,
    .format = CLI_TEXT,
};
