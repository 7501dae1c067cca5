/* ranks.h - the other processes of a training that mpirun started.
 *
 * MPI is no part of the command: where mpirun started it with more than one rank, it opens
 * bert4c-mpi.so, which stands beside it or in ../lib and is built where Open MPI is
 * (ranks_mpi.c). So nobody else loads MPI's libraries or waits for them.
 */
#ifndef CLI_RANKS_H
#define CLI_RANKS_H
#include "message.h"

/* *ranks: NULL, this process is alone. Ranks but the first are quiet from here on, and say in their
 * errors which they are. */
int cli_ranks_open(const b4c_world **ranks, b4c_error *err);
/* All is well: wait for the others. Else end them too. */
void cli_ranks_close(bool well);
#endif
