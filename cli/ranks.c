/* ranks.c - see ranks.h. */
#include "ranks.h"
#include "ranks_mpi.h"
#include "path.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct { void *library; cli_mpi_close_fn close; } mpi;

/* How many ranks the starter has made: Open MPI's name, and MPICH's. */
static int ranks_said(void)
{
    const char *n = getenv("OMPI_COMM_WORLD_SIZE");
    if (!n) n = getenv("PMI_SIZE");
    return n ? atoi(n) : 1;
}

static char *own_folder(void)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    return cli_path("%s", path);
}

static void *open_library(void)
{
    static const char *const places[] = { "", "/../lib" };
    char *folder = own_folder();
    void *library = NULL;
    for (size_t i = 0; folder && !library && i < sizeof places / sizeof *places; i++) {
        char *path = cli_path("%s%s/bert4c-mpi.so", folder, places[i]);
        if (path && access(path, R_OK) == 0) library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        free(path);
    }
    free(folder);
    return library;
}

int cli_ranks_open(const b4c_world **ranks, b4c_error *err)
{
    *ranks = NULL;
    const int n = ranks_said();
    if (n < 2) return 0;
    mpi.library = open_library();
    if (!mpi.library) {
        const char *why = dlerror();
        return cli_fail(err, B4C_E_MISSING,
                        "train: mpirun started %d ranks, and bert4c-mpi.so does not open (%s); "
                        "install Open MPI and run `make mpi`",
                        n, why ? why : "it is neither beside bert4c nor in ../lib");
    }
    cli_mpi_open_fn open;
    *(void **)(&open) = dlsym(mpi.library, CLI_MPI_OPEN);
    *(void **)(&mpi.close) = dlsym(mpi.library, CLI_MPI_CLOSE);
    if (!open || !mpi.close)
        return cli_fail(err, B4C_E_FORMAT, "bert4c-mpi.so: it is of another version of bert4c");
    *ranks = open(err);
    if (!*ranks) return err->code;
    if ((*ranks)->rank > 0) cli_be_quiet();
    cli_be_rank((*ranks)->rank);
    return 0;
}

void cli_ranks_close(bool well)
{
    if (mpi.close) mpi.close(well);
    mpi.close = NULL;              /* the library stays: MPI's threads may still be in it */
}
