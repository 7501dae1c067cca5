/* stream.h - ids to text, one at a time: what is written never changes afterwards, and never ends
 * within a character.
 *
 *     b4c_stream s;
 *     b4c_stream_init(&s, tokenizer, 0);
 *     while (...) {
 *         const int more = b4c_stream_push(&s, id, err);
 *         if (more > 0) write(s.text.data + s.text.size - more, more);
 *     }
 *     b4c_stream_end(&s, err);
 *
 * What a later token may still change (half a character, a blank that may go) is held back until it
 * cannot. b4c_detokenize is this, all at once.
 */
#ifndef B4C_TEXT_STREAM_H
#define B4C_TEXT_STREAM_H
#include "text/mend.h"
#include "text/tokenizer.h"

enum {
    B4C_STREAM_SPECIAL = 1,  /* special tokens too */
    /* WordPiece: no blank beside a Chinese character or Chinese punctuation (spell.h) */
    B4C_STREAM_TIGHT = 2
};

typedef struct b4c_stream {
    const b4c_tokenizer *t;
    bool keep_special, tight;
    bool begun;              /* a token was written */
    bool front;              /* nothing is written yet but what goes off the front */
    uint8_t waiting[4];      /* bytes that begin a character */
    int n_waiting;
    b4c_mender mender;       /* BERT4KERAS */
    b4c_buffer held;         /* text that cleaning up may change */
    bool after_tight, blank; /* tight: what was written last; a blank that may go */
    b4c_buffer text;         /* what is certain */
} b4c_stream;

void b4c_stream_init(b4c_stream *, const b4c_tokenizer *, int flags);
/* How many bytes were added to `text`. B4C_E_ARG: id is no token; B4C_E_MEMORY. */
int b4c_stream_push(b4c_stream *, int32_t id, b4c_error *);
/* No more will come: add what was held back, half a character as U+FFFD. Bytes added. */
int b4c_stream_end(b4c_stream *, b4c_error *);
void b4c_stream_done(b4c_stream *);
#endif
