/* table.h - a LevelDB table as a sorted list of keys and values. */
#ifndef B4C_MODEL_FORMAT_TABLE_H
#define B4C_MODEL_FORMAT_TABLE_H
#include "model/format/reader.h"

typedef struct b4c_pair {
    b4c_span key, value;
} b4c_pair;
typedef struct b4c_table {
    size_t n, room;
    b4c_pair *pair;    /* keys strictly ascending, as bytes; values point into the file */
    b4c_chunk *memory; /* of the keys */
} b4c_table;

bool b4c_table_is(b4c_span file); /* by the mark at its end */
/* All blocks, their checksums compared. `where` names the file in messages. b4c_table_done also
 * after failure. */
int b4c_table_open(b4c_table *, b4c_span file, const char *where, b4c_error *);
void b4c_table_done(b4c_table *);
#endif
