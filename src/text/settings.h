/* settings.h - what the files say about a tokenizer, before it is made.
 *
 * Each reader fills in what its file states and leaves the rest. Strings belong to the JSON values
 * in `root`.
 */
#ifndef B4C_TEXT_SETTINGS_H
#define B4C_TEXT_SETTINGS_H
#include "base/json.h"
#include "text/tokenizer.h"
#include "text/vocab_json.h"

typedef struct b4c_settings {
    json_t *root[B4C_SOURCES];
    const b4c_source *source;

    int lower, strip_accents, chinese, clean;   /* -1: not said; strip_accents -1: as lower */
    const char *unknown, *pad, *cls, *sep, *mask;   /* NULL: not said */
    const char *prefix, *decoder_prefix;
    long long max_word;
    int max_length;                             /* 0: none */
    bool wordpiece_decoder, cleanup, cleanup_all;

    b4c_lifted vocabulary;                      /* tokenizer.json's */
    bool has_template;                          /* else [CLS] a [SEP] b [SEP] */
    b4c_template one, two;
    b4c_added added;                            /* id -1: the vocabulary's */
    b4c_buffer notes;
} b4c_settings;

void b4c_settings_init(b4c_settings *, const b4c_source source[B4C_SOURCES]);
void b4c_settings_done(b4c_settings *);

/* tokenizer_json.c: tokenizer.json. What it says and bert4c does not do is B4C_E_UNSUPPORTED. */
int b4c_settings_tokenizer_json(b4c_settings *, b4c_error *);
/* tokenizer_config.c: tokenizer_config.json, special_tokens_map.json, added_tokens.json. */
int b4c_settings_config(b4c_settings *, b4c_error *);
/* Does config.json come from the hub's libraries? */
bool b4c_settings_is_hub_model(const b4c_settings *);

/* A token as the files write it: a string, or an object with "content" and flags; `token` comes
 * with defaults and is filled in. 1, 0 for null, or B4C_E_FORMAT. */
int b4c_settings_token(const json_t *, b4c_added_token *token, const char *where, b4c_error *);
/* Put it among `added` unless one is spelt so already. */
int b4c_settings_add(b4c_settings *, const b4c_added_token *, b4c_error *);
#endif
