/* ranks_mpi.c - ranks over MPI (3.0 or newer): sums that run beside the backward.
 *
 * MPI moves data only inside its calls, so each new sum also asks how the older ones fare. One
 * thread talks to MPI, the training's.
 */
#include "ranks_mpi.h"
#include <mpi.h>
#include <sched.h>
#include <stdio.h>

enum { SUMS = 256, PAUSE = 64 };

typedef struct mpi_world {
    b4c_world ranks;
    MPI_Request sum[SUMS];
    int sums;
} mpi_world;

static mpi_world all;

/* MPI's own words for a code that is no success. */
static int answer(int code, const char *what, b4c_error *err)
{
    char words[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    if (code == MPI_SUCCESS) return 0;
    MPI_Error_string(code, words, &n);
    if (err) {
        err->code = B4C_E_IO;
        snprintf(err->message, sizeof err->message,
                 "%s: MPI says %.200s; go on from the last checkpoint with --resume", what, words);
    }
    return B4C_E_IO;
}

/* Until all sums are done. Waiting gives the core away: ranks may share it. */
static int wait(void *self, b4c_error *err)
{
    mpi_world *w = self;
    int done = 0, rc = 0;
    for (int i = 0; !done && rc == 0; i++) {
        rc = answer(MPI_Testall(w->sums, w->sum, &done, MPI_STATUSES_IGNORE), "adding gradients",
                    err);
        if (i > PAUSE) sched_yield();
    }
    w->sums = 0;
    return rc;
}

static int add(void *self, float *x, size_t n, b4c_error *err)
{
    mpi_world *w = self;
    int done;
    if (w->sums == SUMS) {
        const int rc = wait(self, err);
        if (rc < 0) return rc;
    }
    const int rc = MPI_Iallreduce(MPI_IN_PLACE, x, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD,
                                  &w->sum[w->sums]);
    if (rc != MPI_SUCCESS) return answer(rc, "adding gradients", err);
    w->sums++;
    return answer(MPI_Testall(w->sums, w->sum, &done, MPI_STATUSES_IGNORE), "adding gradients",
                  err);
}

static int add_doubles(void *self, double *x, int n, b4c_error *err)
{
    (void)self;
    return answer(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD),
                  "adding losses", err);
}

static int share(void *self, void *data, size_t bytes, b4c_error *err)
{
    (void)self;
    return answer(MPI_Bcast(data, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD), "sharing", err);
}

/* The only names that are seen from outside; found by these, so no header declares them. */
#define SEEN __attribute__((visibility("default")))
SEEN const b4c_world *bert4c_mpi_open(b4c_error *err);
SEEN void bert4c_mpi_close(bool well);

const b4c_world *bert4c_mpi_open(b4c_error *err)
{
    int have = 0, provided;
    MPI_Initialized(&have);
    if (!have &&
        answer(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "beginning", err) < 0)
        return NULL;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    all.ranks = (b4c_world){ .add = add, .wait = wait, .add_doubles = add_doubles,
                             .share = share, .self = &all };
    MPI_Comm_rank(MPI_COMM_WORLD, &all.ranks.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &all.ranks.n);
    return &all.ranks;
}

void bert4c_mpi_close(bool well)
{
    if (well) MPI_Finalize();
    else MPI_Abort(MPI_COMM_WORLD, 1);
}
