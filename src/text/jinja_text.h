/* jinja_text.h - what filters and methods of templates do with texts, as Python does it. */
#ifndef B4C_TEXT_JINJA_TEXT_H
#define B4C_TEXT_JINJA_TEXT_H
#include "text/jinja.h"

/* Bytes of a text in UTF-8, not its own. */
typedef struct b4c_jinja_part {
    const char *text;
    size_t size;
} b4c_jinja_part;

/* Of a value that is a text; another is an empty one. */
b4c_jinja_part b4c_jinja_part_of(const json_t *);
/* New values; NULL: no memory. */
json_t *b4c_jinja_make_text(b4c_jinja_part);
/* What a buffer holds, which is done then. */
json_t *b4c_jinja_take_text(b4c_buffer *);

/* Without white characters, or those of `set` where it is a text, at its ends. */
json_t *b4c_jinja_strip(b4c_jinja_part, bool left, bool right, const json_t *set);

typedef enum b4c_jinja_letters {
    B4C_JINJA_LOWER,
    B4C_JINJA_UPPER,
    B4C_JINJA_CAPITAL, /* the first letter alone is a capital */
    B4C_JINJA_TITLE,   /* and each behind what is no letter: Python's str.title() */
    B4C_JINJA_HEADLINE /* and each behind a blank, a dash or a bracket: Jinja's filter */
} b4c_jinja_letters;
json_t *b4c_jinja_letters_of(b4c_jinja_part, b4c_jinja_letters);

/* First or last place of `what` in x, or NULL. */
const char *b4c_jinja_find(b4c_jinja_part x, b4c_jinja_part what, bool last);
/* `from` is not empty; at most `most` times, negative: always. */
json_t *b4c_jinja_replace(b4c_jinja_part x, b4c_jinja_part from, b4c_jinja_part to,
                          json_int_t most);
/* By a separator that is not empty, from the left or the right, at most `most` times (negative:
 * always). NULL separator: by runs of blanks, from the left, always. */
json_t *b4c_jinja_split(b4c_jinja_part x, const json_t *separator, json_int_t most, bool right);
/* Lines without their ends, by all that Python takes for an end. */
json_t *b4c_jinja_lines(b4c_jinja_part x);
#endif
