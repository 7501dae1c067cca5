/* opened.h - a golden model behind the public calls. */
#ifndef B4C_TEST_OPENED_H
#define B4C_TEST_OPENED_H
#include "golden/golden.h"

#include <jansson.h>

typedef struct opened {
    b4c_model *model;
    b4c_session *session;
    golden g;
    json_t *io;
} opened;

/* The golden model in a folder of the test's own, with its head; `as`: of the model's options, or
 * NULL. What exists as a TF1 checkpoint alone gets a generation_config.json with its end token. A
 * failure fails the test. */
void open_golden_model(opened *, const char *name, b4c_dtype, const char *as);
void close_golden(opened *);
/* A prefix model with a vocabulary, for texts. */
void open_unilm(opened *, int threads);
#endif
