/* footprint.c - see footprint.h. */
#include "train/footprint.h"
#include "base/error.h"
#include <math.h>

enum { ROOM = 40 };          /* 2^ROOM bytes of address space for a rehearsal */

/* ---- the largest batch ----------------------------------------------------------------------- */

static int sequences_of(const b4c_task *k, const b4c_batch_shape *s)
{
    if (k->kind == B4C_TASK_INFONCE) return 2 + s->negatives;
    return k->kind >= B4C_TASK_SIMBERT && k->kind != B4C_TASK_CLASSIFY ? 2 : 1;
}

/* Rows of mlm that are asked in a batch: three deviations above the mean. */
static double share_asked(const b4c_batch_shape *s)
{
    const double rows = s->tokens ? s->tokens : (double)s->examples * s->length;
    const double share = s->asked + 3 * sqrt(s->asked * (1 - s->asked) / rows);
    return share < 1 ? share : 1;
}

static void put_sequence(b4c_batch *b, const b4c_task *k, const b4c_spec *spec,
                         const b4c_batch_shape *s, int rows)
{
    const bool two_stacks = spec->decoder_layers > 0;
    const int target = s->target < rows ? s->target : rows - 1;
    const double asked = share_asked(s);
    b4c_batch_sequence(b);
    for (int i = 0; i < rows; i++) {
        const bool in_target = i >= rows - target;
        bool ask = k->tokens && !two_stacks;
        if (k->kind == B4C_TASK_LM) ask = i + 1 < rows;
        else if (k->kind == B4C_TASK_MLM) ask = floor((i + 1) * asked) > floor(i * asked);
        else ask = ask && in_target;
        const bool second = k->mask == B4C_MASK_PREFIX && in_target && spec->segments > 1;
        b4c_batch_row(b, 0, second, ask ? 0 : -1);
        if (k->vectors == B4C_VECTORS_FOLLOW) b4c_batch_teacher(b, 0);
    }
    for (int i = 0; two_stacks && i < s->target; i++) b4c_batch_out(b, 0, 0);
}

void b4c_largest_batch(b4c_batch *b, const b4c_task *k, const b4c_spec *spec,
                       const b4c_batch_shape *s)
{
    const int n = sequences_of(k, s), out = spec->decoder_layers ? s->target : 0;
    const int rows = n * (s->length + out);
    const int examples = s->examples ? s->examples : s->tokens / rows ? s->tokens / rows : 1;
    b4c_batch_clear(b);
    for (int e = 0; e < examples; e++) {
        b4c_batch_example(b, 0);
        for (int q = 0; q < n; q++) put_sequence(b, k, spec, s, s->length);
    }
    const int left = s->examples ? 0 : s->tokens - examples * rows;
    if (n == 1 && left - out > 1) {
        b4c_batch_example(b, 0);
        put_sequence(b, k, spec, s, left - out);
    }
}

/* ---- the rehearsal --------------------------------------------------------------------------- */

static int begin(b4c_tape *t, const b4c_learner *l, bool recording, b4c_error *err)
{
    if (b4c_tape_init(t, b4c_kernels_get(), l->pool, l->net.dtype, (size_t)1 << ROOM, recording) <
        0)
        return b4c_fail(err, B4C_E_MEMORY, "no address space to find out what a step takes");
    b4c_tape_dry(t);
    return 0;
}

int b4c_footprint_find(b4c_footprint *f, b4c_learner *l, const b4c_batch *b, bool measures,
                       b4c_error *err)
{
    b4c_tape step, plain;
    const b4c_lora *lora = &l->leaves.lora;
    *f = (b4c_footprint){ .weights = l->net.bytes + lora->factor_bytes + lora->base_bytes,
                          .gradients = l->leaves.grad ? l->leaves.total * sizeof(b4c_real) : 0,
                          .state = b4c_optimiser_memory(&l->optimiser) };
    B4C_TRY(begin(&step, l, true, err));
    int rc = begin(&plain, l, false, err);
    if (rc == 0) rc = b4c_learner_rehearse(l, b, measures, &step, &plain, err);
    f->step = step.arena.peak + step.lives.arena.peak;
    if (rc == 0) f->plain = plain.arena.peak;
    if (rc == 0) b4c_tape_done(&plain);
    b4c_tape_done(&step);
    return rc;
}
