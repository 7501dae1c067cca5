/* blocks.h - what a document shows: commands, their output, C.
 *
 * In the READMEs and the pages of docs/,
 *
 *   ```sh      are commands that a test runs, line after line, until one fails;
 *   ```text    right behind it is what they print on standard output;
 *   ```c       are lines of an example in examples/ or of the public header.
 *
 * A line `<!-- not run: WHY -->` before a block of commands keeps it from being run: what installs,
 * downloads or takes long. In a text, a line "..." stands for any number of lines, and "..." or "…"
 * at the end of a line for the rest of it. Commands under "Examples:" in docs/cli.md, which is
 * written from the table of options, are blocks of one line each.
 */
#ifndef B4C_TEST_BLOCKS_H
#define B4C_TEST_BLOCKS_H
#include <stdbool.h>

typedef struct doc_block {
    char *language; /* "sh", "text", "c", "" */
    char *text;     /* its lines, each with its end */
    char *not_run;  /* why, or NULL */
    int line;       /* of its first line in the document, from 1 */
    bool follows;   /* nothing but empty lines stands between it and the block before */
} doc_block;

typedef struct doc {
    char path[200];
    doc_block *block;
    int n;
} doc;

/* Fails the test on a document that cannot be read or whose blocks do not end. */
void doc_read(doc *, const char *path);
void doc_free(doc *);

/* Paths of the READMEs and the pages of docs/, sorted. Returns their number; freed by
 * doc_free_paths. */
int doc_paths(char ***paths);
void doc_free_paths(char **paths, int n);

/* The output shown for block i of commands, or NULL. */
const char *doc_output(const doc *, int i);

/* How `got` differs from what is shown; NULL: it does not. Without `exact`, only the shape counts:
 * as many lines, as many fields (parted by blanks) on each, numbers where numbers are. With it,
 * words are equal and numbers with a point are within `near`. The message is static. */
const char *doc_difference(const char *shown, const char *got, bool exact, double near);
#endif
