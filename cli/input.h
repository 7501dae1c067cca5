/* input.h - texts from arguments, files and standard input, a chunk at a time.
 *
 * One idea: a chunk is what can be had now. It holds at most so many records and bytes, so that a
 * terabyte passes through, and ends early when a pipe has no more to give yet, so that a program
 * which waits for its answer gets it.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H
#include "options.h"

typedef struct cli_piece {
    size_t at, size;
} cli_piece; /* of the chunk's bytes */

typedef struct cli_record {
    cli_piece text[2]; /* the text, or the pair */
    cli_piece label;
    cli_piece line; /* tsv: the whole line */
    bool json;      /* MESSAGES: an array */
    int file;       /* for cli_input_where */
    long long number;
    uint64_t hash; /* a fingerprint of this record and all before it */
} cli_record;

typedef struct cli_chunk {
    char *bytes;
    size_t used, room;
    cli_record *record;
    int n, capacity;
} cli_chunk;
static inline const char *cli_at(const cli_chunk *c, cli_piece p) { return c->bytes + p.at; }
void cli_chunk_done(cli_chunk *);

/* Texts of a chunk as the library takes them, in memory that is kept from chunk to chunk. */
typedef struct cli_texts {
    const char **text;
    size_t *size;
    int n, room;
} cli_texts;
/* `parts` texts a record, one after the other: 1, or 2 of pairs. */
int cli_texts_make(cli_texts *, const cli_chunk *, int parts, b4c_error *);
/* One text a record: its first (part 0) or its second. */
int cli_texts_take(cli_texts *, const cli_chunk *, int part, b4c_error *);
void cli_texts_done(cli_texts *);

typedef struct cli_input cli_input;

typedef enum cli_want {
    CLI_ONE_TEXT,
    CLI_PAIR,
    CLI_IDS,     /* a jsonl value may be an array of integers */
    CLI_MESSAGES /* it may be an array of objects: its JSON is the text */
} cli_want;

/* Files are looked at now, so that the last one's absence is not found after a night. NULL on
 * failure. */
cli_input *cli_input_open(const cli_settings *, cli_want, b4c_error *);
void cli_input_close(cli_input *);

/* Fill the chunk with at most `most` records. Returns how many; 0 at the end, or when a signal
 * came; negative: an error, after all records before it were given out. */
int cli_input_next(cli_input *, cli_chunk *, int most, b4c_error *);

/* "FILE:LINE" or "argument N" of a record. */
const char *cli_input_where(const cli_input *, const cli_record *, char *room, size_t size);
/* The first tsv file's header line once the first chunk came, or NULL. */
const char *cli_input_header(const cli_input *);
/* Bytes of the files read so far; *total is 0 when it is not known (a pipe). */
long long cli_input_bytes(const cli_input *, long long *total);
bool cli_input_is_files(const cli_input *);
#endif
