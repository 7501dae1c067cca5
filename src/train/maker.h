/* maker.h - from a record to the examples of a task, as rows of a batch (batch.h has the shapes).
 *
 * The one idea: what a maker writes is a function of (record, part, seed, key, epoch) alone: it
 * remembers nothing but the tokens of the record it has just read, which spares reading a long one
 * again for each of its parts.
 *
 * Parts: a text longer than max_length gives several examples (lm: windows, windows.h; mlm: windows
 * of equal length; denoise, pseudo_summary: pieces cut at sentences, T5 PEGASUS' rules). Others are
 * one part.
 */
#ifndef B4C_TRAIN_MAKER_H
#define B4C_TRAIN_MAKER_H
#include "text/segmentate.h"
#include "text/tokenizer.h"
#include "train/batch.h"
#include "train/fields.h"
#include "train/noise.h"
#include "train/order.h"
#include "train/pseudo.h"

typedef struct b4c_maker_options {
    b4c_task_kind task;
    const b4c_tokenizer *tokenizer, *teacher; /* teacher: distil */
    bool encoder_decoder;
    int start, end;          /* as in feed.h */
    int vocabulary, max_length, max_target;
    uint64_t seed;
    double mask_rate;        /* mlm 0.15, denoise 0.3, roformer_sim and distil 0.15 */
    double noise;            /* probability that a source has noise: 0.5; 0: never */
    bool sentences;          /* lm: windows of a long text end with sentences, where they can */
    bool whole_words;        /* mlm: hide words that jieba finds, not tokens */
    bool permute;            /* denoise: sentences in another order */
    int first_segment;       /* characters of the first segment that stands for a text; 0: all */
    int summary_chars;       /* pseudo_summary: of a text and its summary together */
    int negatives;           /* infonce: at most so many */
} b4c_maker_options;

typedef struct b4c_maker {
    b4c_maker_options o;
    b4c_encoding front, content, second; /* front: a frame's tokens; content: the record's text */
    int n_front, n_back;     /* special tokens before and behind a text */
    int32_t mask;
    b4c_words *words;
    b4c_cuts cuts;
    b4c_segments segments, sentences;
    b4c_buffer ids, text;    /* of the example that is being made */
    int *units, *counts;
    int windows;             /* lm: of the record; units has their bounds */
    bool *chosen;
    int room_units, room_counts;
    b4c_pseudo pseudo;
    uint64_t held;           /* place whose record `content` and `segments` are of, + 1; 0: none */
    int64_t tokens, unknown; /* seen since it was begun */
} b4c_maker;

/* Fails where the tokenizer lacks what the task needs (a mask token), or lengths are too short. */
int b4c_maker_init(b4c_maker *, const b4c_maker_options *, b4c_error *);
void b4c_maker_done(b4c_maker *);

/* Which example of an endless row. */
typedef struct b4c_example_place {
    b4c_place place;         /* record: the place in the row; inside: the part */
    const b4c_visit *visit;
} b4c_example_place;

/* Append part place.inside of the record to the batch, as one example or (nothing can be asked of
 * it) none. Returns how many parts the record has, which may be 0. */
int b4c_maker_make(b4c_maker *, const b4c_data_record *, float label, const b4c_example_place *,
                   b4c_batch *, b4c_error *);
/* Rows, the decoder's too, that an example has at most. */
int b4c_maker_most_rows(const b4c_maker_options *);
#endif
