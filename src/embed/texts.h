/* texts.h - texts to sentence vectors: reading by a tokenizer in front of encode.h. */
#ifndef B4C_EMBED_TEXTS_H
#define B4C_EMBED_TEXTS_H
#include "base/memory.h"
#include "embed/encode.h"

/* What one lane reads with and into; kept between calls. */
typedef struct b4c_reader_lane {
    b4c_encoding encoding;
    b4c_buffer prompted;     /* prompt and text end to end */
    b4c_buffer ids;          /* int32_t tokens of all texts that this lane has read, of pairs
                              * each with its segments behind it */
    b4c_encode_stats stats;
    b4c_error error;
    int failed_text;         /* the text of that error, or INT_MAX */
} b4c_reader_lane;

typedef struct b4c_reader {
    const b4c_tokenizer *tokenizer;
    int lanes;
    b4c_reader_lane *lane;   /* [lanes] */
    struct b4c_place *place; /* [room] where each text's tokens are */
    b4c_sequence *sequence;  /* [room] */
    int room;
} b4c_reader;

int  b4c_reader_init(b4c_reader *, const b4c_tokenizer *, int lanes, b4c_error *);
void b4c_reader_done(b4c_reader *);

/* Texts [n], or pairs of them that are read as one sequence. */
typedef struct b4c_embed_input {
    const char *const *text, *const *second; /* [n]; second NULL: texts alone */
    const size_t *size, *second_size;        /* [n] bytes, or NULL for NUL-ended ones */
    int n;
    const char *prompt;                      /* before each text; NULL: none */
} b4c_embed_input;

/* out [n, how->width]. stats receives the sums. */
int b4c_embed_texts(b4c_reader *, b4c_crew *, const b4c_embedding *how,
                    const b4c_tokenize_options *, const b4c_embed_input *, float *out,
                    b4c_encode_stats *stats, b4c_error *);
#endif
