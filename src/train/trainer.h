/* trainer.h - a training from its recipe to its model: batches, steps, log, evaluation,
 * checkpoints.
 *
 * Invariants: what a step does depends on the recipe and the step's number alone, so that a
 * training stopped anywhere and resumed is the one that was never stopped; the log up to a
 * checkpoint belongs to it and is cut back to it when resuming; model and checkpoint are whole
 * files at any moment. Of several ranks each computes all that is decided (measures, best, place),
 * to the same bits, and rank 0 alone writes.
 */
#ifndef B4C_TRAIN_TRAINER_H
#define B4C_TRAIN_TRAINER_H
#include "model/load.h"
#include "model/names.h"
#include "train/checkpoint.h"
#include "train/feed.h"
#include "train/footprint.h"
#include "train/recipe.h"

/* Spearman's rank correlation; the caller's, since measures are another room. */
typedef int (*b4c_correlate_fn)(const double *a, const double *b, size_t n, double *out,
                                b4c_error *);

/* What a network in training shall write: answers to sources, framed as its task has them. */
typedef struct b4c_writing {
    const b4c_network *net;
    b4c_generate_options how;    /* with the reading said */
    const int32_t *ids;          /* sources end to end */
    const int *length;           /* [n] of each in tokens */
    int n;
    char **text;                 /* [n, how.n] out: malloc'ed, also when it fails half-way */
} b4c_writing;

/* Those who do it are the caller's, since decoding and measures are other rooms. */
typedef struct b4c_scribe {
    void *arg;
    int (*write)(void *arg, b4c_writing *, b4c_error *);
    /* The text with its masks filled, malloc'ed; NULL: an error. */
    char *(*fill)(void *arg, const b4c_network *, const char *text, b4c_error *);
    int (*overlap)(const char *found, size_t found_size, const char *wanted, size_t wanted_size,
                   b4c_overlap *, b4c_error *);
} b4c_scribe;

/* What stands behind the recipe's words. All but the recipe must live as long as the trainer. */
typedef struct b4c_trainer_parts {
    const b4c_spec *spec;
    b4c_store *store;            /* the weights to begin with; NULL: from nothing. Closed here */
    const char *source;          /* folder of the weights, or NULL */
    json_t *config;              /* written to the output; changed where the task asks for it */
    const b4c_tokenizer *tokenizer;
    int start, end;              /* of what a decoder writes; -1: none */
    b4c_teacher teacher;
    const b4c_tokenizer *teacher_tokenizer;
    int (*open_feed)(b4c_feed **, const b4c_feed_wish *, b4c_error *);
    b4c_correlate_fn correlate;
    const b4c_world *ranks;      /* NULL: alone */
    b4c_scribe scribe;           /* NULLs: nothing can be written */
    int threads;
    bool resume;
} b4c_trainer_parts;

/* Of samples.h. */
typedef struct b4c_samples {
    b4c_buffer ids;              /* int32_t: the texts' tokens */
    int *length;                 /* of each */
    int n;                       /* texts times what is written for each */
    char **text;                 /* [n] what was written last */
    b4c_train_sample *sample;    /* [n] the same, beside its source */
} b4c_samples;

struct b4c_trainer {
    b4c_recipe recipe;
    b4c_trainer_parts parts;
    b4c_learner learner;
    b4c_mapping map;
    bool mapped;                 /* names are the source's; else a new checkpoint's */
    char (*name)[B4C_LEAF_NAME]; /* [list.n] of the source's tensors */
    b4c_pool *pool;
    b4c_feed *feed, *held_out;
    b4c_batch *batch;            /* [batches] of a step, those of all ranks */
    int batches;
    b4c_batch measured;
    b4c_standing standing;
    b4c_metric metric;
    b4c_samples samples;
    FILE *log;
    bool stop;                   /* this rank wishes to */
    b4c_footprint footprint;
    int added;                   /* tensors that the source lacked */
    b4c_trainer_info info;
};

/* The recipe is handed over, also on failure, when everything is freed. */
int b4c_trainer_begin(b4c_trainer *, b4c_recipe *, const b4c_trainer_parts *, b4c_error *);
void b4c_trainer_done(b4c_trainer *);
int b4c_trainer_run_step(b4c_trainer *, b4c_train_report *, b4c_error *);
int b4c_trainer_write_checkpoint(b4c_trainer *, b4c_error *);
/* Tokens of a sequence: those wanted, or 0: what the model has positions for, or 512. */
int b4c_trainer_length(const b4c_trainer *, int wanted);
/* The next batch of a feed, checked; pairs: of held-out pairs, not of the task. 1; 0: the feed has
 * ended. */
int b4c_trainer_batch(const b4c_trainer *, b4c_feed *, b4c_batch *, bool pairs, b4c_error *);
#endif
