/* answer.h - what complete and summarize share: texts in, the model's results out. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H
#include "options.h"

/* standard: the model without -m. summarizes: search with beams unless the model's files or the
 * options say otherwise; else a text that is too long loses its beginning, not its end. Returns the
 * exit code. */
int cli_answer(const cli_command *, const cli_settings *, const char *standard, bool summarizes);
#endif
