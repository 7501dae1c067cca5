/* ranks_mpi.h - what bert4c-mpi.so gives: the ranks of a training over MPI. */
#ifndef CLI_RANKS_MPI_H
#define CLI_RANKS_MPI_H
#include "bert4c.h"

#define CLI_MPI_OPEN "bert4c_mpi_open"
#define CLI_MPI_CLOSE "bert4c_mpi_close"

/* All ranks of the world; NULL with *err. */
typedef const b4c_world *(*cli_mpi_open_fn)(b4c_error *);
/* well: wait for all; else end all with an error. */
typedef void (*cli_mpi_close_fn)(bool well);
#endif
