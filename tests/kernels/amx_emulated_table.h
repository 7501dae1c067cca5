/* amx_emulated_table.h - the AMX table with tiles emulated, or NULL where even that cannot run. */
#ifndef B4C_TESTS_AMX_EMULATED_TABLE_H
#define B4C_TESTS_AMX_EMULATED_TABLE_H
#include "math/kernels.h"

const b4c_kernels *amx_emulated_table(void);
#endif
