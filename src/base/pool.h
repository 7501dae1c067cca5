/* pool.h - one small pool of threads. Who waits, the caller too, spins briefly and then sleeps. */
#ifndef B4C_BASE_POOL_H
#define B4C_BASE_POOL_H

#include <stddef.h>

typedef struct b4c_pool b4c_pool;
/* lane 0 is the calling thread; all lanes run fn once. */
typedef void (*b4c_lane_fn)(void *arg, int lane, int lanes);

b4c_pool *b4c_pool_new(int lanes); /* >= 1; NULL: no memory or threads */
void b4c_pool_free(b4c_pool *);
int b4c_pool_lanes(const b4c_pool *); /* 1 for NULL */
/* Returns when every lane has finished. pool NULL: fn(arg, 0, 1). One caller at a time; not from
 * inside a lane. */
void b4c_pool_run(b4c_pool *, b4c_lane_fn, void *arg);

/* Writes zeros, by all lanes where it is worth waking them. */
void b4c_pool_zero(b4c_pool *, void *at, size_t bytes);

/* Part `lane` of n things cut evenly into `lanes`: [*begin, *end). */
static inline void b4c_share(long n, int lane, int lanes, long *begin, long *end)
{
    *begin = n * lane / lanes;
    *end = n * (lane + 1) / lanes;
}
#endif
