/* utf8.h - checking UTF-8, converting to it, and how wide text is on a terminal. */
#ifndef CLI_UTF8_H
#define CLI_UTF8_H
#include "options.h"

/* Byte offset of the first byte that is not UTF-8 (no surrogates, no overlong forms, at most
 * U+10FFFF), or size. */
size_t cli_utf8_bad(const char *text, size_t size);
/* What bytes that are not UTF-8 look like: advice for a message. */
const char *cli_utf8_advice(const char *text, size_t size);

/* Converter from a charset to UTF-8; text must be whole lines. Start from {0}. */
typedef struct cli_recode {
    cli_charset from;
    void *handle;
    char *room;
    size_t size;
} cli_recode;
int cli_recode_open(cli_recode *, cli_charset, b4c_error *);
/* *out is the converter's and holds until the next call. *bad: offset of the byte that could not be
 * read when B4C_E_TEXT comes back. */
int cli_recode_text(cli_recode *, const char *text, size_t size, const char **out,
                     size_t *out_size, size_t *bad, b4c_error *);
void cli_recode_close(cli_recode *);

/* Characters of text that is UTF-8. */
size_t cli_utf8_count(const char *text, size_t size);

/* Columns a terminal takes for the text: 2 for Chinese, 0 for combining marks, 1 for a control
 * (shown as ?). */
int cli_width(const char *text, size_t size);
/* Bytes of the longest beginning that takes at most `columns`. */
size_t cli_width_cut(const char *text, size_t size, int columns);
#endif
