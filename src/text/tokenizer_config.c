/* tokenizer_config.c - the small files beside a vocabulary: tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, and what config.json tells about who wrote the
 * folder.
 *
 * Idea: what is said explicitly goes before tokenizer.json (as transformers does it); what is not
 * said stays.
 */
#include <string.h>

#include "text/chat_files.h"
#include "text/utf8.h"

void b4c_settings_init(b4c_settings *s, const b4c_source source[B4C_SOURCES])
{
    *s = (b4c_settings){ .source = source, .lower = -1, .strip_accents = -1, .chinese = -1,
                         .clean = -1, .max_word = -1, .decoder = { .cleanup = true },
                         .add_bos = -1, .add_eos = -1, .legacy = -1, .front_blank = -1,
                         .extra_ids = -1, .unknown_id = -1, .name = "tokenizer" };
    for (int i = 0; i < B4C_DUTIES; i++) s->duty_id[i] = -1;
}

void b4c_settings_done(b4c_settings *s)
{
    for (int i = 0; i < B4C_SOURCES; i++) json_decref(s->root[i]);
    json_decref(s->chats);
    b4c_lifted_done(&s->vocabulary);
    b4c_added_done(&s->added);
    b4c_buffer_done(&s->notes);
    b4c_charsmap_done(&s->map);
    b4c_steps_done(&s->normal);
    b4c_steps_done(&s->before);
    *s = (b4c_settings){ 0 };
}

int b4c_settings_token(const json_t *value, b4c_added_token *token, const char *where,
                       b4c_error *err)
{
    if (!value || json_is_null(value)) return 0;
    const json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!json_is_string(text) || json_string_length(text) == 0)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: a token is neither a string nor an object with \"content\"", where);
    token->text = json_string_value(text);   /* copied when it is put somewhere */
    if (!json_is_object(value)) return 1;
    B4C_TRY(b4c_json_bool(value, "special", &token->special, where, err));
    B4C_TRY(b4c_json_bool(value, "single_word", &token->single_word, where, err));
    B4C_TRY(b4c_json_bool(value, "lstrip", &token->lstrip, where, err));
    B4C_TRY(b4c_json_bool(value, "rstrip", &token->rstrip, where, err));
    B4C_TRY(b4c_json_bool(value, "normalized", &token->normalized, where, err));
    return 1;
}

int b4c_settings_add(b4c_settings *s, const b4c_added_token *token, b4c_error *err)
{
    const int known = b4c_added_find(&s->added, token->text);
    if (known >= 0) {
        if (s->added.token[known].id < 0) s->added.token[known].id = token->id;
        return 0;
    }
    if (b4c_added_put(&s->added, token) < 0)
        return b4c_fail(err, B4C_E_MEMORY, "added tokens: no memory");
    return 0;
}

/* ---- tokens with a duty ------------------------------------------------------------------ */

/* cls_token and its like, each sought in texts too. What was said before stays. */
static int read_duties(b4c_settings *s, const json_t *root, const char *where, b4c_error *err)
{
    static const char *const key[B4C_DUTIES] = {
        [B4C_DUTY_UNKNOWN] = "unk_token", [B4C_DUTY_PAD] = "pad_token",
        [B4C_DUTY_CLS] = "cls_token",     [B4C_DUTY_SEP] = "sep_token",
        [B4C_DUTY_MASK] = "mask_token",   [B4C_DUTY_BOS] = "bos_token",
        [B4C_DUTY_EOS] = "eos_token",
    };
    for (int i = 0; i < B4C_DUTIES; i++) {
        b4c_added_token token = { .id = -1, .special = true };
        const int told = b4c_settings_token(json_object_get(root, key[i]), &token, where, err);
        B4C_TRY(told);
        if (!told) continue;
        token.special = true;
        if (!s->duty[i]) s->duty[i] = token.text;
        B4C_TRY(b4c_settings_add(s, &token, err));
    }
    return 0;
}

/* A list of tokens, or an object whose values are tokens. */
static int read_tokens(b4c_settings *s, json_t *list, b4c_added_token pattern,
                       const char *where, b4c_error *err)
{
    json_t *item;
    if (json_is_array(list)) {
        size_t i;
        json_array_foreach(list, i, item) {
            b4c_added_token token = pattern;
            const int told = b4c_settings_token(item, &token, where, err);
            B4C_TRY(told);
            if (told) B4C_TRY(b4c_settings_add(s, &token, err));
        }
    } else if (json_is_object(list)) {
        const char *key;
        json_object_foreach(list, key, item) {
            b4c_added_token token = pattern;
            const int told = b4c_settings_token(item, &token, where, err);
            B4C_TRY(told);
            if (told) B4C_TRY(b4c_settings_add(s, &token, err));
        }
    }
    return 0;
}

/* An id written as an object's key: "103". -1: it is none. */
static int key_id(const char *key)
{
    int id = 0;
    for (; *key >= '0' && *key <= '9' && id < B4C_VOCAB_MOST; key++) id = id * 10 + (*key - '0');
    return *key || id >= B4C_VOCAB_MOST ? -1 : id;
}

/* added_tokens_decoder: {"103": {"content": "[MASK]", ...}, ...} */
static int read_decoder(b4c_settings *s, json_t *object, const char *where, b4c_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        b4c_added_token token = { .normalized = true };
        const int told = b4c_settings_token(value, &token, where, err);
        B4C_TRY(told);
        token.id = key_id(key);
        if (!told || token.id < 0)
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: added_tokens_decoder: '%.40s' is not an id with a token", where,
                            key);
        B4C_TRY(b4c_settings_add(s, &token, err));
    }
    return 0;
}

/* ---- the files --------------------------------------------------------------------------- */

/* *out becomes 1 or 0 where the key holds true or false, and stays where it is absent or null. */
static int read_choice(const json_t *root, const char *key, int *out, const char *where,
                       b4c_error *err)
{
    bool value;
    const int told = b4c_json_bool(root, key, &value, where, err);
    if (told > 0) *out = value;
    return told < 0 ? told : 0;
}

static int read_config(b4c_settings *s, const json_t *root, const char *where, b4c_error *err)
{
    const bool alone = !s->root[B4C_SOURCE_TOKENIZER];
    if (!json_is_object(root)) return b4c_fail(err, B4C_E_FORMAT, "%s: not an object", where);
    B4C_TRY(b4c_json_text(root, "tokenizer_class", &s->class, where, err));
    if (s->class && alone && strncmp(s->class, "BertJapanese", 12) == 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: tokenizer_class is '%.60s', which needs a Japanese segmenter; wanted "
                        "a WordPiece tokenizer such as BertTokenizer",
                        where, s->class);
    s->words = s->class && strncmp(s->class, "RoFormerTokenizer", 17) == 0;
    B4C_TRY(read_choice(root, "do_lower_case", &s->lower, where, err));
    B4C_TRY(read_choice(root, "tokenize_chinese_chars", &s->chinese, where, err));
    B4C_TRY(read_choice(root, "clean_text", &s->clean, where, err));
    if (json_object_get(root, "strip_accents")) {
        s->strip_accents = -1;   /* null means: as lower case */
        B4C_TRY(read_choice(root, "strip_accents", &s->strip_accents, where, err));
    }
    B4C_TRY(b4c_json_bool(root, "clean_up_tokenization_spaces", &s->decoder.cleanup_all, where,
                          err));
    if (alone) B4C_TRY(b4c_json_text(root, "wordpieces_prefix", &s->prefix, where, err));
    B4C_TRY(read_choice(root, "add_bos_token", &s->add_bos, where, err));
    B4C_TRY(read_choice(root, "add_eos_token", &s->add_eos, where, err));
    B4C_TRY(read_choice(root, "add_prefix_space", &s->front_blank, where, err));
    B4C_TRY(read_choice(root, "legacy", &s->legacy, where, err));
    B4C_TRY(b4c_json_int(root, "extra_ids", 0, B4C_VOCAB_MOST, &s->extra_ids, where, err));

    /* The hub writes 1e30 where there is no limit. */
    double most = 0;
    const int told = b4c_json_real(root, "model_max_length", &most, where, err);
    B4C_TRY(told);
    if (told && most >= 1 && most < 1e9) s->max_length = (int)most;
    if (told && most < 1)
        b4c_buffer_print(&s->notes, "%s: model_max_length is %g, taken as no limit\n", where, most);

    B4C_TRY(read_decoder(s, json_object_get(root, "added_tokens_decoder"), where, err));
    return 0;
}

/* added_tokens.json: {"[new]": 21128, ...} */
static int read_added(b4c_settings *s, json_t *root, const char *where, b4c_error *err)
{
    if (!json_is_object(root)) return b4c_fail(err, B4C_E_FORMAT, "%s: not an object", where);
    const char *text;
    json_t *value;
    json_object_foreach(root, text, value) {
        const double id = json_is_number(value) ? json_number_value(value) : -1;
        if (!*text || !(id >= 0 && id < B4C_VOCAB_MOST))
            return b4c_fail(err, B4C_E_FORMAT, "%s: the id of '%.60s' is not a number from 0 to %d",
                            where, text, B4C_VOCAB_MOST - 1);
        const b4c_added_token token = { .text = text, .id = (int)id, .normalized = true };
        B4C_TRY(b4c_settings_add(s, &token, err));
    }
    return 0;
}

int b4c_settings_config(b4c_settings *s, b4c_error *err)
{
    json_t *config = s->root[B4C_SOURCE_CONFIG], *special = s->root[B4C_SOURCE_SPECIAL];
    const char *config_name = s->source[B4C_SOURCE_CONFIG].name;
    const char *special_name = s->source[B4C_SOURCE_SPECIAL].name;
    if (special && !json_is_object(special))
        return b4c_fail(err, B4C_E_FORMAT, "%s: not an object", special_name);
    if (config) B4C_TRY(read_config(s, config, config_name, err));
    B4C_TRY(b4c_chat_read(s, err));

    json_t *const both[2] = { config, special };
    const char *const name[2] = { config_name, special_name };
    const b4c_added_token extra = { .id = -1, .special = true };
    for (int i = 0; i < 2; i++) {
        if (!both[i]) continue;
        B4C_TRY(read_duties(s, both[i], name[i], err));
        const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
        for (int k = 0; k < 2; k++)
            B4C_TRY(read_tokens(s, json_object_get(both[i], lists[k]), extra, name[i], err));
    }
    if (s->root[B4C_SOURCE_TOKENIZER]) return 0;   /* which lists its added tokens itself */
    if (s->root[B4C_SOURCE_ADDED])
        B4C_TRY(read_added(s, s->root[B4C_SOURCE_ADDED], s->source[B4C_SOURCE_ADDED].name, err));
    const b4c_added_token whole = { .id = -1 };
    return config ? read_tokens(s, json_object_get(config, "never_split"), whole, config_name, err)
                  : 0;
}

bool b4c_settings_is_hub_model(const b4c_settings *s)
{
    const json_t *config = s->root[B4C_SOURCE_MODEL];
    /* what convert says of a model whose tokenizer was not the hub's */
    const char *dialect = json_string_value(json_object_get(config, "bert4c_dialect"));
    if (dialect && strcmp(dialect, "bert4keras") == 0) return false;
    return json_object_get(config, "model_type") || json_object_get(config, "architectures") ||
           json_object_get(config, "transformers_version");
}
