/* hub_choose.h - which of a repository's files make a model. */
#ifndef CLI_HUB_CHOOSE_H
#define CLI_HUB_CHOOSE_H
#include "bert4c.h"
#include <jansson.h>

/* The needed ones of the repository's files (an object's keys), large ones first: config.json,
 * without which nothing opens, comes last. part: of the weights' name, where there are several
 * GGUF files, or NULL. Returns an array of strings, or NULL: err says what was found instead. */
json_t *cli_hub_choose(const json_t *files, const char *repo, const char *part, b4c_error *);
#endif
