/* windows.h - a text that is longer than a sequence may be, as windows of a language model.
 *
 * Rows are the tokens that are read, end to end; a window's last row is asked for the token that
 * the next window begins with, so every token but the first is asked once, however the text is cut.
 */
#ifndef B4C_TRAIN_WINDOWS_H
#define B4C_TRAIN_WINDOWS_H
#include "base/span.h"
#include "bert4c.h"

typedef struct b4c_windows_wish {
    int rows, most;              /* of the text; of a window */
    bool sentences;              /* end windows with sentences */
    b4c_span text;               /* for them: the text, its tokens, and rows before these */
    const b4c_encoding *tokens;
    int before;
} b4c_windows_wish;

/* How many windows there can be. */
int b4c_windows_room(const b4c_windows_wish *);
/* Cut: bound [room + 1] receives where each window begins, and behind the last one `rows`. A window
 * is `most` rows, or, where sentences begin in the second half of these, all before the last such.
 * Returns how many windows there are. O(bytes). */
int b4c_windows_cut(const b4c_windows_wish *, int *bound);
#endif
