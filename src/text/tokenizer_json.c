/* tokenizer_json.c - tokenizer.json, as the hub's fast tokenizers are written.
 *
 * Idea: the file can describe many kinds of tokenizer. WordPiece over BertNormalizer and
 * BertPreTokenizer is read here; what stands around other models, in pipeline_json.c. Anything that
 * would change a token and is not known is refused by name, never skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "text/settings.h"

static const char *where(const b4c_settings *s) { return s->name; }

const char *b4c_settings_type(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    return type ? type : "(no type)";
}

int b4c_settings_unsupported(const b4c_settings *s, const char *what, const json_t *part,
                             const char *wanted, b4c_error *err)
{
    return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: %s is '%.60s', wanted %s", where(s), what,
                    part ? b4c_settings_type(part) : "null", wanted);
}

/* ---- normalizer -------------------------------------------------------------------------- */

typedef struct normal_state { int steps; bool decomposed, lowered_first; } normal_state;

static int read_normalizer(b4c_settings *s, const json_t *part, normal_state *state, b4c_error *err)
{
    const char *type = b4c_settings_type(part);
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(part, "normalizers"), *item;
        size_t i;
        if (!json_is_array(list))
            return b4c_fail(err, B4C_E_FORMAT, "%s: normalizer: \"normalizers\" is not a list",
                            where(s));
        json_array_foreach(list, i, item) B4C_TRY(read_normalizer(s, item, state, err));
        return 0;
    }
    state->steps++;
    /* sentence-transformers writes Lowercase in front of it for its do_lower_case */
    const bool first = state->steps == 1, lowered = state->steps == 2 && state->lowered_first;
    if (strcmp(type, "BertNormalizer") == 0 && (first || lowered)) {
        bool lower = true, strip = false, chinese = true, clean = true;
        B4C_TRY(b4c_json_bool(part, "lowercase", &lower, where(s), err));
        const int told = b4c_json_bool(part, "strip_accents", &strip, where(s), err);
        B4C_TRY(told);
        B4C_TRY(b4c_json_bool(part, "handle_chinese_chars", &chinese, where(s), err));
        B4C_TRY(b4c_json_bool(part, "clean_text", &clean, where(s), err));
        s->lower = lower || lowered;
        s->strip_accents = told ? strip : lowered ? lower : -1;
        s->chinese = chinese;
        s->clean = clean;
        return 0;
    }
    /* -1 stands for "as lower", and is settled before another step changes either. */
    if (s->strip_accents < 0) s->strip_accents = s->lower > 0;
    if (strcmp(type, "Lowercase") == 0) {
        s->lower = 1;
        state->lowered_first = first;
    } else if (strcmp(type, "NFD") == 0) {
        state->decomposed = true;
    } else if (strcmp(type, "StripAccents") == 0 && (state->decomposed || s->strip_accents)) {
        s->strip_accents = 1;
        state->decomposed = false;
    } else {
        return b4c_settings_unsupported(s, "a normalizer", part,
                                        "BertNormalizer, at most behind Lowercase, then Lowercase, "
                                        "NFD with StripAccents",
                                        err);
    }
    return 0;
}

static int read_normal_form(b4c_settings *s, const json_t *root, b4c_error *err)
{
    normal_state state = { 0 };
    const json_t *part = json_object_get(root, "normalizer");
    s->lower = s->strip_accents = s->chinese = s->clean = 0;
    if (b4c_settings_is_part(part)) B4C_TRY(read_normalizer(s, part, &state, err));
    if (state.decomposed)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: the normalizer decomposes (NFD) without StripAccents after it",
                        where(s));
    return 0;
}

/* ---- pre_tokenizer ----------------------------------------------------------------------- */

static int read_pre_tokenizer(const b4c_settings *s, const json_t *part, bool *bert, b4c_error *err)
{
    const char *type = b4c_settings_is_part(part) ? b4c_settings_type(part) : "null";
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(part, "pretokenizers"), *item;
        size_t i;
        if (!json_is_array(list))
            return b4c_fail(err, B4C_E_FORMAT, "%s: pre_tokenizer: \"pretokenizers\" is not a list",
                            where(s));
        json_array_foreach(list, i, item) B4C_TRY(read_pre_tokenizer(s, item, bert, err));
        return 0;
    }
    if (strcmp(type, "BertPreTokenizer") == 0) *bert = true;
    else if (strcmp(type, "WhitespaceSplit") != 0)   /* which BertPreTokenizer does anyway */
        return b4c_settings_unsupported(s, "a pre_tokenizer",
                                        b4c_settings_is_part(part) ? part : NULL,
                                        "BertPreTokenizer", err);
    return 0;
}

/* ---- post_processor ---------------------------------------------------------------------- */

static int add_part(const b4c_settings *s, b4c_template *tp, int32_t what, long long segment,
                    b4c_error *err)
{
    if (tp->n == B4C_TEMPLATE_MOST)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: post_processor: more than %d parts around a text", where(s),
                        B4C_TEMPLATE_MOST);
    tp->part[tp->n++] = (b4c_template_part){ what, (int32_t)segment };
    return 0;
}

/* The ids that a special token of the template stands for. */
static int add_special(const b4c_settings *s, b4c_template *tp, const json_t *specials,
                       const char *name, long long segment, b4c_error *err)
{
    const json_t *ids = json_object_get(json_object_get(specials, name), "ids"), *item;
    size_t i;
    if (!json_is_array(ids) || json_array_size(ids) == 0)
        return b4c_fail(err, B4C_E_FORMAT, "%s: post_processor: no ids of special token '%.60s'",
                        where(s), name);
    json_array_foreach(ids, i, item) {
        const double id = json_is_number(item) ? json_number_value(item) : -1;
        if (!(id >= 0 && id < B4C_VOCAB_MOST))
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: post_processor: special token '%.60s' has no proper id", where(s),
                            name);
        B4C_TRY(add_part(s, tp, (int32_t)id, segment, err));
    }
    return 0;
}

static int read_template(const b4c_settings *s, b4c_template *tp, const json_t *list,
                         const json_t *specials, bool pair, b4c_error *err)
{
    const json_t *item;
    size_t i;
    bool a = false, b = false;
    if (!json_is_array(list))
        return b4c_fail(err, B4C_E_FORMAT, "%s: post_processor: \"%s\" is not a list", where(s),
                        pair ? "pair" : "single");
    json_array_foreach(list, i, item) {
        const json_t *text = json_object_get(item, "Sequence"),
                     *special = json_object_get(item, "SpecialToken");
        const json_t *part = text ? text : special;
        const char *id = NULL;
        long long segment = 0;
        B4C_TRY(b4c_json_text(part, "id", &id, where(s), err));
        B4C_TRY(b4c_json_int(part, "type_id", 0, 255, &segment, where(s), err));
        if (!id)
            return b4c_fail(err, B4C_E_FORMAT, "%s: post_processor: a part without id", where(s));
        if (special) {
            B4C_TRY(add_special(s, tp, specials, id, segment, err));
        } else if (strcmp(id, "A") == 0 && !a && !b) {
            a = true;
            B4C_TRY(add_part(s, tp, B4C_TEMPLATE_A, segment, err));
        } else if (strcmp(id, "B") == 0 && pair && a && !b) {
            b = true;
            B4C_TRY(add_part(s, tp, B4C_TEMPLATE_B, segment, err));
        } else
            return b4c_fail(
                err, B4C_E_UNSUPPORTED,
                "%s: post_processor: text '%.20s' where A, then B in pairs, were wanted, once each",
                where(s), id);
    }
    if (!a || (pair && !b))
        return b4c_fail(err, B4C_E_FORMAT, "%s: post_processor: \"%s\" leaves out a text", where(s),
                        pair ? "pair" : "single");
    return 0;
}

/* BertProcessing, RobertaProcessing: {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static int read_cls_sep(b4c_settings *s, const json_t *part, bool roberta, b4c_error *err)
{
    const char *const key[2] = { "cls", "sep" };
    int32_t id[2];
    for (int i = 0; i < 2; i++) {
        const json_t *value = json_array_get(json_object_get(part, key[i]), 1);
        const double x = json_is_number(value) ? json_number_value(value) : -1;
        if (!(x >= 0 && x < B4C_VOCAB_MOST))
            return b4c_fail(err, B4C_E_FORMAT, "%s: post_processor: \"%s\" is not [token, id]",
                            where(s), key[i]);
        id[i] = (int32_t)x;
    }
    const b4c_around around = roberta ? B4C_AROUND_ROBERTA : B4C_AROUND_CLS_SEP;
    s->one = b4c_template_make(around, id[0], id[1], false);
    s->two = b4c_template_make(around, id[0], id[1], true);
    return 0;
}

static int read_post_processor(b4c_settings *s, const json_t *part, b4c_error *err)
{
    const char *type = b4c_settings_type(part);
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(part, "processors"), *item;
        size_t i;
        int templates = 0;
        json_array_foreach(list, i, item) {
            const bool plain = strcmp(b4c_settings_type(item), "ByteLevel") == 0;
            templates += !plain;
            if (!plain) B4C_TRY(read_post_processor(s, item, err));
        }
        if (templates <= 1) return 0;
    }
    if (strcmp(type, "ByteLevel") == 0) return 0;   /* it only moves offsets */
    const bool roberta = strcmp(type, "RobertaProcessing") == 0;
    if (roberta || strcmp(type, "BertProcessing") == 0) return read_cls_sep(s, part, roberta, err);
    if (strcmp(type, "TemplateProcessing") != 0)
        return b4c_settings_unsupported(
            s, "the post_processor", part,
            "TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel", err);
    const json_t *specials = json_object_get(part, "special_tokens");
    s->one.n = s->two.n = 0;
    B4C_TRY(read_template(s, &s->one, json_object_get(part, "single"), specials, false, err));
    return read_template(s, &s->two, json_object_get(part, "pair"), specials, true, err);
}

/* ---- model, decoder, added tokens -------------------------------------------------------- */

static int refuse_affixes(const b4c_settings *s, const json_t *model, b4c_error *err)
{
    const char *const key[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    for (int i = 0; i < 2; i++) {
        const char *text = "";
        B4C_TRY(b4c_json_text(model, key[i], &text, where(s), err));
        if (*text)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: the BPE model has a %s '%.40s', wanted none", where(s), key[i],
                            text);
    }
    double dropout = 0;   /* for training */
    const int told = b4c_json_real(model, "dropout", &dropout, where(s), err);
    return told < 0 ? told : 0;
}

static int read_wordpiece(b4c_settings *s, const json_t *model, b4c_error *err)
{
    s->kind = B4C_TOKENIZER_WORDPIECE;
    s->max_word = 100;
    s->duty[B4C_DUTY_UNKNOWN] = "[UNK]";
    s->prefix = "##";
    B4C_TRY(b4c_json_text(model, "unk_token", &s->duty[B4C_DUTY_UNKNOWN], where(s), err));
    B4C_TRY(b4c_json_text(model, "continuing_subword_prefix", &s->prefix, where(s), err));
    const int told = b4c_json_int(model, "max_input_chars_per_word", 0, INT32_MAX - 1, &s->max_word,
                                  where(s), err);
    return told < 0 ? told : 0;
}

/* Which of Unigram and BPE merges bytes is known when its pre_tokenizer is. */
static int read_other_model(b4c_settings *s, const json_t *model, bool unigram, b4c_error *err)
{
    s->kind = unigram ? B4C_TOKENIZER_UNIGRAM : B4C_TOKENIZER_BPE;
    B4C_TRY(b4c_json_bool(model, "byte_fallback", &s->byte_fallback, where(s), err));
    if (unigram) {
        const int told = b4c_json_int(model, "unk_id", 0, B4C_VOCAB_MOST - 1, &s->unknown_id,
                                      where(s), err);
        return told < 0 ? told : 0;
    }
    B4C_TRY(b4c_json_text(model, "unk_token", &s->model_unknown, where(s), err));
    B4C_TRY(b4c_json_bool(model, "fuse_unk", &s->fuse_unknown, where(s), err));
    B4C_TRY(b4c_json_bool(model, "ignore_merges", &s->whole_first, where(s), err));
    return refuse_affixes(s, model, err);
}

static int read_model(b4c_settings *s, const json_t *model, b4c_error *err)
{
    json_t *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    const char *type = json_string_value(json_object_get(model, "type"));
    const bool lifted = s->vocabulary.n > 0;
    if (!type) /* as old files are: the parts tell */
        type = merges                                                       ? "BPE"
               : (lifted ? s->vocabulary.score != NULL : json_is_array(vocab)) ? "Unigram"
                                                                            : "WordPiece";
    const bool unigram = strcmp(type, "Unigram") == 0, bpe = strcmp(type, "BPE") == 0;
    if (!unigram && !bpe && strcmp(type, "WordPiece") != 0)
        return b4c_settings_unsupported(s, "the model", model, "WordPiece, Unigram or BPE", err);
    if (!lifted) B4C_TRY(b4c_vocab_take(&s->vocabulary, vocab, where(s), err));
    /* what was lifted has left an empty list */
    if (bpe) B4C_TRY(b4c_merges_take(&s->vocabulary, merges, where(s), err));
    if (unigram != (s->vocabulary.score != NULL))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: model: the vocabulary of a %s model is not %s", where(s), type,
                        unigram ? "a list of pieces and scores" : "an object of tokens and ids");
    return unigram || bpe ? read_other_model(s, model, unigram, err)
                          : read_wordpiece(s, model, err);
}

static int read_decoder(b4c_settings *s, const json_t *part, b4c_error *err)
{
    s->decoder_prefix = s->prefix;
    s->decoder.cleanup = true;
    s->decoder.no_pieces = !b4c_settings_is_part(part);
    if (!b4c_settings_is_part(part)) return 0;
    if (strcmp(b4c_settings_type(part), "WordPiece") != 0) {
        b4c_buffer_print(&s->notes, "%s: decoder '%.60s' is read as WordPiece\n", where(s),
                         b4c_settings_type(part));
        return 0;
    }
    B4C_TRY(b4c_json_text(part, "prefix", &s->decoder_prefix, where(s), err));
    B4C_TRY(b4c_json_bool(part, "cleanup", &s->decoder.cleanup, where(s), err));
    return 0;
}

static int read_added(b4c_settings *s, const json_t *list, b4c_error *err)
{
    const json_t *item;
    size_t i;
    if (!b4c_settings_is_part(list)) return 0;
    if (!json_is_array(list))
        return b4c_fail(err, B4C_E_FORMAT, "%s: \"added_tokens\" is not a list", where(s));
    json_array_foreach(list, i, item) {
        b4c_added_token token = { .normalized = true };
        long long id = -1;
        B4C_TRY(b4c_settings_token(item, &token, where(s), err));
        B4C_TRY(b4c_json_int(item, "id", 0, B4C_VOCAB_MOST - 1, &id, where(s), err));
        if (id < 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: added token '%.60s' has no id", where(s),
                            token.text);
        if (b4c_added_find(&s->added, token.text) >= 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: added token '%.60s' stands twice", where(s),
                            token.text);
        token.id = (int)id;
        B4C_TRY(b4c_settings_add(s, &token, err));
    }
    return 0;
}

int b4c_settings_tokenizer_json(b4c_settings *s, b4c_error *err)
{
    const json_t *root = s->root[B4C_SOURCE_TOKENIZER];
    bool bert = false;
    if (!json_is_object(root)) return b4c_fail(err, B4C_E_FORMAT, "%s: not an object", where(s));
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model))
        return b4c_fail(err, B4C_E_FORMAT, "%s: no \"model\"; is this a tokenizer.json?", where(s));
    B4C_TRY(read_model(s, model, err));
    if (s->kind == B4C_TOKENIZER_WORDPIECE) {
        B4C_TRY(read_normal_form(s, root, err));
        B4C_TRY(read_pre_tokenizer(s, json_object_get(root, "pre_tokenizer"), &bert, err));
        if (!bert)
            return b4c_settings_unsupported(s, "the pre_tokenizer",
                                            json_object_get(root, "pre_tokenizer"),
                                            "BertPreTokenizer", err);
        B4C_TRY(read_decoder(s, json_object_get(root, "decoder"), err));
    } else {
        B4C_TRY(b4c_settings_pipeline(s, root, err));
        if (s->kind == B4C_TOKENIZER_BPE && !s->characters) s->kind = B4C_TOKENIZER_BYTE_BPE;
    }
    s->has_template = true;
    /* where there is no post_processor */
    s->one = b4c_template_make(B4C_AROUND_NOTHING, -1, -1, false);
    s->two = b4c_template_make(B4C_AROUND_NOTHING, -1, -1, true);
    const json_t *post = json_object_get(root, "post_processor");
    if (b4c_settings_is_part(post)) B4C_TRY(read_post_processor(s, post, err));
    return read_added(s, json_object_get(root, "added_tokens"), err);
}
