/* agreement.h - scores beside the labels that a file gives them, and how well the two agree. */
#ifndef CLI_AGREEMENT_H
#define CLI_AGREEMENT_H
#include "input.h"

/* Start from {0}. */
typedef struct cli_agreement {
    double *score, *label; /* [n] */
    size_t n, room;
} cli_agreement;

/* Room for `more` beyond n, which the caller raises. */
int cli_agreement_room(cli_agreement *, int more, b4c_error *);
void cli_agreement_done(cli_agreement *);
/* The record's label as a number; the message says what to do where it is none. */
int cli_label_read(const cli_chunk *, const cli_record *, double *label, b4c_error *);

/* NaN: not defined. `binary`: labels are 0 and 1; the others are set only then. */
typedef struct cli_measures {
    double spearman, pearson;
    bool binary;
    double auc, f1, threshold;
} cli_measures;
int cli_agreement_measure(const cli_agreement *, cli_measures *, b4c_error *);
#endif
