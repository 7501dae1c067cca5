/* engine.h - many requests through one network: prompts and next tokens share every batch.
 *
 * The idea: a step is one pass over packed rows. A request that has just come in brings all rows of
 * its prompt, the others one row for each live hypothesis; finished ones have left and new ones
 * take their slots, so the batch is always full. What a request gets does not depend on who else is
 * there (law 1), nor on when it came in.
 *
 * Three ways of reading (b4c_reading) cover the families: a decoder reads the prompt causally; a
 * prefix model (UniLM) lets the source see all of itself and gives it segment 0, the target segment
 * 1; an encoder-decoder reads the source once and keeps its keys and values for the decoder.
 */
#ifndef B4C_DECODE_ENGINE_H
#define B4C_DECODE_ENGINE_H
#include "decode/request.h"
#include "model/crew.h"
#include "model/forward.h"

typedef struct b4c_engine_options {
    b4c_reading reading; /* CAUSAL, PREFIX or SEQ2SEQ */
    const int32_t *start; /* SEQ2SEQ: what the decoder begins with */
    int n_start;
    size_t cache_bytes; /* the most that keys and values may take; 0: 1 GiB */
} b4c_engine_options;

/* One job: the source or prompt, and the request that it belongs to. */
typedef struct b4c_job {
    const int32_t *ids; /* [n] in 0 .. vocabulary-1 */
    int n;              /* >= 1 */
    b4c_request *request;
    const int32_t *segments; /* [n], or NULL: zeros. Only where the network knows segments */
    int32_t segment; /* of the tokens that are written: UniLM 1, dialogues the other speaker's */
} b4c_job;

/* After every step of a job that is not finished: `arg`, its index. Non-zero: it shall stop now. */
typedef int (*b4c_watch_fn)(void *arg, int job);

/* Run all jobs to their ends. B4C_E_ARG: a prompt is longer than the model can read (names the
 * job); B4C_E_MEMORY; or what a request says. */
int b4c_engine_run(const b4c_network *, b4c_crew *, const b4c_engine_options *, b4c_job *,
                   int n_jobs, b4c_watch_fn, void *arg, b4c_error *);
#endif
