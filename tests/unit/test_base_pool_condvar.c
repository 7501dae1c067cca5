/* The tests of the pool, on the pool as systems without futexes build it. */
#define B4C_NO_FUTEX
#include "../../src/base/pool.c"

#include "test_base_pool.c"
