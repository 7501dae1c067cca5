/* task.h - what a model may be trained for, and the loss of each.
 *
 * A task is a row of choices: what the rows see, whether tokens are asked, what sequence vectors
 * must do, what is classified. One function makes the loss of all of them from a batch:
 *
 *     loss = cross entropy of tokens + loss of vectors + cross entropy of classes
 *
 * of which a task has one or two; with R-Drop also alpha / 4 times how far two readings of an
 * example are apart, KL both ways (the paper's loss, halved as the cross entropy over both is).
 * Sources: SPEC 1-4 and 8 (SimBERT, RoFormer-Sim, T5 PEGASUS, CoSENT, SimCSE); van den Oord et al.
 * 2018 (InfoNCE); Liang et al. 2021 (R-Drop).
 */
#ifndef B4C_TRAIN_TASK_H
#define B4C_TRAIN_TASK_H
#include "model/forward.h"
#include "train/batch.h"

typedef enum b4c_task_kind {
    B4C_TASK_LM, B4C_TASK_MLM, B4C_TASK_SEQ2SEQ, B4C_TASK_DENOISE, B4C_TASK_PSEUDO_SUMMARY,
    B4C_TASK_SIMBERT, B4C_TASK_ROFORMER_SIM, B4C_TASK_DISTIL, B4C_TASK_ROFORMER_SIM_FT,
    B4C_TASK_COSENT, B4C_TASK_SIMCSE, B4C_TASK_INFONCE, B4C_TASK_CLASSIFY, B4C_TASK_PAIRS,
    B4C_TASKS
} b4c_task_kind;

/* "lm", "mlm", "seq2seq", ...: as a recipe spells it. */
const char *b4c_task_name(b4c_task_kind);
/* -1: none has this name. */
int b4c_task_find(const char *name);

/* What the vectors of sequences must do. */
typedef enum b4c_vector_loss {
    B4C_VECTORS_FREE,
    B4C_VECTORS_CONTRAST,    /* in-batch softmax, scale times the cosines */
    B4C_VECTORS_FOLLOW,      /* weight times the mean squared difference from the teacher's */
    B4C_VECTORS_COSENT       /* cosines of pairs in the order of their labels */
} b4c_vector_loss;

/* How a sequence's rows become its vector. */
typedef enum b4c_task_pooling {
    B4C_TASK_POOLER,         /* the pooler's dense layer on the first row, linear */
    B4C_TASK_POOLER_TANH,
    B4C_TASK_FIRST, B4C_TASK_MEAN
} b4c_task_pooling;

typedef struct b4c_task {
    b4c_task_kind kind;
    b4c_mask mask;           /* of the encoder, or the only stack */
    bool tokens;             /* targets are asked */
    b4c_vector_loss vectors;
    b4c_task_pooling pooling;
    double scale, weight;    /* CONTRAST, COSENT; FOLLOW */
    bool by_pair;            /* classes of [u, v, |u - v|] rather than of a sequence's vector */
    bool two_tasks;          /* classes 0, 1 and 2, 3, 4 apart: SPEC 2.2 */
    int classes;             /* 0: none are asked */
    double smoothing;        /* of the tokens' and the classes' targets */
    double dropout;
    double rdrop;            /* R-Drop's alpha: every example is read twice, and readings that
                              * dropout makes differ shall agree; 0: once */
    bool recompute;          /* layers are run again in the backward, to the same bits: less memory
                              * for a third more work */
} b4c_task;

/* The task as its source has it. classes: CLASSIFY, PAIRS. Fails (B4C_E_ARG) where the model's
 * architecture cannot do it; `causal` models see the past only, whatever the task. */
int b4c_task_make(b4c_task *, b4c_task_kind, const b4c_spec *, int classes, b4c_error *);
/* Is there a source, and a target to write for it? */
bool b4c_task_has_source(const b4c_task *);
/* Does it make a classifier that stands for itself: of texts or pairs, which see all of each? */
bool b4c_task_is_classifier(const b4c_task *);
/* Does the family's own library have one that computes the same? */
bool b4c_task_is_hub_classifier(const b4c_task *, const b4c_spec *);
b4c_pooling b4c_task_pooled_as(const b4c_task *);              /* its pooling, for others */
/* What the network must have for it. */
bool b4c_task_needs_head(const b4c_task *);
bool b4c_task_needs_pooler(const b4c_task *);
int b4c_task_class_cols(const b4c_task *, const b4c_spec *);   /* features a class reads */
/* Does the batch have what the task asks for: pairs, labels in range, targets? (The rest checks
 * b4c_batch_check.) */
int b4c_task_check(const b4c_task *, const b4c_spec *, const b4c_batch *, b4c_error *);
/* Rows of the batch that are asked for a token. */
int b4c_batch_targets(const b4c_batch *);

/* What went into a loss, each a mean of its own; and the count behind it. */
typedef struct b4c_losses {
    double total, tokens, vectors, classes, apart;
    int n_tokens, n_classes, right; /* right: classes that the largest logit hit */
    int right_tokens;        /* the same of tokens, where the call asks to count them */
} b4c_losses;

/* Add a batch's losses, times the weights of their parts, and its counts. */
void b4c_losses_add(b4c_losses *sum, const b4c_losses *one, double tokens, double vectors,
                    double classes);

typedef struct b4c_task_call {
    const b4c_batch *batch;
    const b4c_real *teacher; /* [n_seq, n_seq] FOLLOW: the teacher's cosines */
    double token_share, vector_share; /* factors of the parts: 1, or this batch's share of a step
                                       * that several batches make */
    b4c_dropping drop;
    bool strict;             /* for measuring: no smoothing, and tokens that are right counted */
    bool twice;              /* the batch's second half is its first again: R-Drop */
} b4c_task_call;
/* The loss [1, 1] on the tape; its parts into *out when the tape has not failed. Batch and teacher
 * must live until the tape is reset. */
b4c_tensor b4c_task_loss(b4c_tape *, const b4c_network *, const b4c_task *, const b4c_task_call *,
                         b4c_losses *out);
/* The sequences' vectors [n_seq, width], not normalised, and nothing else. */
b4c_tensor b4c_task_vectors(b4c_tape *, const b4c_network *, const b4c_task *, const b4c_batch *);
#endif
