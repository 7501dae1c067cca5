/* distinct.c - how varied texts are: distinct-1 and distinct-2.
 *
 *     distinct-n = different n-grams of all texts / n-grams of all texts
 *
 * Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models"; here
 * of characters, as the other measures count them. Each order is a table of the n-grams that were
 * seen, found by open addressing; it doubles when half of it is taken.
 */
#include "study/letters.h"
#include <math.h>
#include <stdlib.h>

enum { ORDERS = 2, FIRST_ROOM = 1024 };

typedef struct seen {
    uint64_t *key;           /* [room] n-gram + 1; 0: free */
    size_t room, n;
    int64_t all;             /* n-grams that came, old ones too */
} seen;

struct b4c_distinct { seen order[ORDERS]; };

b4c_distinct *b4c_distinct_new(b4c_error *err)
{
    b4c_distinct *d = calloc(1, sizeof *d);
    if (!d) b4c_fail(err, B4C_E_MEMORY, "measures: no memory");
    return d;
}

void b4c_distinct_free(b4c_distinct *d)
{
    for (int k = 0; d && k < ORDERS; k++) free(d->order[k].key);
    free(d);
}

/* Multiplying spreads neighbours (Knuth's golden ratio); the high half has it from all bits. */
static size_t place_of(const seen *s, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & (s->room - 1);
    while (s->key[at] && s->key[at] != key) at = (at + 1) & (s->room - 1);
    return at;
}

static bool grow(seen *s)
{
    const seen old = *s;
    s->room = old.room ? 2 * old.room : FIRST_ROOM;
    s->key = calloc(s->room, sizeof *s->key);
    if (!s->key) {
        *s = old;
        return false;
    }
    for (size_t i = 0; i < old.room; i++)
        if (old.key[i]) s->key[place_of(s, old.key[i])] = old.key[i];
    free(old.key);
    return true;
}

static bool see(seen *s, uint64_t gram)
{
    if (2 * s->n >= s->room && !grow(s)) return false;
    const size_t at = place_of(s, gram + 1);
    s->n += !s->key[at];
    s->key[at] = gram + 1;
    s->all++;
    return true;
}

int b4c_distinct_add(b4c_distinct *d, const char *text, size_t size, b4c_error *err)
{
    b4c_letters l;
    bool good = true;
    B4C_TRY(b4c_letters_read(&l, text, size, err));
    for (int i = 0; i < l.n && good; i++) {
        const uint64_t c = (uint64_t)l.c[i];
        good = see(&d->order[0], c);
        if (good && i) good = see(&d->order[1], (uint64_t)l.c[i - 1] << 32 | c);
    }
    b4c_letters_done(&l);
    return good ? 0 : b4c_fail(err, B4C_E_MEMORY, "measures: no memory for n-grams");
}

void b4c_distinct_measure(const b4c_distinct *d, double *distinct_1, double *distinct_2)
{
    double *const out[ORDERS] = { distinct_1, distinct_2 };
    for (int k = 0; k < ORDERS; k++) {
        const seen *s = &d->order[k];
        *out[k] = s->all ? (double)s->n / (double)s->all : NAN;
    }
}
