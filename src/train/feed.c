/* feed.c - batches from data, made by a thread that runs ahead.
 *
 *     order ─► record ─► maker ─► one example ─► batch ─► queue of AHEAD batches ─► next
 *
 * A batch takes examples until the next one would not fit; that one begins the following batch. So
 * all batches from a place on are a function of that place, and the thread only decides when they
 * are made. The thread begins at the first `next` and ends with `seek` or `free`; between, nobody
 * else touches data, maker or place.
 */
#include "train/feed.h"
#include "train/data.h"
#include <pthread.h>
#include <stdlib.h>

enum { AHEAD = 4, SAMPLE = 256 };

typedef struct data_feed {
    b4c_feed feed;
    int batch_tokens, batch_examples;
    b4c_data data;
    b4c_maker maker;
    b4c_place place; /* of the next example */
    b4c_data_record record;
    float label;
    uint64_t read;    /* the place whose record is in `record`, + 1; 0: none */
    b4c_batch one;    /* the next example, if `waiting` */
    b4c_place behind; /* it */
    bool waiting, ended;
    int64_t barren; /* records without an example since the last one that had one */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    bool stop;
    b4c_batch queue[AHEAD];
    int first, count; /* batches that wait in the queue: from first on */
    int result;       /* why no more will come: 0 ended, negative error; 1: more will */
    b4c_error error;
} data_feed;

/* ---- one example ----------------------------------------------------------------------------- */

/* The example at f->place into f->one, unless that part of the record has none. 1; 0: the end. */
static int make_one(data_feed *f, b4c_error *err)
{
    b4c_visit v;
    b4c_batch_clear(&f->one);
    if (!b4c_order_at(&f->data.order, f->place.record, &v)) return 0;
    if (f->read != f->place.record + 1) {
        f->read = 0;
        B4C_TRY(b4c_data_read(&f->data, v.file, v.record, &f->record, &f->label, err));
        f->read = f->place.record + 1;
    }
    const b4c_example_place at = { f->place, &v };
    const int parts = b4c_maker_make(&f->maker, &f->record, f->label, &at, &f->one, err);
    if (parts < 0) return b4c_data_fail_in(&f->data, v.file, v.record, err);
    f->behind = (b4c_place){ f->place.record, f->place.inside + 1 };
    if (f->behind.inside >= (uint64_t)parts) f->behind = (b4c_place){ f->place.record + 1, 0 };
    return 1;
}

/* The next example, made or still waiting from before. 1; 0: the end. */
static int find_one(data_feed *f, b4c_error *err)
{
    while (!f->waiting) {
        const int rc = make_one(f, err);
        if (rc <= 0) return rc;
        f->waiting = f->one.n_examples > 0;
        f->barren = f->waiting ? 0 : f->barren + 1;
        if (!f->waiting) f->place = f->behind;
        if (f->barren > f->data.order.records && !f->data.order.in_order)
            return b4c_fail(err, B4C_E_TEXT,
                            "%s: no record gives an example for the task: are the texts empty, or "
                            "too short?",
                            f->data.file[0].corpus.path);
    }
    return 1;
}

static bool fits(const data_feed *f, const b4c_batch *b)
{
    if (b->n_examples == 0) return true;
    if (f->batch_examples) return b->n_examples < f->batch_examples;
    return b->n_rows + b->n_out + f->one.n_rows + f->one.n_out <= f->batch_tokens;
}

/* 1; 0: there is nothing left. */
static int make_batch(data_feed *f, b4c_batch *b, b4c_error *err)
{
    b4c_batch_clear(b);
    for (;;) {
        const int rc = find_one(f, err);
        if (rc < 0) return rc;
        if (rc == 0 || !fits(f, b)) break;
        b4c_batch_append(b, &f->one);
        f->waiting = false;
        f->place = f->behind;
    }
    b->next = f->place;
    if (b->failed) return b4c_fail(err, B4C_E_MEMORY, "no memory for a batch");
    return b->n_examples > 0;
}

/* ---- running ahead --------------------------------------------------------------------------- */

static void *run_ahead(void *arg)
{
    data_feed *f = arg;
    for (;;) {
        pthread_mutex_lock(&f->lock);
        while (f->count == AHEAD && !f->stop) pthread_cond_wait(&f->emptied, &f->lock);
        b4c_batch *b = &f->queue[(f->first + f->count) % AHEAD];
        const bool stop = f->stop;
        pthread_mutex_unlock(&f->lock);
        if (stop) return NULL;

        const int rc = make_batch(f, b, &f->error);
        pthread_mutex_lock(&f->lock);
        if (rc > 0)
            f->count++;
        else
            f->result = rc;
        pthread_cond_signal(&f->filled);
        pthread_mutex_unlock(&f->lock);
        if (rc <= 0) return NULL;
    }
}

static int start(data_feed *f, b4c_error *err)
{
    if (f->running) return 0;
    f->stop = false;
    f->result = 1;
    if (pthread_create(&f->thread, NULL, run_ahead, f) != 0)
        return b4c_fail(err, B4C_E_MEMORY, "no thread to read the data with");
    f->running = true;
    return 0;
}

static void halt(data_feed *f)
{
    if (!f->running) return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->emptied);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    f->running = false;
    f->first = f->count = 0;
}

static int next(b4c_feed *feed, b4c_batch *b, b4c_error *err)
{
    data_feed *f = (data_feed *)(void *)feed;
    B4C_TRY(start(f, err));
    pthread_mutex_lock(&f->lock);
    while (f->count == 0 && f->result > 0) pthread_cond_wait(&f->filled, &f->lock);
    const bool got = f->count > 0;
    if (got) {
        const b4c_batch given = *b; /* the caller's memory goes into the queue */
        *b = f->queue[f->first];
        f->queue[f->first] = given;
        f->first = (f->first + 1) % AHEAD;
        f->count--;
        pthread_cond_signal(&f->emptied);
    }
    const int result = f->result;
    pthread_mutex_unlock(&f->lock);
    if (got) return 1;
    b4c_batch_clear(b);
    if (result < 0 && err) *err = f->error;
    return result;
}

static int seek(b4c_feed *feed, b4c_place place, b4c_error *err)
{
    (void)err;
    data_feed *f = (data_feed *)(void *)feed;
    halt(f);
    f->place = place;
    f->waiting = false;
    f->barren = 0;
    return 0;
}

static void free_feed(b4c_feed *feed)
{
    data_feed *f = (data_feed *)(void *)feed;
    halt(f);
    for (int i = 0; i < AHEAD; i++) b4c_batch_done(&f->queue[i]);
    b4c_batch_done(&f->one);
    b4c_data_record_done(&f->record);
    b4c_maker_done(&f->maker);
    b4c_data_close(&f->data);
    pthread_cond_destroy(&f->filled);
    pthread_cond_destroy(&f->emptied);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_budget(const b4c_feed_wish *w, const b4c_maker_options *o, b4c_error *err)
{
    const int most = b4c_maker_most_rows(o);
    if (w->batch_tokens == 0 || w->batch_tokens >= most) return 0;
    return b4c_fail(
        err, B4C_E_ARG,
        "batch.tokens is %d, but one example of task '%s' may have %d tokens; raise it, "
        "or lower max_length (%d)%s",
        w->batch_tokens, b4c_task_name(o->task), most, o->max_length,
        o->encoder_decoder ? " and max_target" : "");
}

/* Examples of records from all over the data: faults that only show when they are made, and how
 * many tokens the vocabulary lacks. */
static int take_sample(data_feed *f, b4c_error *err)
{
    b4c_order *o = &f->data.order;
    const bool in_order = o->in_order;
    const uint64_t n = (uint64_t)o->records, step = n > SAMPLE ? n / SAMPLE : 1;
    int rc = 1;
    o->in_order = true; /* which has all files, each from its first record on */
    for (uint64_t p = 0; p < n && rc > 0; p += step) {
        f->place = (b4c_place){ p, 0 };
        rc = make_one(f, err);
    }
    o->in_order = in_order;
    f->read = 0;
    f->maker.held = 0;
    f->place = (b4c_place){ 0, 0 };
    if (f->maker.tokens) f->feed.unknown = (double)f->maker.unknown / (double)f->maker.tokens;
    return rc < 0 ? rc : 0;
}

int b4c_feed_open(b4c_feed **out, const b4c_feed_wish *w, b4c_error *err)
{
    data_feed *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return b4c_fail(err, B4C_E_MEMORY, "no memory for reading data");
    f->feed = (b4c_feed){ .next = next, .seek = seek, .free = free_feed };
    f->batch_tokens = w->batch_tokens;
    f->batch_examples = w->batch_examples;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->filled, NULL);
    pthread_cond_init(&f->emptied, NULL);
    b4c_batch_init(&f->one);
    for (int i = 0; i < AHEAD; i++) b4c_batch_init(&f->queue[i]);
    int rc = b4c_data_open(&f->data, w, err);
    if (rc == 0) rc = b4c_maker_init(&f->maker, &f->data.maker, err);
    if (rc == 0) rc = check_budget(w, &f->data.maker, err);
    if (rc == 0) rc = take_sample(f, err);
    if (rc < 0) {
        free_feed(&f->feed);
        return rc;
    }
    f->feed.records = f->data.order.records;
    f->feed.left_out = f->data.left_out;
    *out = &f->feed;
    return 0;
}
