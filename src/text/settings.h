/* settings.h - what the files say about a tokenizer, before it is made.
 *
 * Each reader fills in what its file states and leaves the rest. Strings belong to the JSON values
 * in `root`, to the sources, or are constant; steps and lists are the settings' own.
 */
#ifndef B4C_TEXT_SETTINGS_H
#define B4C_TEXT_SETTINGS_H
#include "base/json.h"
#include "base/span.h"
#include "text/tokenizer.h"
#include "text/vocab_json.h"

/* Tokens with a duty. */
typedef enum b4c_duty {
    B4C_DUTY_UNKNOWN, B4C_DUTY_PAD, B4C_DUTY_CLS, B4C_DUTY_SEP, B4C_DUTY_MASK, B4C_DUTY_BOS,
    B4C_DUTY_EOS, B4C_DUTIES
} b4c_duty;

/* How a class of tokenizers counts the pieces of its file. */
typedef enum b4c_piece_order {
    B4C_ORDER_FILE,          /* as they stand */
    B4C_ORDER_FAIRSEQ,       /* <s> <pad> </s> <unk>, the others, <mask>: XLM-R */
    B4C_ORDER_PEGASUS        /* <pad> </s> <mask_1> <mask_2> <unk_2>..<unk_102> <unk>, the others */
} b4c_piece_order;

typedef struct b4c_settings {
    json_t *root[B4C_SOURCES];
    const b4c_source *source;
    const char *name;        /* of the file with the vocabulary, for messages */

    b4c_tokenizer_kind kind;
    int max_length;                             /* 0: none */
    const char *duty[B4C_DUTIES];               /* NULL: not said */
    int duty_id[B4C_DUTIES];                    /* goes before the name; -1: not said */
    const char *class;                          /* tokenizer_class, without "Fast" */
    b4c_lifted vocabulary;                      /* tokenizer.json's, vocab.json's, ... */
    bool has_template;                          /* else it is made by `around` */
    b4c_template one, two;
    b4c_around around;
    b4c_added added;                            /* id -1: the vocabulary's */
    b4c_buffer notes;
    b4c_decoder decoder;                        /* without its prefix */
    json_t *chats;                              /* chat templates: an object of texts by name */

    /* WordPiece */
    int lower, strip_accents, chinese, clean;   /* -1: not said; strip_accents -1: as lower */
    const char *prefix, *decoder_prefix;
    long long max_word;
    bool words;              /* its class cuts Chinese into words first */

    /* the others; -1: not said */
    int add_bos, add_eos, legacy, front_blank;
    long long extra_ids;     /* T5: <extra_id_0> ... behind the pieces */
    b4c_piece_order order;
    b4c_steps normal, before;
    b4c_split split;
    bool characters, whole_first, fuse_unknown, byte_fallback, words_apart;
    const char *model_unknown;  /* BPE: the model's own unknown token; NULL: none */
    long long unknown_id;    /* pieces: its place in the list; -1: not said */
    const uint8_t *piece_kind;  /* [vocabulary.n] b4c_piece_kind; NULL: not said */
    bool own_map;            /* pieces are normalised by `map`, not by steps */
    b4c_charsmap map;
} b4c_settings;

void b4c_settings_init(b4c_settings *, const b4c_source source[B4C_SOURCES]);
void b4c_settings_done(b4c_settings *);

/* tokenizer_json.c: tokenizer.json. What it says and bert4c does not do is B4C_E_UNSUPPORTED. */
int b4c_settings_tokenizer_json(b4c_settings *, b4c_error *);
/* pipeline_json.c: its normalizer, pre_tokenizer and decoder, where the model is no WordPiece. */
int b4c_settings_pipeline(b4c_settings *, const json_t *root, b4c_error *);
/* The regular expression that a tokenizer.json writes for LLAMA3 and QWEN2; else NULL. */
const char *b4c_split_pattern(b4c_split);
/* tokenizer_config.c: tokenizer_config.json, special_tokens_map.json, added_tokens.json. */
int b4c_settings_config(b4c_settings *, b4c_error *);
/* tokenizer_class.c: what follows from tokenizer_class, or the model's type, for vocabularies whose
 * files do not say all: SentencePiece models, vocab.json with merges.txt. */
int b4c_settings_class(b4c_settings *, b4c_error *);
/* Does config.json come from the hub's libraries? */
bool b4c_settings_is_hub_model(const b4c_settings *);

/* make.c: a tokenizer from settings, which are used up. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_from(b4c_settings *, const b4c_tokenizer_options *, b4c_error *);
/* make_model.c: its vocabulary, where the kind is not WordPiece. */
int b4c_make_model(b4c_tokenizer *, b4c_settings *, b4c_error *);

/* A token as the files write it: a string, or an object with "content" and flags; `token` comes
 * with defaults and is filled in. 1, 0 for null, or B4C_E_FORMAT. */
int b4c_settings_token(const json_t *, b4c_added_token *token, const char *where, b4c_error *);
/* Put it among `added`, unless one is spelt so already; then it only gets an id that it lacked. */
int b4c_settings_add(b4c_settings *, const b4c_added_token *, b4c_error *);
/* A part of tokenizer.json that is not done: says what it is and what was wanted. */
int b4c_settings_unsupported(const b4c_settings *, const char *what, const json_t *part,
                             const char *wanted, b4c_error *);
/* "type" of a part, never NULL; whether there is a part at all. */
const char *b4c_settings_type(const json_t *part);
static inline bool b4c_settings_is_part(const json_t *part) { return part && !json_is_null(part); }
#endif
