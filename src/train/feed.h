/* feed.h - where batches come from.
 *
 * A feed is an endless row of examples, a function of (data, seed, place): the trainer asks for the
 * next batch and saves the place behind it, so that a resumed run gets the batches that the stopped
 * one would have had. A feed of held-out examples ends after one round.
 */
#ifndef B4C_TRAIN_FEED_H
#define B4C_TRAIN_FEED_H
#include "base/json.h"
#include "train/task.h"

typedef struct b4c_feed b4c_feed;
struct b4c_feed {
    /* Fill the batch (cleared first) and its `next`. 1; 0: a held-out feed has ended; negative:
     * an error that names file and line. Never an empty batch with 1. */
    int (*next)(b4c_feed *, b4c_batch *, b4c_error *);
    /* The following batch begins here; places come from batches of a feed opened alike. */
    int (*seek)(b4c_feed *, b4c_place, b4c_error *);
    void (*free)(b4c_feed *);
    int64_t records; /* of one round (epoch); 0: not known */
    int64_t left_out; /* records beside these that the task can make nothing of */
    double unknown;  /* share of unknown tokens, in a sample of the records */
};

/* What a task needs of its data. Pointers must live as long as the feed. */
typedef struct b4c_feed_wish {
    b4c_task_kind task;
    const json_t *data;    /* the recipe's "data" object; unknown keys are errors */
    const char *folder;    /* relative file names begin here */
    const b4c_tokenizer *tokenizer, *teacher; /* teacher: the teacher's, for distil; else NULL */
    bool encoder_decoder;  /* seq2seq: targets are out rows */
    int start, end;        /* token ids that begin and end a decoder's rows or a text; -1: none */
    int vocabulary;
    int classes;           /* labels are below it; 0: any */
    int max_length;        /* rows of a sequence */
    int max_target;        /* of its target, or of its decoder rows */
    int batch_tokens;      /* rows of a batch, decoder rows too: as many examples as fit; 0: */
    int batch_examples;    /* so many examples */
    uint64_t seed;
    bool held_out;         /* what `data` sets aside for evaluation; else all the rest */
    bool once;             /* one round in the data's order, without noise where the task has a
                            * choice, then next answers 0; else endless and shuffled */
} b4c_feed_wish;

/* Checks all of the data that can be checked before the first step. */
int b4c_feed_open(b4c_feed **, const b4c_feed_wish *, b4c_error *);
#endif
