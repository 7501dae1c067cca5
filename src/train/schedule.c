/* schedule.c - factors of the learning rate. */
#include "train/schedule.h"
#include <math.h>

static double piecewise(const b4c_schedule *s, int64_t step)
{
    int64_t from = 0;
    double low = 0;
    for (int i = 0; i < s->n; i++) {
        if (step <= s->step[i]) {
            const double part = s->step[i] == from
                                  ? 1
                                  : (double)(step - from) / (double)(s->step[i] - from);
            return low + part * (s->factor[i] - low);
        }
        from = s->step[i];
        low = s->factor[i];
    }
    return low;
}

double b4c_schedule_factor(const b4c_schedule *s, int64_t step)
{
    const double pi = 3.14159265358979323846;
    if (s->kind == B4C_SCHEDULE_PIECEWISE) return piecewise(s, step);
    if (step < s->warmup) return (double)step / (double)s->warmup;
    if (s->kind == B4C_SCHEDULE_CONSTANT || s->steps <= s->warmup) return 1;
    double part = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    if (part > 1) part = 1;
    if (s->kind == B4C_SCHEDULE_COSINE) part = (1 - cos(pi * part)) / 2;
    return 1 - part * (1 - s->floor);
}
