/* data.h - the recipe's "data": files, read, checked and split, in the order they are visited.
 *
 *     "data": { "files": [PATH or {"file": PATH, "weight": 2, "pool": NAME, ...}, ...],
 *               "format": "text", "tsv" or "jsonl"     else by the file's ending
 *               "records": "lines" or "blank_lines"    of plain text
 *               "header": true, "fields": {ROLE: column or key}, "threshold": 0.5,
 *               "labels": [WORD, ...], "held_out": 0.01, "turns": [POOL, ...],
 *               "mask_rate", "whole_words", "noise", "permute", "first_segment",
 *               "summary_chars", "negatives",
 *               "windows": "sentences" or "plain"      see maker.h }
 *
 * What stands in a file's object goes before what stands in "data". All records are read once here:
 * what is wrong with one is told with file and line before the first step. Records that a task can
 * make nothing of (groups of one text, labels "-") leave the index.
 *
 * Pools: a name a file may have. Turns: which pool gives the next record, over and over. Without
 * turns each pool has one in a round; without names all files are one pool, but for
 * roformer_sim_ft, which has files with the labels of inference in one and the others in another.
 */
#ifndef B4C_TRAIN_DATA_H
#define B4C_TRAIN_DATA_H
#include "train/feed.h"
#include "train/label.h"
#include "train/maker.h"

typedef struct b4c_data_file {
    b4c_corpus corpus;
    b4c_fields fields;
    b4c_label_rule rule;
    const char *pool;        /* as the recipe names it, or NULL */
    bool inference;          /* its first label is one */
} b4c_data_file;

typedef struct b4c_data {
    b4c_data_file *file;   /* [n] */
    int n;
    b4c_order order;
    b4c_maker_options maker;
    int64_t left_out;        /* records that a task can make nothing of */
} b4c_data;

int b4c_data_open(b4c_data *, const b4c_feed_wish *, b4c_error *);
void b4c_data_close(b4c_data *);
/* Record i of file f and its label (0 without one). Errors name file and line. */
int b4c_data_read(const b4c_data *, int f, int64_t i, b4c_data_record *, float *label,
                  b4c_error *);
/* "FILE: line N: " in front of the error's message. */
int b4c_data_fail_in(const b4c_data *, int f, int64_t i, b4c_error *);
#endif
