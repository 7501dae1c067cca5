/* zip.h - the directory of a zip archive whose members are stored, not compressed. */
#ifndef B4C_MODEL_FORMAT_ZIP_H
#define B4C_MODEL_FORMAT_ZIP_H
#include "model/format/reader.h"

typedef struct b4c_zip_member {
    b4c_span name, data;
} b4c_zip_member;
typedef struct b4c_zip {
    size_t n;
    b4c_zip_member *member;
} b4c_zip; /* sorted by name, no name twice */

/* Spans point into `file`; `where` names it in messages. b4c_zip_done also after failure. */
int b4c_zip_open(b4c_zip *, b4c_span file, const char *where, b4c_error *);
void b4c_zip_done(b4c_zip *);
const b4c_zip_member *b4c_zip_find(const b4c_zip *, b4c_span name); /* NULL: none */
#endif
