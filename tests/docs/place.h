/* place.h - where the commands of a document run: a folder of the test's own with the files and
 * models that they name, `bert4c` as a user has it, and no way to the network.
 */
#ifndef B4C_TEST_PLACE_H
#define B4C_TEST_PLACE_H
#include "docs/blocks.h"

/* Call once, before the others. real: a folder of real models by the last part of their names, or
 * NULL for stand-ins. */
void place_make(const char *real);

/* A fresh folder to run a document's commands in. */
void place_enter(const doc *);

typedef struct place_result {
    int code;        /* exit code; 128 + signal */
    char *out, *err; /* NUL-ended; freed by place_free_result */
} place_result;
/* Run lines by sh, until one fails. */
place_result place_run(const char *commands);
void place_free_result(place_result *);
#endif
