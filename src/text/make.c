/* make.c - a tokenizer from what its files say.
 *
 * Idea: making knows no files. The sources' texts are read into settings; then the tokenizer is
 * built from those alone. Tests and fuzzers do it without any files, and GGUF brings its own
 * settings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/settings.h"
#include "text/utf8.h"

/* ---- the sources ------------------------------------------------------------------------- */

/* Is the source parsed before all else? */
static bool is_json(int kind)
{
    return kind == B4C_SOURCE_TOKENIZER || (kind >= B4C_SOURCE_CONFIG && kind < B4C_SOURCE_BERT) ||
           kind == B4C_SOURCE_CHAT_JSON || kind == B4C_SOURCE_CHATS;
}

static int parse_sources(b4c_settings *s, b4c_error *err)
{
    for (int i = 0; i < B4C_SOURCES; i++) {
        const b4c_source *source = &s->source[i];
        if (!source->text || !is_json(i)) continue;
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
    if (s->kind != B4C_TOKENIZER_WORDPIECE) return B4C_DIALECT_HUB;
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

/* ---- tokens with a duty ------------------------------------------------------------------ */

/* Added tokens that are in the vocabulary have its ids; others have new ones, or none. */
static int put_added(b4c_tokenizer *t, const b4c_settings *s, b4c_error *err)
{
    for (int i = 0; i < s->added.n; i++) {
        b4c_added_token token = s->added.token[i];
        const int known = t->cutter->find(t, token.text);
        if (known < 0 && token.id < 0) {
            b4c_buffer_print(&t->notes, "token '%s' is named, but the vocabulary lacks it\n",
                             token.text);
            continue;
        }
        if (known >= 0 && token.id >= 0 && known != token.id)
            return b4c_fail(err, B4C_E_FORMAT,
                            "added tokens: '%.80s' has id %d, the vocabulary says %d", token.text,
                            token.id, known);
        const char *other = t->cutter->token(t, token.id);
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
static int find_duty(b4c_tokenizer *t, const b4c_settings *s, b4c_duty duty, const char *usual,
                     int *id, b4c_error *err)
{
    const char *name = s->duty[duty] ? s->duty[duty] : usual;
    *id = s->duty_id[duty];
    if (*id >= 0 || !name) return 0;
    *id = b4c_tokenizer_find(t, name);
    if (*id < 0 || s->root[B4C_SOURCE_TOKENIZER] || b4c_added_find(&t->added, name) >= 0) return 0;
    const b4c_added_token token = { .text = name, .id = *id, .special = true };
    if (b4c_added_put(&t->added, &token) == 0) return 0;
    return b4c_fail(err, B4C_E_MEMORY, "added tokens: no memory");
}

/* The usual names of a tokenizer.json's special tokens, where nothing beside it names them. */
static void find_usual(const b4c_tokenizer *t, int *id, const char *const *names)
{
    for (; *id < 0 && *names; names++) {
        const int i = b4c_added_find(&t->added, *names);
        if (i >= 0 && t->added.token[i].special) *id = t->added.token[i].id;
    }
}

static int find_duties(b4c_tokenizer *t, const b4c_settings *s, b4c_error *err)
{
    const bool bert = t->kind == B4C_TOKENIZER_WORDPIECE;
    B4C_TRY(find_duty(t, s, B4C_DUTY_PAD, bert ? "[PAD]" : NULL, &t->pad, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_MASK, bert ? "[MASK]" : NULL, &t->mask, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_UNKNOWN, bert ? "[UNK]" : NULL, &t->unknown, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_CLS, bert ? "[CLS]" : NULL, &t->cls, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_SEP, bert ? "[SEP]" : NULL, &t->sep, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_BOS, NULL, &t->bos, err));
    B4C_TRY(find_duty(t, s, B4C_DUTY_EOS, NULL, &t->eos, err));
    if (bert && t->unknown < 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: the vocabulary of %d tokens has no unknown token '%.60s'; is it the "
                        "right file?",
                        s->name, t->vocab.n,
                        s->duty[B4C_DUTY_UNKNOWN] ? s->duty[B4C_DUTY_UNKNOWN] : "[UNK]");
    if (bert) return 0;
    t->unknown = t->cutter == &b4c_pieces_cutter ? t->pieces.unknown : t->bpe.unknown;
    if (s->root[B4C_SOURCE_TOKENIZER] && !s->root[B4C_SOURCE_CONFIG] &&
        !s->root[B4C_SOURCE_SPECIAL]) {
        find_usual(t, &t->bos, (const char *const[]){ "<s>", "<bos>", NULL });
        find_usual(t, &t->eos, (const char *const[]){ "</s>", "<eos>", "<|endoftext|>", NULL });
        find_usual(t, &t->pad, (const char *const[]){ "<pad>", NULL });
        find_usual(t, &t->mask, (const char *const[]){ "<mask>", NULL });
    }
    return 0;
}

/* ---- the template ------------------------------------------------------------------------ */

static void make_template(b4c_tokenizer *t, const b4c_settings *s)
{
    int first = t->cls, last = t->sep;
    if (s->has_template) {
        t->one = s->one;
        t->two = s->two;
        return;
    }
    if (s->around == B4C_AROUND_BOS) {
        first = s->add_bos > 0 ? t->bos : -1;
        last = s->add_eos > 0 ? t->eos : -1;
    } else if (s->around != B4C_AROUND_CLS_SEP && s->around != B4C_AROUND_ROBERTA) {
        last = t->eos;
    }
    t->one = b4c_template_make(s->around, first, last, false);
    t->two = b4c_template_make(s->around, first, last, true);
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

/* ---- looking at the vocabulary ----------------------------------------------------------- */

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

/* ---- putting it together ----------------------------------------------------------------- */

/* What an added token is in the normalised text. */
static int normal_form(const void *arg, const char *text, b4c_buffer *out)
{
    const b4c_tokenizer *t = arg;
    int rc;
    if (t->kind == B4C_TOKENIZER_WORDPIECE) {
        b4c_flags flags = t->flags;
        b4c_normal normal = { 0 };
        if (t->cut) flags.chinese = false; /* as wordpiece.c does then */
        rc = b4c_normal_make(&normal, &flags, text, 0, strlen(text), 0);
        if (rc == 0) b4c_normal_text(&normal, out);
        b4c_normal_done(&normal);
        return rc;
    }
    b4c_mapped work[2] = { { 0 }, { 0 } };
    b4c_view v = { .text = text, .bytes = strlen(text) };
    rc = b4c_steps_apply(&t->normal, &v, true, work);
    if (rc == 0) b4c_buffer_add(out, v.text, v.bytes);
    b4c_mapped_done(&work[0]);
    b4c_mapped_done(&work[1]);
    return rc;
}

static int set_text(char **out, const char *text, b4c_error *err)
{
    *out = strdup(text);
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
}

/* ---- WordPiece --------------------------------------------------------------------------- */

static int cut_words(void *words, const char *text, size_t bytes, b4c_cuts *cuts, b4c_error *err)
{
    return b4c_words_cut(words, text, bytes, false, cuts, err);
}

enum { MANY_WORDS = 1000 };

/* A vocabulary of words needs them cut first: such a token is never found otherwise, unless Chinese
 * characters are not set apart. */
static int choose_words(b4c_tokenizer *t, const b4c_settings *s, const b4c_tokenizer_options *o,
                        b4c_error *err)
{
    const bool many = t->word_tokens >= MANY_WORDS && (t->flags.chinese || s->words);
    if (o->words > 0 || (o->words < 0 && many)) {
        t->words = b4c_words_default(err);
        if (!t->words) return B4C_E_MEMORY;
        if (o->user_words) B4C_TRY(b4c_words_add_file(t->words, o->user_words, err));
        t->cut = cut_words;
        t->cut_arg = t->words;
        if (o->words < 0)
            b4c_buffer_print(&t->notes,
                             "%d tokens are Chinese words: text is cut into words first\n",
                             t->word_tokens);
    } else if (o->user_words) {
        return b4c_fail(err, B4C_E_ARG,
                        "tokenizer: user_words are given, but the text is not cut into words");
    }
    return 0;
}

static int build_wordpiece(b4c_tokenizer *t, const b4c_settings *s, b4c_dialect dialect,
                           b4c_error *err)
{
    const b4c_source *list = &s->source[B4C_SOURCE_VOCABULARY];
    const b4c_lifted *v = &s->vocabulary;
    t->cutter = &b4c_wordpiece_cutter;
    t->max_word = s->max_word >= 0 && dialect == B4C_DIALECT_HUB   ? (int)s->max_word
                  : dialect == B4C_DIALECT_HUB ? 100
                                               : 200;
    if (v->keys || !list->text)
        B4C_TRY(b4c_vocab_make(&t->vocab, v->keys, v->n, s->name, err));
    else B4C_TRY(b4c_vocab_read(&t->vocab, list->text, list->bytes, dialect, s->name, err));
    B4C_TRY(set_text(&t->prefix, s->prefix ? s->prefix : "##", err));
    t->inside = b4c_trie_walk(&t->vocab.trie, B4C_TRIE_ROOT, t->prefix, strlen(t->prefix));
    t->decoder = s->decoder;
    t->decoder.as = dialect == B4C_DIALECT_HUB ? B4C_DECODE_WORDPIECE : B4C_DECODE_BERT4KERAS;
    return set_text(&t->decoder.prefix, s->decoder_prefix ? s->decoder_prefix : t->prefix, err);
}

/* ---- putting it together ----------------------------------------------------------------- */

static int build_model(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    B4C_TRY(b4c_make_model(t, s, err));
    t->decoder = s->decoder;
    t->decoder.prefix = NULL;
    return 0;
}

static int take_chats(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    const char *name;
    json_t *text;
    b4c_buffer names = { 0 };
    json_object_foreach(s->chats, name, text)
        b4c_buffer_print(&names, "%s%s", names.size ? "\n" : "", name);
    if (names.failed) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", s->name);
    t->chats = json_incref(s->chats);
    t->chat_names = names.data;
    return 0;
}

static int build(b4c_tokenizer *t, b4c_settings *s, const b4c_tokenizer_options *o,
                 b4c_error *err)
{
    const b4c_dialect dialect = choose_dialect(s, o->dialect);
    const bool bert = s->kind == B4C_TOKENIZER_WORDPIECE;
    t->kind = s->kind;
    t->pad = t->unknown = t->cls = t->sep = t->mask = t->bos = t->eos = -1;
    if (bert) t->flags = choose_flags(s, dialect, o);
    else t->flags.dialect = dialect;
    t->max_length = s->max_length;
    B4C_TRY(take_chats(t, s, err));
    B4C_TRY(bert ? build_wordpiece(t, s, dialect, err) : build_model(t, s, err));
    if (s->notes.size) b4c_buffer_text(&t->notes, s->notes.data);
    B4C_TRY(put_added(t, s, err));
    B4C_TRY(find_duties(t, s, err));
    if (bert) {
        look_at_vocabulary(t);
        B4C_TRY(choose_words(t, s, o, err));
        if (b4c_rules_make(&t->rules, &t->flags, &t->vocab, t->unknown) < 0)
            return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the tokenizer", s->name);
    }
    make_template(t, s);
    B4C_TRY(b4c_added_index(&t->added, normal_form, t, err));
    B4C_TRY(check_template(t, &t->one, s->name, err));
    B4C_TRY(check_template(t, &t->two, s->name, err));
    b4c_buffer_text(&t->notes, "");   /* no notes are an empty text */
    return t->notes.failed ? b4c_fail(err, B4C_E_MEMORY, "%s: no memory for notes", s->name) : 0;
}

/* Options that go against the kind. */
static int check_options(const b4c_tokenizer_options *o, const b4c_settings *s, b4c_error *err)
{
    const bool own = o->dialect != B4C_DIALECT_AUTO || o->lower_case >= 0 ||
                     o->strip_accents >= 0 || o->chinese_chars >= 0 || o->words > 0 ||
                     o->user_words;
    if ((unsigned)o->dialect > B4C_DIALECT_BERT4KERAS)
        return b4c_fail(err, B4C_E_ARG, "tokenizer: unknown dialect %d", (int)o->dialect);
    if (o->dialect == B4C_DIALECT_BERT4KERAS && (o->strip_accents >= 0 || o->chinese_chars >= 0))
        return b4c_fail(err, B4C_E_ARG,
                        "tokenizer: strip_accents and chinese_chars are choices of the hub's "
                        "dialect; bert4keras strips accents when it lower-cases");
    if (own && s->kind != B4C_TOKENIZER_WORDPIECE)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: dialect, lower case, accents, Chinese characters and words are "
                        "choices of WordPiece; this vocabulary is %s",
                        s->name, b4c_tokenizer_kind_name(s->kind));
    return 0;
}

b4c_tokenizer *b4c_tokenizer_from(b4c_settings *s, const b4c_tokenizer_options *o, b4c_error *err)
{
    b4c_tokenizer *t = calloc(1, sizeof *t);
    if (!t) b4c_fail(err, B4C_E_MEMORY, "%s: no memory", s->name);
    else if (check_options(o, s, err) == 0 && build(t, s, o, err) == 0) return t;
    b4c_tokenizer_free(t);
    return NULL;
}

/* Which of the sources holds the vocabulary; B4C_SOURCES: none. */
static int find_vocabulary(const b4c_source source[B4C_SOURCES])
{
    static const int order[] = { B4C_SOURCE_TOKENIZER, B4C_SOURCE_PIECES, B4C_SOURCE_BPE,
                                 B4C_SOURCE_VOCABULARY };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (source[order[i]].text) return order[i];
    return B4C_SOURCES;
}

static int read_settings(b4c_settings *s, b4c_error *err)
{
    const int from = find_vocabulary(s->source);
    if (from == B4C_SOURCES)
        return b4c_fail(err, B4C_E_MISSING,
                        "tokenizer: no tokenizer.json, SentencePiece model, vocab.json or "
                        "vocab.txt");
    s->name = s->source[from].name;
    B4C_TRY(parse_sources(s, err));
    if (from == B4C_SOURCE_TOKENIZER) B4C_TRY(b4c_settings_tokenizer_json(s, err));
    /* of pieces, which algorithm it is stands in the model */
    if (from == B4C_SOURCE_PIECES) s->kind = B4C_TOKENIZER_UNIGRAM;
    if (from == B4C_SOURCE_BPE) s->kind = B4C_TOKENIZER_BYTE_BPE;
    B4C_TRY(b4c_settings_config(s, err));
    return from == B4C_SOURCE_PIECES || from == B4C_SOURCE_BPE ? b4c_settings_class(s, err) : 0;
}

b4c_tokenizer *b4c_tokenizer_make(const b4c_source source[B4C_SOURCES],
                                  const b4c_tokenizer_options *options, b4c_error *err)
{
    const b4c_tokenizer_options o = options ? *options : B4C_TOKENIZER_DEFAULT;
    b4c_error own;
    if (!err) err = &own;
    b4c_settings s;
    b4c_settings_init(&s, source);
    b4c_tokenizer *t = NULL;
    int rc = read_settings(&s, err);
    if (rc == 0) t = b4c_tokenizer_from(&s, &o, err);
    b4c_settings_done(&s);
    return t;
}
