/* tokenizer.h - what a tokenizer holds, and how its parts speak to each other.
 *
 *     text ─► tokenize.c: the pair, truncation, special tokens around it
 *               └► encode.c: special and added tokens inside the text (added.c); stretches between
 *                    ├► wordpiece.c: characters ─► words ─► tokens, by rules.h
 *                    └► model.c: steps.c or charsmap.c ─► pieces.c or bpe.c
 *     ids ─► stream.c ─► text
 *
 *     files ─► open.c ─► settings.h: what they say ─► make.c, make_model.c ─► a tokenizer
 *
 * A tokenizer never changes after it was made, so threads share it; what a call needs stands on
 * its stack or in the encoding.
 */
#ifndef B4C_TEXT_TOKENIZER_H
#define B4C_TEXT_TOKENIZER_H
#include "base/json.h"
#include "base/memory.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/normal.h"
#include "text/pieces.h"
#include "text/rules.h"
#include "text/steps.h"
#include "text/template.h"
#include "text/vocab.h"
#include "text/words.h"

/* ---- one stretch of text (encode.c) ------------------------------------------------------ */

/* What tokenizing needs from call to call. The encoding owns it. */
typedef struct b4c_tokenize_work {
    b4c_normal normal;       /* WordPiece, where the text must be seen normalised */
    b4c_buffer text;
    b4c_cuts cuts;
    b4c_mapped repaired, normal_steps[2], before_steps[2];
    b4c_piece_list pieces;
    b4c_bpe_list bpe;
} b4c_tokenize_work;
/* The encoding's, made at first use. NULL: no memory. */
b4c_tokenize_work *b4c_encoding_work(b4c_encoding *);

/* A part of the text between two added tokens, and where its tokens go. */
typedef struct b4c_stretch {
    const b4c_tokenizer *t;
    const char *text;        /* the caller's; offsets count from here */
    size_t begin, end;       /* bytes */
    uint32_t at;             /* code points before begin; encoding moves it to the end */
    bool find_added;         /* added tokens are sought in the normalised text */
    b4c_encoding *e;
} b4c_stretch;

/* Append the tokens of a text to the encoding from e->n on: ids, begin, end, char_begin, char_end.
 * Dropped characters are appended too. find_added: special and added tokens inside the text are
 * found. parted: B4C_PARTING in it is dropped, and no token stretches over it. `what` names the
 * text in messages. */
#define B4C_PARTING "\xef\xb7\x90" /* U+FDD0, which no text has: a noncharacter */
int b4c_encode_text(const b4c_tokenizer *, const char *text, size_t bytes, bool find_added,
                    bool parted, b4c_encoding *, const char *what, b4c_error *);
/* Room for at least n tokens. 0 or B4C_E_MEMORY. */
int b4c_encoding_reserve(b4c_encoding *, int64_t n, b4c_error *);
/* One more token, without its segment. 0 or B4C_E_MEMORY. */
static inline int b4c_encoding_add(b4c_encoding *e, int32_t id, size_t begin, size_t end,
                                   uint32_t at, uint32_t at_end)
{
    const int n = e->n;
    if (n == e->room && b4c_encoding_reserve(e, (int64_t)n + 1, NULL) < 0) return B4C_E_MEMORY;
    e->ids[n] = id;
    e->begin[n] = (uint32_t)begin;
    e->end[n] = (uint32_t)end;
    e->char_begin[n] = at;
    e->char_end[n] = at_end;
    e->n = n + 1;
    return 0;
}
/* A text that goes on is not closed: forget the special tokens put behind it. One token stays. */
void b4c_encoding_reopen(b4c_encoding *);
/* One more dropped character. 0 or B4C_E_MEMORY. */
int b4c_encoding_drop(b4c_encoding *, uint32_t begin);

/* ---- kinds of vocabulary ----------------------------------------------------------------- */

/* What one kind does with a stretch, and with its tokens. */
typedef struct b4c_cutter {
    int (*encode)(b4c_stretch *, b4c_error *);
    int (*count)(const b4c_tokenizer *);                    /* ids are below it */
    const char *(*token)(const b4c_tokenizer *, int id);    /* NULL: a hole */
    int (*find)(const b4c_tokenizer *, const char *token);  /* -1: none */
} b4c_cutter;
extern const b4c_cutter b4c_wordpiece_cutter; /* wordpiece.c */
extern const b4c_cutter b4c_pieces_cutter, b4c_bpe_cutter; /* model.c */

/* ---- from ids to text (stream.c) --------------------------------------------------------- */

typedef enum b4c_decode_as {
    B4C_DECODE_WORDPIECE,    /* the hub's: a blank before each token but pieces within a word */
    B4C_DECODE_BERT4KERAS,
    B4C_DECODE_JOINED        /* tokens end to end */
} b4c_decode_as;

/* What goes off the front of a text. */
typedef enum b4c_decode_front {
    B4C_FRONT_NOTHING,
    B4C_FRONT_BLANK,         /* one blank */
    B4C_FRONT_MARKS,         /* all marks of the first token */
    B4C_FRONT_MARK,          /* one mark of the first token that has text */
    B4C_FRONT_EMPTY_MARKS    /* the same, and of those behind it while there is no text yet */
} b4c_decode_front;

typedef struct b4c_decoder {
    b4c_decode_as as;
    bool marks;              /* U+2581 is a blank */
    bool byte_pieces;        /* "<0xE4>" is a byte */
    b4c_decode_front front;
    bool cleanup;            /* WORDPIECE: of the decoder */
    bool cleanup_all;        /* WORDPIECE: of the whole text (clean_up_tokenization_spaces) */
    bool no_pieces;          /* WORDPIECE: tokens are joined by blanks, whatever their prefix */
    char *prefix;            /* WORDPIECE: what is taken off pieces within a word */
} b4c_decoder;

/* ---- the tokenizer ----------------------------------------------------------------------- */

/* Cuts a normalised text into words (words.h), for vocabularies that hold words. 0, or a negative
 * code with err set. */
typedef int (*b4c_cut_fn)(void *arg, const char *text, size_t bytes, b4c_cuts *, b4c_error *err);

struct b4c_tokenizer {
    b4c_tokenizer_kind kind;
    const b4c_cutter *cutter;
    b4c_added added;
    b4c_template one, two;
    int pad, unknown, cls, sep, mask, bos, eos;   /* ids; -1: none */
    int max_length;          /* tokens; 0: not stated */
    b4c_decoder decoder;
    b4c_buffer notes;        /* what was odd in the files, a line each */
    json_t *chats;           /* chat templates by name */
    char *chat_names;        /* one a line */

    /* WordPiece */
    b4c_flags flags;         /* the dialect is every kind's */
    b4c_vocab vocab;
    b4c_rules rules;
    int max_word;            /* characters; a longer word is unknown */
    char *prefix;            /* of pieces within a word: "##" */
    uint32_t inside;         /* the trie's node after prefix; B4C_TRIE_NONE: no token begins so */
    b4c_cut_fn cut;          /* NULL: none */
    void *cut_arg;
    b4c_words *words;        /* the cutter's, if it is our own */
    int word_tokens;         /* tokens of two or more Chinese characters */

    /* the others */
    b4c_pieces pieces;
    b4c_bpe bpe;
    bool own_map;            /* pieces: their own normalisation; else the steps */
    b4c_prefix front;        /* own_map: when it puts a blank in front */
    b4c_steps normal, before; /* before added tokens are sought in the result, and behind */
};

/* The files that say what a tokenizer is. */
typedef enum b4c_source_kind {
    B4C_SOURCE_TOKENIZER,    /* tokenizer.json: the vocabulary and nearly all else */
    B4C_SOURCE_PIECES,       /* a SentencePiece model; these are read where there is no ... */
    B4C_SOURCE_BPE,          /* vocab.json, with ... */
    B4C_SOURCE_MERGES,       /* merges.txt */
    B4C_SOURCE_VOCABULARY,   /* vocab.txt; ... tokenizer.json, the first of them that is there */
    B4C_SOURCE_CONFIG,       /* tokenizer_config.json: goes before tokenizer.json */
    B4C_SOURCE_SPECIAL,      /* special_tokens_map.json */
    B4C_SOURCE_ADDED,        /* added_tokens.json */
    B4C_SOURCE_MODEL,        /* config.json: tells the hub's layout from bert4keras's */
    B4C_SOURCE_BERT,         /* bert_config.json: there, the layout is Google's */
    B4C_SOURCE_CHAT_JSON,    /* chat_template.json, of a processor */
    B4C_SOURCE_CHATS,        /* additional_chat_templates, made by b4c_chat_gather */
    B4C_SOURCE_CHAT,         /* chat_template.jinja: goes before tokenizer_config.json's */
    B4C_SOURCES
} b4c_source_kind;

/* One of them as it was read. text NULL: absent. */
typedef struct b4c_source {
    const char *text;
    size_t bytes;
    const char *name;        /* for messages */
} b4c_source;

/* open.c: of a folder or a file, as b4c_tokenizer_open_with says. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_read(const char *path, const b4c_tokenizer_options *, b4c_error *);
/* A tokenizer from files' contents, which need not stay. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_make(const b4c_source source[B4C_SOURCES],
                                  const b4c_tokenizer_options *, b4c_error *);

/* Before the tokenizer is shared: let `cut` find words first. arg must stay as long. */
void b4c_tokenizer_set_cut(b4c_tokenizer *, b4c_cut_fn cut, void *arg);
#endif
