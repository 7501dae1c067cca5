/* mapped.c - memory of changed texts. See mapped.h. */
#include "text/mapped.h"

#include <stdlib.h>

bool b4c_mapped_reserve(b4c_mapped *m, size_t more)
{
    if (m->room - m->bytes > more) return true;
    const size_t room = 2 * m->room + more + 256;
    char *text = realloc(m->text, room);
    if (text) m->text = text;
    uint32_t *from = realloc(m->from, room * sizeof *from);
    if (from) m->from = from;
    if (!text || !from) return false;
    m->room = room;
    return true;
}

void b4c_mapped_done(b4c_mapped *m)
{
    free(m->text);
    free(m->from);
    *m = (b4c_mapped){ 0 };
}
