/* lines.h - golden files of one JSON value a line. */
#ifndef B4C_TEST_LINES_H
#define B4C_TEST_LINES_H
#include <jansson.h>

/* Call fn for each line of a JSONL file, texts of which may hold U+0000; `number` from 1. Returns
 * how many there were, at least one. A failure fails the test. */
long each_line(const char *path, void (*fn)(const json_t *line, long number, void *arg), void *arg);
#endif
