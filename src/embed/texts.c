/* texts.c - texts to sentence vectors.
 *
 * Idea: texts go in waves, so that a million of them need no more memory than a few thousand. In a
 * wave lanes first read (tokenise), a few texts at a time from a common counter, each into its own
 * memory; then encode.c takes the tokens.
 * Invariant: when texts are wrong, the error is that of the first wrong text, whatever the lanes
 * did.
 */
#include "embed/texts.h"

#include "base/error.h"
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* WAVE texts or WAVE_BYTES of them are read before any is encoded. STEP: texts that a lane takes at
 * once. ALONE: bytes that are read sooner than other lanes wake. */
enum { WAVE = 8192, WAVE_BYTES = 4 << 20, STEP = 8, ALONE = 1024 };

typedef struct b4c_place { int lane, length; size_t at; } b4c_place;

typedef struct wave {
    b4c_reader *reader;
    const b4c_tokenize_options *options;
    const b4c_embed_input *in;
    int first, n;            /* texts first .. first + n - 1 of the call */
    atomic_int next;
    atomic_int failed_text;  /* lowest so far, or INT_MAX */
} wave;

int b4c_reader_init(b4c_reader *r, const b4c_tokenizer *tokenizer, int lanes, b4c_error *err)
{
    *r = (b4c_reader){ .tokenizer = tokenizer, .lanes = lanes };
    r->lane = calloc((size_t)lanes, sizeof *r->lane);
    return r->lane ? 0
                   : b4c_fail(err, B4C_E_MEMORY, "no memory for a session of %d threads", lanes);
}

void b4c_reader_done(b4c_reader *r)
{
    for (int i = 0; r->lane && i < r->lanes; i++) {
        b4c_encoding_free(&r->lane[i].encoding);
        b4c_buffer_done(&r->lane[i].prompted);
        b4c_buffer_done(&r->lane[i].ids);
    }
    free(r->lane);
    free(r->place);
    free(r->sequence);
    *r = (b4c_reader){ 0 };
}

static size_t bytes_of(const char *const *texts, const size_t *lens, int i)
{
    return lens ? lens[i] : strlen(texts[i]);
}

static int read_text(const wave *w, int i, int lane)
{
    b4c_reader_lane *l = &w->reader->lane[lane];
    b4c_encoding *e = &l->encoding;
    const b4c_embed_input *in = w->in;
    const char *text = in->text[w->first + i];
    const char *second = in->second ? in->second[w->first + i] : NULL;
    size_t bytes = bytes_of(in->text, in->size, w->first + i);
    const size_t more = second ? bytes_of(in->second, in->second_size, w->first + i) : 0;
    if (in->prompt && *in->prompt) {
        l->prompted.size = 0;
        b4c_buffer_text(&l->prompted, in->prompt);
        b4c_buffer_add(&l->prompted, text, bytes);
        if (l->prompted.failed) return b4c_fail(&l->error, B4C_E_MEMORY, "no memory to read it");
        text = l->prompted.data;
        bytes = l->prompted.size;
    }
    B4C_TRY(b4c_tokenize(w->reader->tokenizer, text, bytes, second, more, w->options, e,
                         &l->error));
    if (e->n == 0) return b4c_fail(&l->error, B4C_E_TEXT, "no token is left of it");
    w->reader->place[i] = (b4c_place){ lane, e->n, l->ids.size };
    b4c_buffer_add(&l->ids, e->ids, (size_t)e->n * sizeof *e->ids);
    if (second) b4c_buffer_add(&l->ids, e->segments, (size_t)e->n * sizeof *e->segments);
    if (l->ids.failed) return b4c_fail(&l->error, B4C_E_MEMORY, "no memory to read it");
    l->stats.tokens += e->n;
    l->stats.cut += e->cut;
    l->stats.unknown += e->unknown;
    l->stats.texts_cut += e->cut > 0;
    return 0;
}

static void read_lane(void *arg, int lane, int lanes)
{
    (void)lanes;
    wave *w = arg;
    b4c_reader_lane *l = &w->reader->lane[lane];
    for (int from; (from = atomic_fetch_add(&w->next, STEP)) < w->n;)
        for (int i = from; i < from + STEP && i < w->n; i++) {
            int least = atomic_load(&w->failed_text);
            if (i > least) return;
            if (read_text(w, i, lane) == 0) continue;
            l->failed_text = i;
            while (i < least && !atomic_compare_exchange_weak(&w->failed_text, &least, i)) { }
            return;
        }
}

static int read_wave(wave *w, b4c_crew *crew, size_t bytes, b4c_error *err)
{
    b4c_reader *r = w->reader;
    atomic_init(&w->next, 0);
    atomic_init(&w->failed_text, INT_MAX);
    for (int i = 0; i < r->lanes; i++) {
        r->lane[i].ids.size = 0;
        r->lane[i].failed_text = INT_MAX;
    }
    b4c_pool_run(bytes > ALONE ? crew->pool : NULL, read_lane, w);
    const int failed = atomic_load(&w->failed_text);
    for (int i = 0; failed != INT_MAX && i < r->lanes; i++)
        if (r->lane[i].failed_text == failed) {
            const int code = r->lane[i].error.code;
            if (err) *err = r->lane[i].error;
            if (w->n > 1 || w->first > 0) (void)b4c_fail_in(err, "text %d", w->first + failed + 1);
            return code;
        }
    for (int i = 0; i < w->n; i++) {
        const b4c_place *p = &r->place[i];
        const int32_t *ids = (const int32_t *)(const void *)(r->lane[p->lane].ids.data + p->at);
        r->sequence[i] = (b4c_sequence){ .ids = ids,
                                         .segments = w->in->second ? ids + p->length : NULL,
                                         .length = p->length };
    }
    return 0;
}

static int make_room(b4c_reader *r, int n, b4c_error *err)
{
    const int wanted = n < WAVE ? n : WAVE;
    if (wanted <= r->room) return 0;
    b4c_place *place = realloc(r->place, (size_t)wanted * sizeof *place);
    if (place) r->place = place;
    b4c_sequence *sequence = realloc(r->sequence, (size_t)wanted * sizeof *sequence);
    if (sequence) r->sequence = sequence;
    if (!place || !sequence) return b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", wanted);
    r->room = wanted;
    return 0;
}

int b4c_embed_texts(b4c_reader *r, b4c_crew *crew, const b4c_embedding *how,
                    const b4c_tokenize_options *options, const b4c_embed_input *in, float *out,
                    b4c_encode_stats *stats, b4c_error *err)
{
    const int n = in->n;
    B4C_TRY(make_room(r, n, err));
    for (int i = 0; i < r->lanes; i++) r->lane[i].stats = (b4c_encode_stats){ 0 };
    int rc = 0;
    for (int first = 0; first < n && rc == 0;) {
        size_t bytes = 0;
        int upto = first;
        while (upto < n && upto - first < WAVE && bytes < WAVE_BYTES)
            bytes += bytes_of(in->text, in->size, upto++);
        wave w = { .reader = r,
                   .options = options,
                   .in = in,
                   .first = first,
                   .n = upto - first };
        rc = read_wave(&w, crew, bytes, err);
        float *vectors = out + (size_t)first * (size_t)how->width;
        if (rc == 0) rc = b4c_embed_sequences(crew, how, r->sequence, w.n, vectors, err);
        if (rc == 0) rc = b4c_embed_check(vectors, w.n, how->width, first, err);
        first = upto;
    }
    *stats = (b4c_encode_stats){ 0 };
    for (int i = 0; i < r->lanes; i++) {
        const b4c_encode_stats *s = &r->lane[i].stats;
        stats->tokens += s->tokens;
        stats->cut += s->cut;
        stats->unknown += s->unknown;
        stats->texts_cut += s->texts_cut;
    }
    return rc;
}
