/* schedule.h - the learning rate's factor at each step. Steps count from 1. */
#ifndef B4C_TRAIN_SCHEDULE_H
#define B4C_TRAIN_SCHEDULE_H
#include <stdint.h>

typedef enum b4c_schedule_kind {
    B4C_SCHEDULE_CONSTANT,   /* after the warm-up, 1 */
    B4C_SCHEDULE_LINEAR,     /* down to `floor` at the last step */
    B4C_SCHEDULE_COSINE,     /* the same along half a cosine */
    B4C_SCHEDULE_PIECEWISE   /* straight lines between points */
} b4c_schedule_kind;

enum { B4C_SCHEDULE_POINTS = 32 };

typedef struct b4c_schedule {
    b4c_schedule_kind kind;
    int64_t warmup;          /* steps in which the factor rises to 1 in equal parts */
    int64_t steps;           /* of the whole training */
    double floor;            /* LINEAR, COSINE: the factor at the end */
    int n;                   /* PIECEWISE: points (step, factor), steps rising; before the first
                              * from (0, 0), after the last its factor (SPEC A.6) */
    int64_t step[B4C_SCHEDULE_POINTS];
    double factor[B4C_SCHEDULE_POINTS];
} b4c_schedule;

double b4c_schedule_factor(const b4c_schedule *, int64_t step);
#endif
