/* pieces.h - SentencePiece models: Unigram and BPE over pieces of normalised text.
 *
 * Ids and surfaces equal those of sentencepiece 0.2. A model comes from a .model file
 * (protobuf) or is put together from other files (tokenizer.json, GGUF) with the same fields. It
 * never changes after b4c_pieces_ready.
 */
#ifndef B4C_TEXT_PIECES_H
#define B4C_TEXT_PIECES_H
#include "text/charsmap.h"
#include "text/token_list.h"

typedef enum b4c_piece_kind { /* numbers of sentencepiece_model.proto */
                              B4C_PIECE_NORMAL = 1,
                              B4C_PIECE_UNKNOWN,
                              B4C_PIECE_CONTROL,
                              B4C_PIECE_USER,
                              B4C_PIECE_UNUSED,
                              B4C_PIECE_BYTE
} b4c_piece_kind;

typedef enum b4c_piece_model { B4C_PIECES_UNIGRAM = 1, B4C_PIECES_BPE = 2 } b4c_piece_model;

typedef struct b4c_piece {
    char *text;
    size_t bytes;
    double score; /* as precise as the file has it: .model files have floats */
    b4c_piece_kind kind;
} b4c_piece;

typedef struct b4c_pieces {
    b4c_piece_model model;
    b4c_charsmap map;
    b4c_piece *piece;
    int n, room;
    int unknown, bos, eos, pad; /* ids; -1: none, but unknown >= 0 */
    bool byte_fallback;
    bool exact_sums;       /* Unigram: scores are summed in double, as the hub does, not in float */
    bool words_apart;      /* pieces end before a blank: every U+2581 begins a text of its own */
    char *unknown_text;    /* what decoding writes for the unknown piece */
    b4c_trie trie;         /* pieces that text can become: normal, user-defined, unused */
    b4c_trie other;        /* the others */
    int byte_id[256];      /* -1: no piece for the byte */
    double lowest, highest; /* scores of normal pieces; highest at least just above 0 */
    uint64_t *
        join; /* BPE: which pairs of characters some piece has side by side; a set without misses */
    uint32_t join_mask;
} b4c_pieces;

int b4c_pieces_read(b4c_pieces *, const void *model, size_t bytes, const char *where, b4c_error *);
/* Building by hand: set the fields, add the pieces in the order of their ids, then _ready once. */
int b4c_pieces_add(b4c_pieces *, const char *text, size_t bytes, double score, b4c_piece_kind,
                   b4c_error *);
int b4c_pieces_ready(b4c_pieces *, const char *where, b4c_error *);
void b4c_pieces_done(b4c_pieces *);

/* A text as pieces: ids, and [begin, end) in bytes of the caller's text. Reused: start from {0},
 * free once. */
typedef struct b4c_piece_list {
    b4c_token_list tokens;
    b4c_mapped mapped;
    void *work; /* of the algorithm */
    size_t work_bytes;
} b4c_piece_list;

/* 0, B4C_E_TEXT (4 GiB and more) or B4C_E_MEMORY. Linear in the text's length. Thread-safe on one
 * model. */
int b4c_pieces_encode(const b4c_pieces *, const char *text, size_t bytes, b4c_piece_list *,
                      b4c_error *);
/* The same for a text that is normalised already: places are bytes of it. */
int b4c_pieces_cut(const b4c_pieces *, const char *text, size_t bytes, b4c_piece_list *,
                   b4c_error *);
void b4c_piece_list_done(b4c_piece_list *);
/* Id of a piece of any kind spelt so, or -1. */
int b4c_pieces_find(const b4c_pieces *, const char *text);
/* "<0x1F>" -> 31; -1: it is spelt otherwise. */
int b4c_piece_byte(const b4c_piece *);

/* ---- the two algorithms (unigram.c, merges.c): pieces of a normalised text, before unknown runs
 * are joined ------------- */

/* At least `bytes` of working memory that keeps what is in it. NULL: none. */
void *b4c_piece_list_work(b4c_piece_list *, size_t bytes);
/* Both append (id, begin, end) in bytes of the normalised text; id -1: no piece. False: no memory.
 */
bool b4c_unigram_cut(const b4c_pieces *, const char *text, size_t bytes, b4c_piece_list *);
/* Has some piece the characters a, b side by side? May say yes where none has. */
bool b4c_pieces_may_join(const b4c_pieces *, uint32_t a, uint32_t b);
bool b4c_merges_cut(const b4c_pieces *, const char *text, size_t bytes, b4c_piece_list *);
#endif
