/* settings.h - what a reference was asked to generate (io.json), as options of ours. */
#ifndef B4C_TEST_SETTINGS_H
#define B4C_TEST_SETTINGS_H
#include "bert4c.h"

#include <jansson.h>

/* An integer of an object, or what holds without it. */
long long setting(const json_t *object, const char *key, long long otherwise);

/* Of transformers' generate; io: the file, which has max_new_tokens for all methods. */
b4c_generate_options hub_settings(const json_t *io, const json_t *method);
/* Of bert4keras's beam search; start: its results begin with a start token, which counts there. */
b4c_generate_options bert4keras_settings(const json_t *method, bool start);
#endif
