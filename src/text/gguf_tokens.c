/* gguf_tokens.c - see gguf_tokens.h.
 *
 * Idea: the metadata becomes settings, as a folder's files do; then make.c makes the tokenizer.
 * What each model's metadata leaves to the reader is what llama.cpp does with it, but for the form
 * of Unicode of Qwen2, which is the hub's.
 */
#include "text/chat_files.h"
#include "text/gguf_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

typedef b4c_gguf_tokens reader;

static int no_memory(const reader *r, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the tokenizer", r->g->where);
}

/* ---- lists ------------------------------------------------------------------------------- */

static int check_token(const reader *r, size_t i, b4c_span t, b4c_error *err)
{
    if (t.size && b4c_utf8_check((const char *)t.data, t.size) == t.size &&
        !memchr(t.data, 0, t.size))
        return 0;
    return b4c_fail(err, B4C_E_FORMAT,
                    "%s: tokenizer.ggml.tokens: token %zu is empty, not UTF-8, or has a zero byte",
                    r->g->where, i);
}

static int read_tokens(reader *r, b4c_error *err)
{
    b4c_lifted *v = &r->s.vocabulary;
    b4c_gguf_value list;
    b4c_span token;
    const int told = b4c_gguf_array(r->g, "tokenizer.ggml.tokens", B4C_GGUF_STRING, &list, err);
    if (told < 0) return told;
    if (told == 0 || list.count == 0 || list.count > B4C_VOCAB_MOST)
        return b4c_fail(err, told ? B4C_E_FORMAT : B4C_E_MISSING,
                        "%s: tokenizer.ggml.tokens: found %llu tokens, wanted 1 to %d", r->g->where,
                        told ? (unsigned long long)list.count : 0, B4C_VOCAB_MOST);
    const size_t n = (size_t)list.count;
    v->keys = malloc(n * sizeof *v->keys);
    r->kind = malloc(n);
    if (!v->keys || !r->kind) return no_memory(r, err);
    for (v->n = 0; v->n < n && b4c_gguf_next_text(&list, &token); v->n++) {
        B4C_TRY(check_token(r, v->n, token, err));
        v->keys[v->n] = (b4c_key){ (const char *)token.data, token.size, (int32_t)v->n };
        r->kind[v->n] = B4C_PIECE_NORMAL;
    }
    return 0;
}

/* An array beside the tokens, as long as they are: 1; 0: there is none. */
static int beside(const reader *r, const char *key, b4c_gguf_kind kind, b4c_gguf_value *out,
                  b4c_error *err)
{
    const int told = b4c_gguf_array(r->g, key, kind, out, err);
    if (told > 0 && out->count != r->s.vocabulary.n)
        return b4c_fail(err, B4C_E_FORMAT, "%s: %s: found %llu, wanted one for each of %zu tokens",
                        r->g->where, key, (unsigned long long)out->count, r->s.vocabulary.n);
    return told;
}

static int read_kinds(reader *r, b4c_error *err)
{
    b4c_gguf_value list;
    const int told = beside(r, "tokenizer.ggml.token_type", B4C_GGUF_I64, &list, err);
    if (told <= 0) return told;
    for (size_t i = 0; i < r->s.vocabulary.n; i++) {
        const int64_t kind = b4c_gguf_int_at(&list, i);
        if (kind < B4C_PIECE_NORMAL || kind > B4C_PIECE_BYTE)
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: tokenizer.ggml.token_type: token %zu has type %lld, wanted 1 to 6",
                            r->g->where, i, (long long)kind);
        r->kind[i] = (uint8_t)kind;
    }
    return 0;
}

static int read_scores(reader *r, b4c_error *err)
{
    b4c_lifted *v = &r->s.vocabulary;
    b4c_gguf_value list;
    const int told = beside(r, "tokenizer.ggml.scores", B4C_GGUF_F64, &list, err);
    if (told < 0) return told;
    if (told == 0)
        return b4c_fail(err, B4C_E_MISSING, "%s: no tokenizer.ggml.scores, which pieces need",
                        r->g->where);
    v->score = malloc(v->n * sizeof *v->score);
    if (!v->score) return no_memory(r, err);
    for (size_t i = 0; i < v->n; i++) v->score[i] = b4c_gguf_real_at(&list, i);
    return 0;
}

static int read_merges(reader *r, b4c_error *err)
{
    b4c_gguf_value list;
    b4c_span line;
    const int told = b4c_gguf_array(r->g, "tokenizer.ggml.merges", B4C_GGUF_STRING, &list, err);
    if (told < 0) return told;
    if (told == 0)
        return b4c_fail(err, B4C_E_MISSING, "%s: no tokenizer.ggml.merges, which BPE needs",
                        r->g->where);
    while (b4c_gguf_next_text(&list, &line))
        B4C_TRY(b4c_lifted_merge(&r->s.vocabulary, (const char *)line.data, line.size, r->g->where,
                                 err));
    return 0;
}

/* ---- tokens with a duty ------------------------------------------------------------------ */

static int read_duties(reader *r, b4c_error *err)
{
    static const struct { const char *key; b4c_duty duty; } list[] = {
        { "tokenizer.ggml.unknown_token_id", B4C_DUTY_UNKNOWN },
        { "tokenizer.ggml.padding_token_id", B4C_DUTY_PAD },
        { "tokenizer.ggml.cls_token_id", B4C_DUTY_CLS },
        { "tokenizer.ggml.seperator_token_id", B4C_DUTY_SEP }, /* spelt so */
        { "tokenizer.ggml.mask_token_id", B4C_DUTY_MASK },
        { "tokenizer.ggml.bos_token_id", B4C_DUTY_BOS },
        { "tokenizer.ggml.eos_token_id", B4C_DUTY_EOS },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        int64_t id = -1;
        B4C_TRY(b4c_gguf_int(r->g, list[i].key, -1, INT32_MAX, &id, err));
        /* converters write what the configuration said, tokens or not */
        if (id >= 0 && (uint64_t)id < r->s.vocabulary.n) r->s.duty_id[list[i].duty] = (int)id;
        else if (id >= 0)
            b4c_buffer_print(&r->s.notes, "%s: %s is %lld, which is no token\n", r->g->where,
                             list[i].key, (long long)id);
    }
    int *const id = r->s.duty_id;
    if (r->bert && id[B4C_DUTY_CLS] < 0) id[B4C_DUTY_CLS] = id[B4C_DUTY_BOS];
    if (r->bert && id[B4C_DUTY_SEP] < 0) id[B4C_DUTY_SEP] = id[B4C_DUTY_EOS];
    return 0;
}

/* Control and user-defined tokens are sought in texts. */
static int add_special(reader *r, b4c_error *err)
{
    const b4c_lifted *v = &r->s.vocabulary;
    b4c_buffer text = { 0 };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < v->n; i++) {
        const bool special = r->kind[i] == B4C_PIECE_CONTROL || r->kind[i] == B4C_PIECE_UNKNOWN;
        if (!special && r->kind[i] != B4C_PIECE_USER) continue;
        text.size = 0;
        b4c_buffer_add(&text, v->keys[i].text, v->keys[i].bytes);
        const b4c_added_token token = { .text = text.data, .id = (int)i, .special = special };
        rc = text.failed ? no_memory(r, err) : b4c_settings_add(&r->s, &token, err);
    }
    b4c_buffer_done(&text);
    return rc;
}

/* ---- the models -------------------------------------------------------------------------- */

static int read_flag(const reader *r, const char *key, int *out, b4c_error *err)
{
    bool value;
    const int told = b4c_gguf_bool(r->g, key, &value, err);
    if (told > 0) *out = value;
    return told < 0 ? told : 0;
}

static int read_charsmap(reader *r, b4c_error *err)
{
    b4c_gguf_value list;
    const int told = b4c_gguf_array(r->g, "tokenizer.ggml.precompiled_charsmap", B4C_GGUF_I64,
                                    &list, err);
    if (told <= 0) return told;
    if (list.kind != B4C_GGUF_U8 && list.kind != B4C_GGUF_I8)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: tokenizer.ggml.precompiled_charsmap is not a list of bytes",
                        r->g->where);
    return b4c_charsmap_read(&r->s.map, list.bytes.data, list.bytes.size, r->g->where, err);
}

static int read_pieces(reader *r, bool unigram, b4c_error *err)
{
    b4c_settings *s = &r->s;
    int squeeze = unigram, front = 1;
    s->kind = unigram ? B4C_TOKENIZER_UNIGRAM : B4C_TOKENIZER_BPE;
    s->own_map = true;
    B4C_TRY(read_scores(r, err));
    B4C_TRY(read_charsmap(r, err));
    B4C_TRY(read_flag(r, "tokenizer.ggml.add_space_prefix", &front, err));
    B4C_TRY(read_flag(r, "tokenizer.ggml.remove_extra_whitespaces", &squeeze, err));
    s->map.mark_blanks = true;
    s->map.dummy_prefix = front != 0;
    s->map.squeeze = squeeze != 0;
    if (s->add_bos < 0) s->add_bos = !unigram;
    if (s->add_eos < 0) s->add_eos = unigram;
    s->unknown_id = s->duty_id[B4C_DUTY_UNKNOWN];
    for (size_t i = 0; s->unknown_id >= 0 && i < s->vocabulary.n; i++)
        if (r->kind[i] == B4C_PIECE_UNKNOWN && (long long)i != s->unknown_id)
            r->kind[i] = B4C_PIECE_UNUSED;
    return 0;
}

static int read_bpe(reader *r, b4c_error *err)
{
    static const struct { const char *name; b4c_split split; } known[] = {
        { "default", B4C_SPLIT_GPT2 },    { "gpt-2", B4C_SPLIT_GPT2 },
        { "smollm", B4C_SPLIT_DIGITS },   { "llama-bpe", B4C_SPLIT_LLAMA3 },
        { "llama3", B4C_SPLIT_LLAMA3 },   { "llama-v3", B4C_SPLIT_LLAMA3 },
        { "qwen2", B4C_SPLIT_QWEN2 },     { "deepseek-r1-qwen", B4C_SPLIT_QWEN2 },
    };
    b4c_settings *s = &r->s;
    b4c_span pre = b4c_span_of("default");
    B4C_TRY(b4c_gguf_text(r->g, "tokenizer.ggml.pre", &pre, err));
    size_t i = 0;
    while (i < sizeof known / sizeof *known && !b4c_span_is(pre, known[i].name)) i++;
    if (i == sizeof known / sizeof *known)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: tokenizer.ggml.pre is '%.*s', wanted gpt-2, smollm, llama-bpe or "
                        "qwen2",
                        r->g->where, B4C_SPAN_ARG(pre));
    s->kind = B4C_TOKENIZER_BYTE_BPE;
    s->split = known[i].split;
    s->whole_first = s->split == B4C_SPLIT_LLAMA3;
    s->decoder = (b4c_decoder){ .as = B4C_DECODE_JOINED };
    if (s->split == B4C_SPLIT_QWEN2)
        s->normal.step[s->normal.n++] = (b4c_step){ .kind = B4C_STEP_FORM, .compose = true };
    if (s->add_bos < 0) s->add_bos = s->split == B4C_SPLIT_LLAMA3;
    if (s->add_eos < 0) s->add_eos = 0;
    return read_merges(r, err);
}

static bool has_capital(const b4c_key *k)
{
    for (size_t i = 0; i < k->bytes; i++)
        if (k->text[i] >= 'A' && k->text[i] <= 'Z') return true;
    return false;
}

/* Words are spelt with U+2581 before them and pieces within words without "##": undo both. */
static int read_bert(reader *r, b4c_error *err)
{
    b4c_lifted *v = &r->s.vocabulary;
    size_t bytes = 0;
    int capitals = 0;
    for (size_t i = 0; i < v->n; i++) bytes += v->keys[i].bytes + 3;
    char *to = r->spelt = malloc(bytes);
    if (!to) return no_memory(r, err);
    for (size_t i = 0; i < v->n; i++) {
        b4c_key *k = &v->keys[i];
        if (r->kind[i] == B4C_PIECE_CONTROL || (k->text[0] == '[' && k->text[k->bytes - 1] == ']'))
            continue;
        const bool word = k->bytes > 3 && memcmp(k->text, B4C_BLANK_MARK, 3) == 0;
        const size_t skip = word ? 3 : 0, front = word ? 0 : 2, n = k->bytes - skip;
        memcpy(to, "##", front);
        memcpy(to + front, k->text + skip, n);
        to[front + n] = 0;
        *k = (b4c_key){ to, front + n, k->value };
        capitals += has_capital(k);
        to += front + n + 1;
    }
    r->s.kind = B4C_TOKENIZER_WORDPIECE;
    r->s.around = B4C_AROUND_CLS_SEP;
    r->s.lower = capitals <= 200; /* the file does not say */
    b4c_buffer_print(&r->s.notes, "%s: GGUF does not say whether text is lower-cased; %s\n",
                     r->g->where,
                     r->s.lower ? "it is, since tokens have no capital letters"
                                : "it is not, since tokens have capital letters");
    return 0;
}

static int read_model(reader *r, b4c_error *err)
{
    b4c_span model;
    const int told = b4c_gguf_text(r->g, "tokenizer.ggml.model", &model, err);
    if (told < 0) return told;
    if (told == 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: no tokenizer.ggml.model: no tokenizer in this file", r->g->where);
    r->bert = b4c_span_is(model, "bert");
    B4C_TRY(b4c_chat_read_gguf(&r->s, r->g, err));
    B4C_TRY(read_tokens(r, err));
    B4C_TRY(read_kinds(r, err));
    B4C_TRY(read_duties(r, err));
    r->s.around = B4C_AROUND_BOS;
    B4C_TRY(read_flag(r, "tokenizer.ggml.add_bos_token", &r->s.add_bos, err));
    B4C_TRY(read_flag(r, "tokenizer.ggml.add_eos_token", &r->s.add_eos, err));
    const bool unigram = b4c_span_is(model, "t5");
    if (r->bert) B4C_TRY(read_bert(r, err));
    else if (unigram || b4c_span_is(model, "llama")) B4C_TRY(read_pieces(r, unigram, err));
    else if (b4c_span_is(model, "gpt2")) B4C_TRY(read_bpe(r, err));
    else
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: tokenizer.ggml.model is '%.*s', wanted llama, t5, gpt2 or bert",
                        r->g->where, B4C_SPAN_ARG(model));
    r->s.piece_kind = r->kind;
    return add_special(r, err);
}

int b4c_gguf_tokens_read(b4c_gguf_tokens *r, const b4c_gguf *g, b4c_error *err)
{
    *r = (b4c_gguf_tokens){ .g = g };
    b4c_settings_init(&r->s, r->none);
    r->s.name = g->where;
    return read_model(r, err);
}

void b4c_gguf_tokens_done(b4c_gguf_tokens *r)
{
    b4c_settings_done(&r->s);
    free(r->kind);
    free(r->spelt);
}

b4c_tokenizer *b4c_tokenizer_from_gguf(const b4c_gguf *g, const b4c_tokenizer_options *o,
                                       b4c_error *err)
{
    const b4c_tokenizer_options options = o ? *o : B4C_TOKENIZER_DEFAULT;
    b4c_gguf_tokens r;
    b4c_tokenizer *t = NULL;
    if (b4c_gguf_tokens_read(&r, g, err) == 0) t = b4c_tokenizer_from(&r.s, &options, err);
    b4c_gguf_tokens_done(&r);
    return t;
}
