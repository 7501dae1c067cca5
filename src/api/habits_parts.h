/* habits_parts.h - what the readers of a model's habits share: habits.c (beginnings, ends, numbers)
 * and habits_lists.c (tokens, phrases, strings).
 */
#ifndef B4C_API_HABITS_PARTS_H
#define B4C_API_HABITS_PARTS_H
#include "api/habits.h"

/* What both files may hold, the newer one first. */
typedef struct b4c_habits_sources {
    const json_t *newer, *older;
    const char *where;
} b4c_habits_sources;

/* The file that has the key, and the key's value; a null in the newer file is none. */
const json_t *b4c_habits_owner(const b4c_habits_sources *, const char *key);
const json_t *b4c_habits_value(const b4c_habits_sources *, const char *key);
/* Ids that are tokens, of a value that is one or a list, into out; others are left out and counted.
 * Returns how many there are. */
int b4c_habits_ids(const json_t *value, int vocabulary, int32_t *out, int most, int *wrong);
/* A line for people, into report's "generation_notes". */
void b4c_habits_note(json_t *report, const char *text);
/* The key is asked for and not followed: into "generation_ignored", and a note that says why. */
void b4c_habits_ignore(json_t *report, const char *key, const char *why);

/* Lists of w->defaults; they are w's until b4c_habits_done. Ends are known. What is not followed is
 * noted. B4C_E_FORMAT: a value of another type. */
int b4c_habits_read_lists(b4c_habits *, const b4c_habits_sources *, bool has_tokenizer,
                          json_t *report, b4c_error *);
#endif
