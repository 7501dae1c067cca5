/* sentence.h - where sentences end.
 *
 * At 。！？；… or ! ? . ; and what closes behind them, quotes and brackets; a point within a number
 * or a name ends nothing. Several marks in a row are one end.
 */
#ifndef B4C_TEXT_SENTENCE_H
#define B4C_TEXT_SENTENCE_H
#include <stdbool.h>
#include <stddef.h>

/* Bytes up to and with the end of the text's first sentence; 0: none ends in it. lines: the end of
 * a line is one too. */
size_t b4c_sentence_end(const char *text, size_t size, bool lines);
#endif
