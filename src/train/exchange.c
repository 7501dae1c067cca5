/* exchange.c - see exchange.h. */
#include "train/exchange.h"
#include "base/error.h"
#include "train/corpus.h"
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20, COMMON = 8 };

int b4c_exchange_init(b4c_exchange *x, const b4c_world *ranks, const b4c_leaves *leaves,
                      b4c_error *err)
{
    *x = (b4c_exchange){ .leaves = leaves };
    if (!ranks || ranks->n < 2) return 0;
    if (sizeof(b4c_real) != sizeof(float))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "ranks exchange floats, not doubles");
    x->ranks = ranks;
    x->pieces = (leaves->total + PIECE - 1) / PIECE;
    x->missing = calloc(x->pieces + 1, sizeof *x->missing);
    if (x->missing) return 0;
    return b4c_fail(err, B4C_E_MEMORY, "no memory for %zu pieces of gradients", x->pieces);
}

void b4c_exchange_done(b4c_exchange *x)
{
    free(x->missing);
    *x = (b4c_exchange){ 0 };
}

int b4c_exchange_ranks(const b4c_exchange *x) { return x->ranks ? x->ranks->n : 1; }
int b4c_exchange_rank(const b4c_exchange *x) { return x->ranks ? x->ranks->rank : 0; }

/* ---- gradients ------------------------------------------------------------------------------- */

/* Piece number `begun` - 1 to all ranks. */
static void give_piece(b4c_exchange *x)
{
    const size_t at = --x->begun * PIECE, left = x->leaves->total - at;
    if (x->rc == 0)
        x->rc = x->ranks->add(x->ranks->self, (float *)(void *)(x->leaves->grad + at),
                              left < PIECE ? left : PIECE, &x->error);
}

/* Elements [at, at + n) of the block are whole (add: are to come). */
static void count(b4c_exchange *x, size_t at, size_t n, bool add)
{
    while (n) {
        const size_t room = PIECE - at % PIECE, here = n < room ? n : room;
        if (add) x->missing[at / PIECE] += here;
        else x->missing[at / PIECE] -= here;
        at += here;
        n -= here;
    }
}

static void slot_is_whole(void *arg, b4c_slot *slot)
{
    b4c_exchange *x = arg;
    const b4c_leaves *l = x->leaves;
    for (int i = 0; i < l->parameters; i++) {
        const b4c_leaf *f = &l->item[i];
        if (f->g && f->slot == slot) count(x, f->at, f->n, false);
    }
    while (x->begun && x->missing[x->begun - 1] == 0) give_piece(x);
}

void b4c_exchange_follow(b4c_exchange *x, b4c_tape *t)
{
    if (!x->ranks) return;
    memset(x->missing, 0, x->pieces * sizeof *x->missing);
    for (int i = 0; i < x->leaves->n; i++)
        if (x->leaves->item[i].g) count(x, x->leaves->item[i].at, x->leaves->item[i].n, true);
    x->begun = x->pieces;
    x->rc = 0;
    t->whole = slot_is_whole;
    t->whole_arg = x;
}

int b4c_exchange_finish(b4c_exchange *x, b4c_tape *t, b4c_error *err)
{
    if (!x->ranks) return 0;
    t->whole = NULL;
    while (x->begun) give_piece(x);              /* with what no op has read, and LoRA's factors */
    if (x->rc == 0) x->rc = x->ranks->wait(x->ranks->self, &x->error);
    return x->rc == 0 ? 0 : b4c_fail(err, x->rc, "%s", x->error.message);
}

int b4c_exchange_add(b4c_exchange *x, double *sum, int n, b4c_error *err)
{
    return x->ranks ? x->ranks->add_doubles(x->ranks->self, sum, n, err) : 0;
}

/* ---- the same on all ------------------------------------------------------------------------- */

uint64_t b4c_exchange_digest(const b4c_leaves *l)
{
    uint64_t all = 0;
    for (int i = 0; i < l->n; i++) {
        const b4c_leaf *f = &l->item[i];
        const b4c_span bytes = { (const unsigned char *)(const void *)f->x,
                                   f->n * sizeof *f->x };
        all = all * 31 + b4c_bytes_hash(bytes);
    }
    return all;
}

int b4c_exchange_agree(b4c_exchange *x, const b4c_common *mine, int n, b4c_error *err)
{
    uint64_t first[COMMON];
    const int ranks = x->ranks->n;
    double *other = calloc((size_t)ranks, sizeof *other);
    if (!other || n > COMMON) {
        free(other);
        return b4c_fail(err, B4C_E_MEMORY, "no memory to compare %d ranks", ranks);
    }
    for (int i = 0; i < n; i++) first[i] = mine[i].digest;
    int rc = x->ranks->share(x->ranks->self, first, (size_t)n * sizeof *first, err);
    for (int i = n - 1; i >= 0; i--)
        if (first[i] != mine[i].digest) other[x->ranks->rank] = i + 1;
    if (rc == 0) rc = b4c_exchange_add(x, other, ranks, err);
    for (int r = 0; rc == 0 && r < ranks; r++)
        if (other[r] > 0)
            rc = b4c_fail(err, B4C_E_ARG,
                          "rank %d: its %s is not rank 0's; recipe, data, model and bert4c must "
                          "be the same on all machines",
                          r, mine[(int)other[r] - 1].what);
    free(other);
    return rc;
}
