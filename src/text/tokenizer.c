/* tokenizer.c - a tokenizer from a folder or a file, and what can be asked of it.
 *
 * Idea: opening is two steps. The files that are there are mapped into a list of sources; then the
 * tokenizer is made from those texts alone, which tests and fuzzers do without any files.
 */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "text/settings.h"
#include "text/utf8.h"

/* ---- making -------------------------------------------------------------------------------- */

static int parse_sources(b4c_settings *s, b4c_error *err)
{
    for (int i = 0; i < B4C_SOURCES; i++) {
        const b4c_source *source = &s->source[i];
        if (!source->text || i == B4C_SOURCE_VOCABULARY || i == B4C_SOURCE_BERT) continue;
        const char *text = source->text;
        size_t bytes = source->bytes;
        if (i == B4C_SOURCE_TOKENIZER && b4c_vocab_lift(&s->vocabulary, text, bytes)) {
            text = s->vocabulary.rest.data;
            bytes = s->vocabulary.rest.size;
        }
        s->root[i] = b4c_json_parse(text, bytes, source->name, err);
        if (!s->root[i]) return err ? err->code : B4C_E_FORMAT;
    }
    return 0;
}

/* The hub's files, or Google's and bert4keras's? */
static b4c_dialect choose_dialect(const b4c_settings *s, b4c_dialect asked)
{
    if (asked != B4C_DIALECT_AUTO) return asked;
    if (s->root[B4C_SOURCE_TOKENIZER] || s->root[B4C_SOURCE_CONFIG]) return B4C_DIALECT_HUB;
    if (s->root[B4C_SOURCE_MODEL])
        return b4c_settings_is_hub_model(s) ? B4C_DIALECT_HUB : B4C_DIALECT_BERT4KERAS;
    return s->source[B4C_SOURCE_BERT].text ? B4C_DIALECT_BERT4KERAS : B4C_DIALECT_HUB;
}

/* What was asked, else what was said, else the default. */
static bool choose(int asked, int said, bool otherwise)
{
    return asked >= 0 ? asked != 0 : said >= 0 ? said != 0 : otherwise;
}

static b4c_flags choose_flags(const b4c_settings *s, b4c_dialect dialect,
                              const b4c_tokenizer_options *o)
{
    const bool lower = choose(o->lower_case, s->lower, true);
    if (dialect == B4C_DIALECT_BERT4KERAS)
        return (b4c_flags){ .dialect = dialect, .lower = lower, .strip_accents = lower,
                            .chinese = true, .clean = true };
    return (b4c_flags){ .dialect = dialect, .lower = lower,
                        .strip_accents = choose(o->strip_accents, s->strip_accents, lower),
                        .chinese = choose(o->chinese_chars, s->chinese, true),
                        .clean = choose(-1, s->clean, true) };
}

/* Added tokens that are in the vocabulary have its ids; others have new ones, or none. */
static int put_added(b4c_tokenizer *t, const b4c_settings *s, b4c_error *err)
{
    for (int i = 0; i < s->added.n; i++) {
        b4c_added_token token = s->added.token[i];
        const int known = b4c_trie_find(&t->vocab.trie, token.text, strlen(token.text));
        if (known < 0 && token.id < 0) {
            b4c_buffer_print(&t->notes, "token '%s' is named, but the vocabulary lacks it\n",
                             token.text);
            continue;
        }
        if (known >= 0 && token.id >= 0 && known != token.id)
            return b4c_fail(err, B4C_E_FORMAT,
                            "added tokens: '%.80s' has id %d, the vocabulary says %d", token.text,
                            token.id, known);
        const char *other = b4c_vocab_token(&t->vocab, token.id);
        if (known < 0 && other)
            return b4c_fail(err, B4C_E_FORMAT,
                            "added tokens: '%.80s' has id %d, which is '%.80s' in the vocabulary",
                            token.text, token.id, other);
        if (known >= 0) token.id = known;
        if (b4c_added_put(&t->added, &token) < 0)
            return b4c_fail(err, B4C_E_MEMORY, "added tokens: no memory");
    }
    return 0;
}

/* Id of the token with this duty, or -1. Without a tokenizer.json, which lists them, it is sought
 * in texts too. */
static int find_duty(b4c_tokenizer *t, const b4c_settings *s, const char *name, int *id,
                     b4c_error *err)
{
    *id = b4c_tokenizer_find(t, name);
    if (*id < 0 || s->root[B4C_SOURCE_TOKENIZER] || b4c_added_find(&t->added, name) >= 0) return 0;
    const b4c_added_token token = { .text = name, .id = *id, .special = true };
    if (b4c_added_put(&t->added, &token) == 0) return 0;
    return b4c_fail(err, B4C_E_MEMORY, "added tokens: no memory");
}

static int find_duties(b4c_tokenizer *t, const b4c_settings *s, const char *name, b4c_error *err)
{
    const char *unknown = s->unknown ? s->unknown : "[UNK]";
    const char *cls = s->cls ? s->cls : "[CLS]", *sep = s->sep ? s->sep : "[SEP]";
    B4C_TRY(find_duty(t, s, s->pad ? s->pad : "[PAD]", &t->pad, err));
    B4C_TRY(find_duty(t, s, s->mask ? s->mask : "[MASK]", &t->mask, err));
    B4C_TRY(find_duty(t, s, unknown, &t->unknown, err));
    B4C_TRY(find_duty(t, s, cls, &t->cls, err));
    B4C_TRY(find_duty(t, s, sep, &t->sep, err));
    if (t->unknown < 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: the vocabulary of %d tokens has no unknown token '%.60s'; is it the "
                        "right file?",
                        name, t->vocab.n, unknown);
    if (s->has_template) {
        t->one = s->one;
        t->two = s->two;
    } else {
        t->one = (b4c_template){ 3, { { t->cls, 0 }, { B4C_TEMPLATE_A, 0 }, { t->sep, 0 } },
                                 false };
        t->two = (b4c_template){ 5,
                                 { { t->cls, 0 }, { B4C_TEMPLATE_A, 0 }, { t->sep, 0 },
                                   { B4C_TEMPLATE_B, 1 }, { t->sep, 1 } },
                                 false };
        t->one.missing = t->two.missing = t->cls < 0 || t->sep < 0;
    }
    return 0;
}

/* Every special token of a template is one of the tokenizer's. */
static int check_template(const b4c_tokenizer *t, const b4c_template *tp, const char *name,
                          b4c_error *err)
{
    for (int i = 0; i < tp->n && !tp->missing; i++) {
        const int32_t what = tp->part[i].what;
        if (what >= 0 && !b4c_tokenizer_token(t, what))
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: the template has token id %d, which no token has", name, what);
    }
    return 0;
}

/* ---- looking at the vocabulary ------------------------------------------------------------- */

/* At least two characters, all Chinese? Then an ordinary text never becomes this token. */
static bool is_word(const char *token)
{
    const uint8_t *p = (const uint8_t *)token, *const end = p + strlen(token);
    int n = 0;
    for (; p < end; n++)
        if (!b4c_is_chinese(B4C_DIALECT_BERT4KERAS, b4c_utf8_read(p, end, &p))) return false;
    return n >= 2;
}

static bool has_capital(const char *token)
{
    if (token[0] == '[' || token[0] == '<') return false;
    for (; *token; token++)
        if (*token >= 'A' && *token <= 'Z') return true;
    return false;
}

/* Settings that do not fit the vocabulary make many unknown tokens. */
static void look_at_vocabulary(b4c_tokenizer *t)
{
    int capitals = 0;
    for (int id = 0; id < t->vocab.n; id++) {
        const char *token = b4c_vocab_token(&t->vocab, id);
        if (!token) continue;
        t->word_tokens += is_word(token);
        capitals += has_capital(token);
    }
    if (t->flags.lower && capitals > 200)
        b4c_buffer_print(&t->notes,
                         "text is lower-cased, but %d tokens have capital letters\n", capitals);
    if (!t->flags.lower && capitals == 0)
        b4c_buffer_text(&t->notes, "text is not lower-cased, but no token has a capital letter: "
                                   "words with capitals are unknown\n");
}

/* ---- putting it together ------------------------------------------------------------------- */

static int set_text(char **out, const char *text, b4c_error *err)
{
    *out = strdup(text);
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
}

static int build(b4c_tokenizer *t, const b4c_settings *s, const b4c_tokenizer_options *o,
                 b4c_error *err)
{
    const b4c_dialect dialect = choose_dialect(s, o->dialect);
    const b4c_source *list = &s->source[B4C_SOURCE_VOCABULARY];
    const char *name = list->name;
    t->flags = choose_flags(s, dialect, o);
    t->max_word = s->max_word >= 0 && dialect == B4C_DIALECT_HUB   ? (int)s->max_word
                  : dialect == B4C_DIALECT_HUB ? 100
                                               : 200;
    t->max_length = s->max_length;
    t->wordpiece_decoder = s->wordpiece_decoder;
    t->cleanup = s->cleanup;
    t->cleanup_all = s->cleanup_all;
    if (s->notes.size) b4c_buffer_text(&t->notes, s->notes.data);

    if (s->vocabulary.keys) {
        name = s->source[B4C_SOURCE_TOKENIZER].name;
        B4C_TRY(b4c_vocab_make(&t->vocab, s->vocabulary.keys, s->vocabulary.n, name, err));
    } else {
        B4C_TRY(b4c_vocab_read(&t->vocab, list->text, list->bytes, dialect, name, err));
    }
    B4C_TRY(put_added(t, s, err));
    B4C_TRY(find_duties(t, s, name, err));
    B4C_TRY(b4c_added_index(&t->added, &t->flags, err));
    B4C_TRY(check_template(t, &t->one, name, err));
    B4C_TRY(check_template(t, &t->two, name, err));
    if (b4c_rules_make(&t->rules, &t->flags, &t->vocab, t->unknown) < 0)
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the tokenizer", name);

    B4C_TRY(set_text(&t->prefix, s->prefix ? s->prefix : "##", err));
    B4C_TRY(set_text(&t->decoder_prefix, s->decoder_prefix ? s->decoder_prefix : t->prefix, err));
    t->inside = b4c_trie_walk(&t->vocab.trie, B4C_TRIE_ROOT, t->prefix, strlen(t->prefix));
    look_at_vocabulary(t);
    b4c_buffer_text(&t->notes, "");   /* no notes are an empty text */
    return t->notes.failed ? b4c_fail(err, B4C_E_MEMORY, "%s: no memory for notes", name) : 0;
}

static int check_options(const b4c_tokenizer_options *o, b4c_error *err)
{
    if ((unsigned)o->dialect > B4C_DIALECT_BERT4KERAS)
        return b4c_fail(err, B4C_E_ARG, "tokenizer: unknown dialect %d", (int)o->dialect);
    if (o->dialect == B4C_DIALECT_BERT4KERAS && (o->strip_accents >= 0 || o->chinese_chars >= 0))
        return b4c_fail(err, B4C_E_ARG,
                        "tokenizer: strip_accents and chinese_chars are choices of the hub's "
                        "dialect; bert4keras strips accents when it lower-cases");
    return 0;
}

b4c_tokenizer *b4c_tokenizer_make(const b4c_source source[B4C_SOURCES],
                                  const b4c_tokenizer_options *options, b4c_error *err)
{
    const b4c_tokenizer_options o = options ? *options : B4C_TOKENIZER_DEFAULT;
    b4c_error own;
    if (!err) err = &own;
    if (check_options(&o, err) < 0) return NULL;
    b4c_settings s;
    b4c_settings_init(&s, source);
    b4c_tokenizer *t = calloc(1, sizeof *t);
    int rc = t ? 0 : b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
    if (rc == 0 && !source[B4C_SOURCE_TOKENIZER].text && !source[B4C_SOURCE_VOCABULARY].text)
        rc = b4c_fail(err, B4C_E_MISSING, "tokenizer: neither a tokenizer.json nor a vocab.txt");
    if (rc == 0) rc = parse_sources(&s, err);
    if (rc == 0 && s.root[B4C_SOURCE_TOKENIZER]) rc = b4c_settings_tokenizer_json(&s, err);
    if (rc == 0) rc = b4c_settings_config(&s, err);
    if (rc == 0) rc = build(t, &s, &o, err);
    b4c_settings_done(&s);
    if (rc == 0) return t;
    b4c_tokenizer_free(t);
    return NULL;
}

void b4c_tokenizer_free(b4c_tokenizer *t)
{
    if (!t) return;
    b4c_vocab_done(&t->vocab);
    b4c_rules_done(&t->rules);
    b4c_added_done(&t->added);
    b4c_buffer_done(&t->notes);
    free(t->prefix);
    free(t->decoder_prefix);
    free(t);
}

void b4c_tokenizer_set_cut(b4c_tokenizer *t, b4c_cut_fn cut, void *arg)
{
    t->cut = cut;
    t->cut_arg = arg;
}

/* ---- opening ------------------------------------------------------------------------------- */

static const char *const source_name[B4C_SOURCES] = {
    [B4C_SOURCE_TOKENIZER] = "tokenizer.json",     [B4C_SOURCE_VOCABULARY] = "vocab.txt",
    [B4C_SOURCE_CONFIG] = "tokenizer_config.json", [B4C_SOURCE_SPECIAL] = "special_tokens_map.json",
    [B4C_SOURCE_ADDED] = "added_tokens.json",      [B4C_SOURCE_MODEL] = "config.json",
    [B4C_SOURCE_BERT] = "bert_config.json",
};

typedef struct files {
    b4c_file file[B4C_SOURCES];
    char *path[B4C_SOURCES];
    b4c_source source[B4C_SOURCES];
} files;

/* Map `path` (handed over) as a source. */
static int map_source(files *f, int kind, char *path, b4c_error *err)
{
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
    f->path[kind] = path;
    B4C_TRY(b4c_file_map(&f->file[kind], path, err));
    f->source[kind] = (b4c_source){ (const char *)f->file[kind].data, f->file[kind].size, path };
    return 0;
}

static int map_if_there(files *f, int kind, const char *folder, b4c_error *err)
{
    char *path = b4c_path_join(folder, source_name[kind]);
    if (path && !b4c_file_exists(path)) {
        free(path);
        return 0;
    }
    return map_source(f, kind, path, err);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcasecmp(text + n - k, end) == 0;
}

/* The folder has no vocabulary: say which other kind it has, if any. */
static int no_vocabulary(const char *folder, b4c_error *err)
{
    static const char *const other[] = { "spiece.model", "sentencepiece.bpe.model", "vocab.json",
                                         "merges.txt" };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        char *path = b4c_path_join(folder, other[i]);
        const bool there = path && b4c_file_exists(path);
        free(path);
        if (there)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: found %s, wanted a WordPiece vocabulary: tokenizer.json or "
                            "vocab.txt",
                            folder, other[i]);
    }
    return b4c_fail(err, B4C_E_MISSING, "%s: no tokenizer.json and no vocab.txt in this folder",
                    folder);
}

static int gather(files *f, const char *path, b4c_error *err)
{
    const bool folder_given = b4c_folder_exists(path);
    char *folder = folder_given ? strdup(path) : b4c_path_folder(path);
    int rc = folder ? 0 : b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
    if (rc == 0 && folder_given) {
        rc = map_if_there(f, B4C_SOURCE_TOKENIZER, folder, err);
        if (rc == 0 && !f->source[B4C_SOURCE_TOKENIZER].text)
            rc = map_if_there(f, B4C_SOURCE_VOCABULARY, folder, err);
        if (rc == 0 && !f->path[B4C_SOURCE_TOKENIZER] && !f->path[B4C_SOURCE_VOCABULARY])
            rc = no_vocabulary(folder, err);
    } else if (rc == 0) {
        const int kind = ends_with(path, ".json") ? B4C_SOURCE_TOKENIZER : B4C_SOURCE_VOCABULARY;
        rc = map_source(f, kind, strdup(path), err);
    }
    for (int i = B4C_SOURCE_CONFIG; rc == 0 && i < B4C_SOURCES; i++)
        rc = map_if_there(f, i, folder, err);
    free(folder);
    return rc;
}

b4c_tokenizer *b4c_tokenizer_open_with(const char *path, const b4c_tokenizer_options *options,
                                       b4c_error *err)
{
    files f = { 0 };
    b4c_tokenizer *t = NULL;
    if (!path) b4c_fail(err, B4C_E_ARG, "tokenizer: no path");
    else if (gather(&f, path, err) == 0) t = b4c_tokenizer_make(f.source, options, err);
    for (int i = 0; i < B4C_SOURCES; i++) {
        b4c_file_unmap(&f.file[i]);
        free(f.path[i]);
    }
    return t;
}

b4c_tokenizer *b4c_tokenizer_open(const char *path, b4c_dialect dialect, b4c_error *err)
{
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    o.dialect = dialect;
    return b4c_tokenizer_open_with(path, &o, err);
}

/* ---- asking -------------------------------------------------------------------------------- */

int b4c_tokenizer_count(const b4c_tokenizer *t)
{
    const int last = t->added.n ? t->added.token[t->added.by_id[t->added.n - 1]].id : -1;
    return last >= t->vocab.n ? last + 1 : t->vocab.n;
}

const char *b4c_tokenizer_token(const b4c_tokenizer *t, int id)
{
    const char *token = b4c_vocab_token(&t->vocab, id);
    if (token) return token;
    const int i = b4c_added_find_id(&t->added, id);
    return i < 0 ? NULL : t->added.token[i].text;
}

int b4c_tokenizer_find(const b4c_tokenizer *t, const char *token)
{
    const int id = b4c_trie_find(&t->vocab.trie, token, strlen(token));
    if (id >= 0) return id;
    const int i = b4c_added_find(&t->added, token);
    return i < 0 ? -1 : t->added.token[i].id;
}

void b4c_tokenizer_describe(const b4c_tokenizer *t, b4c_tokenizer_info *info)
{
    *info = (b4c_tokenizer_info){
        .dialect = t->flags.dialect, .lower_case = t->flags.lower,
        .strip_accents = t->flags.strip_accents, .chinese_chars = t->flags.chinese,
        .clean_text = t->flags.clean, .max_length = t->max_length, .pad = t->pad,
        .unknown = t->unknown, .cls = t->cls, .sep = t->sep, .mask = t->mask,
        .word_tokens = t->word_tokens, .notes = t->notes.data,
    };
}
