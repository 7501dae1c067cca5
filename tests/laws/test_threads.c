/* test_threads.c - laws of a program with threads of its own: a model is shared, a session is one
 * thread's, and neither who is first nor who works beside it changes a bit of a vector.
 *
 * cmocka's asserts belong to the main thread; workers leave what they found to be looked at.
 */
#include "bert4c.h"
#include "golden/folder.h"
#include "support/test.h"

#include <pthread.h>

enum { WORKERS = 4, TEXTS = 24, WIDTH = 40, ROUNDS = 8 };

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *folder;            /* to open a model of its own; NULL: */
    const b4c_model *model;        /* the shared one */
    char *const *texts;
    float out[TEXTS * WIDTH];
    int different;                 /* rounds that differ from the first */
    int rc;
    b4c_error err;
} worker;

static void encode(worker *w, b4c_session *s, float *out)
{
    const b4c_encode_options o = { .pooling = B4C_POOL_MEAN, .normalize = 1 };
    if (w->rc >= 0)
        w->rc = b4c_encode(s, (const char *const *)w->texts, NULL, TEXTS, &o, out, &w->err);
}

static void *work(void *arg)
{
    worker *w = arg;
    float *again = malloc(sizeof w->out);
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = B4C_I8;
    pthread_barrier_wait(w->start);
    b4c_model *own = w->folder ? b4c_model_open(w->folder, &o, &w->err) : NULL;
    const b4c_model *m = w->folder ? own : w->model;
    b4c_session *s = m ? b4c_session_new(m, &(b4c_session_options){ .threads = 2 }, &w->err) : NULL;
    w->rc = s && again ? 0 : -1;
    if (w->rc == 0) encode(w, s, w->out);
    for (int i = 1; w->rc >= 0 && i < ROUNDS; i++) {
        encode(w, s, again);
        w->different += memcmp(again, w->out, sizeof w->out) != 0;
    }
    b4c_session_free(s);
    b4c_model_free(own);
    free(again);
    return NULL;
}

/* Runs all workers from one start; each must have the vectors of the first. */
static void run(const char *folder, const b4c_model *model)
{
    pthread_barrier_t start;
    char *texts[TEXTS];
    worker *w = calloc(WORKERS, sizeof *w);
    assert_non_null(w);
    for (int i = 0; i < TEXTS; i++) texts[i] = folder_text(i);
    assert_int_equal(pthread_barrier_init(&start, NULL, WORKERS), 0);
    for (int i = 0; i < WORKERS; i++) {
        w[i].start = &start;
        w[i].folder = folder;
        w[i].model = model;
        w[i].texts = texts;
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < WORKERS; i++) {
        assert_ok(w[i].rc, &w[i].err);
        assert_int_equal(w[i].different, 0);
        assert_memory_equal(w[i].out, w[0].out, sizeof w->out);
    }
    pthread_barrier_destroy(&start);
    for (int i = 0; i < TEXTS; i++) free(texts[i]);
    free(w);
}

/* REPORTS S14. The first test, so that nothing of the library has been used before. */
static void many_threads_may_be_the_first_at_once(void **state)
{
    (void)state;
    run(folder_make("first", "bert"), NULL);
}

/* REPORTS S04, S09: one model in memory for all; S11: texts of many lengths at once; V09: a model
 * that only the thread which opened it could use. */
static void sessions_of_one_model_work_at_once(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = B4C_I8;
    b4c_model *m = b4c_model_open(folder_make("shared", "roformer"), &o, &err);
    if (!m) fail_msg("%s", err.message);
    run(NULL, m);
    b4c_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_may_be_the_first_at_once),
        cmocka_unit_test(sessions_of_one_model_work_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
