/* corpus.h - a file of training data as numbered records, of any size.
 *
 * The one idea: the file stays where it is, mapped; a record is an offset into it, 8 bytes in
 * memory. So a record is found by its number at once, in any order, and the system's page cache
 * is the only copy of the text.
 *
 *     text    a record is a line, or all lines up to a blank one (split by blank lines)
 *     TSV     a record is a line; a header's line is none
 *     JSONL   a record is a line
 *
 * Lines of white space alone are no records. All bytes are UTF-8, checked when opening; a byte
 * order mark is skipped, CRLF is taken as LF.
 *
 * Held-out records: a record is held out when the hash of its bytes says so, so what stands twice
 * in the data is never on both sides, and a file that grows keeps its split.
 */
#ifndef B4C_TRAIN_CORPUS_H
#define B4C_TRAIN_CORPUS_H
#include "base/file.h"
#include "base/span.h"

typedef enum b4c_data_format { B4C_DATA_TEXT, B4C_DATA_TSV, B4C_DATA_JSONL } b4c_data_format;

typedef struct b4c_corpus {
    char *path;              /* for messages; malloc'ed */
    b4c_file file;
    b4c_data_format format;
    bool blank_lines;        /* TEXT: records end at them */
    b4c_span header;         /* TSV: the first line; size 0: there is none */
    uint64_t *begin;         /* [n] byte offset of each record */
    int64_t n;
} b4c_corpus;

typedef struct b4c_corpus_options {
    b4c_data_format format;
    bool blank_lines, header;
    double held_out;         /* share of records in 0 .. 1 that is held out */
    bool side;               /* keep those that are held out, or else the others */
    bool both;               /* keep all */
} b4c_corpus_options;

/* After failure there is nothing to close. A file without a record is an error. */
int b4c_corpus_open(b4c_corpus *, const char *path, const b4c_corpus_options *, b4c_error *);
void b4c_corpus_close(b4c_corpus *);   /* takes a zeroed one */
/* Record i without the end of its last line. Holds until the corpus is closed. O(its bytes). */
b4c_span b4c_corpus_record(const b4c_corpus *, int64_t i);
/* The number of its first line, from 1. O(bytes before it): for messages. */
int64_t b4c_corpus_line(const b4c_corpus *, int64_t i);

/* Field i (from 0) of a line cut at tabs; data NULL: it has fewer. */
b4c_span b4c_tsv_field(b4c_span line, int i);
int b4c_tsv_fields(b4c_span line);

/* A hash of bytes, the same on every machine: FNV-1a, mixed once more so that all bits count. */
uint64_t b4c_bytes_hash(b4c_span);
#endif
