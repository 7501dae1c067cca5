/* course.c - see course.h. */
#include "laws/course.h"

#include "base/file.h"
#include "model/config.h"
#include "support/test.h"

#include <sys/stat.h>

/* ---- data ------------------------------------------------------------------------------------ */

enum { RECORDS = 40 };

typedef struct rule_feed {
    b4c_feed feed;
    b4c_feed_wish wish;
    uint64_t record;
} rule_feed;

static int32_t follower(int32_t id) { return (5 * id + 3) % COURSE_VOCABULARY; }

/* One sequence of the rule, asked by the task. */
static void put_sequence(b4c_batch *b, b4c_rng *rng, b4c_task_kind task)
{
    const int n = 4 + (int)b4c_rng_below(rng, 5);
    int32_t id = (int32_t)b4c_rng_below(rng, COURSE_VOCABULARY);
    b4c_batch_sequence(b);
    for (int i = 0; i < n; i++) {
        const bool hidden = task == B4C_TASK_MLM && i % 3 == 1, target = i >= n / 2;
        const int32_t next = i + 1 < n ? follower(id) : -1;
        const bool asked = task == B4C_TASK_LM ||
                           (task >= B4C_TASK_SEQ2SEQ && task <= B4C_TASK_DISTIL && i + 1 >= n / 2);
        b4c_batch_row(b, hidden ? 0 : id, target && task != B4C_TASK_LM && task != B4C_TASK_MLM,
                      hidden  ? id
                      : asked ? next
                              : -1);
        id = follower(id);
    }
}

static int next(b4c_feed *feed, b4c_batch *b, b4c_error *err)
{
    rule_feed *f = (rule_feed *)(void *)feed;
    const b4c_task_kind task = f->wish.task;
    const int sequences = task >= B4C_TASK_SIMBERT && task != B4C_TASK_CLASSIFY ? 2 : 1;
    (void)err;
    if (f->wish.once && f->record >= RECORDS) return 0;
    b4c_batch_clear(b);
    for (int e = 0; e < f->wish.batch_examples; e++, f->record++) {
        b4c_rng rng;
        b4c_rng_init(&rng, f->wish.seed + f->wish.once, f->record, 0);
        b4c_batch_example(b, (float)(f->record % 2));
        for (int s = 0; s < sequences; s++) put_sequence(b, &rng, task);
    }
    b->next = (b4c_place){ f->record, 0 };
    return 1;
}

static int seek(b4c_feed *feed, b4c_place place, b4c_error *err)
{
    (void)err;
    ((rule_feed *)(void *)feed)->record = place.record;
    return 0;
}

static void free_feed(b4c_feed *feed) { free(feed); }

static int open_feed(b4c_feed **feed, const b4c_feed_wish *wish, b4c_error *err)
{
    rule_feed *f = calloc(1, sizeof *f);
    (void)err;
    f->feed = (b4c_feed){ .next = next, .seek = seek, .free = free_feed, .records = RECORDS };
    f->wish = *wish;
    *feed = &f->feed;
    return 0;
}

/* ---- a training ------------------------------------------------------------------------------ */

const char course_bert[] =
    "{\"model_type\":\"bert\",\"vocab_size\":23,\"hidden_size\":16,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":2,\"intermediate_size\":24,\"max_position_embeddings\":16}";
const char course_gpt2[] = "{\"model_type\":\"gpt2\",\"vocab_size\":23,\"n_embd\":16,\"n_layer\":2,"
                           "\"n_head\":2,\"n_positions\":16}";

const char course_whole[] = "\"task\":{\"kind\":\"lm\",\"dropout\":0.1},\"steps\":7,"
                            "\"accumulate\":2,\"optimiser\":{\"rate\":0.01,\"ema\":0.5,\"clip\":1},"
                            "\"schedule\":{\"kind\":\"cosine\",\"warmup\":2},"
                            "\"evaluate\":{\"every\":2}";

const char *course_folder(void)
{
    static int n;
    const char *folder = temp_path("training%d", n++);
    assert_int_equal(mkdir(folder, 0777), 0);
    return folder;
}

char *course_recipe(const char *folder, const char *config, const char *rest)
{
    char *path = malloc(512);
    snprintf(path, 512, "%s/vocab.txt", folder);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < COURSE_VOCABULARY; i++) fprintf(f, "t%d\n", i);
    fclose(f);
    char vocabulary[512];
    strcpy(vocabulary, path);
    snprintf(path, 512, "%s/recipe.json", folder);
    f = fopen(path, "w");
    fprintf(f,
            "{\"model\":{\"config\":%s,\"tokenizer\":\"%s\",\"deviation\":0.2},\"data\":{},"
            "\"batch\":{\"examples\":4},\"output\":\"%s/out\",%s}",
            config, vocabulary, folder, rest);
    fclose(f);
    return path;
}

static int correlate(const double *a, const double *b, size_t n, double *out, b4c_error *err)
{
    return b4c_spearman(a, b, n, out, err);
}

static int begin(course *c, b4c_recipe *r, b4c_store *store, const char *source, int threads,
                 bool again, b4c_error *err)
{
    const char *note, *where = source ? source : "recipe";
    assert_ok(b4c_config_read(&c->spec, c->config, store, where, &note, err), err);
    const b4c_trainer_parts parts = { .spec = &c->spec,
                                      .config = c->config,
                                      .start = -1,
                                      .end = -1,
                                      .open_feed = open_feed,
                                      .correlate = correlate,
                                      .threads = threads,
                                      .resume = again,
                                      .store = store,
                                      .source = source };
    return b4c_trainer_begin(&c->trainer, r, &parts, err);
}

int course_begin(course *c, const char *recipe, const char *set, int threads, bool again,
                 b4c_error *err)
{
    b4c_recipe r;
    *c = (course){ 0 };
    B4C_TRY(b4c_recipe_read(&r, recipe, &set, set != NULL, err));
    c->config = json_deep_copy(r.config);
    return begin(c, &r, NULL, NULL, threads, again, err);
}

int course_begin_from(course *c, b4c_store *store, const char *source, const char *recipe,
                      int threads, bool again, b4c_error *err)
{
    b4c_recipe r;
    char path[512];
    *c = (course){ 0 };
    assert_ok(b4c_recipe_read(&r, recipe, NULL, 0, err), err);
    assert_ok(b4c_store_open(store, source, err), err);
    snprintf(path, sizeof path, "%s/config.json", source);
    c->config = b4c_json_file(path, err);
    return begin(c, &r, store, source, threads, again, err);
}

void course_done(course *c)
{
    b4c_trainer_done(&c->trainer);
    json_decref(c->config);
}

void course_go(course *c, int steps)
{
    b4c_error err = { 0 };
    b4c_train_report r;
    int rc = 1;
    for (int i = 0; i < steps && rc == 1; i++) {
        rc = b4c_trainer_run_step(&c->trainer, &r, &err);
        if (rc < 0) fail_msg("step %d: %s", i + 1, err.message);
    }
}

char *course_content(const char *folder, const char *name, size_t *n)
{
    char path[512];
    b4c_file f;
    b4c_error err = { 0 };
    snprintf(path, sizeof path, "%s/out/%s", folder, name);
    assert_ok(b4c_file_map(&f, path, &err), &err);
    char *copy = malloc(f.size + 1);
    memcpy(copy, f.data, f.size);
    copy[f.size] = '\0';
    *n = f.size;
    b4c_file_unmap(&f);
    return copy;
}

void course_same_file(const char *a, const char *b, const char *name)
{
    size_t n, m;
    char *x = course_content(a, name, &n), *y = course_content(b, name, &m);
    if (n != m || memcmp(x, y, n) != 0) fail_msg("%s: %s/out and %s/out differ", name, a, b);
    free(x);
    free(y);
}

double course_last(const char *folder, const char *key)
{
    size_t n;
    char *log = course_content(folder, "log.jsonl", &n), *at = log, *last = NULL, quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    while ((at = strstr(at, quoted))) last = at++;
    assert_non_null(last);
    const double value = strtod(last + strlen(quoted), NULL);
    free(log);
    return value;
}

double course_last_loss(const char *folder) { return course_last(folder, "loss"); }

void course_run(const char *folder, const char *config, const char *rest, int threads)
{
    course c;
    b4c_error err = { 0 };
    char *recipe = course_recipe(folder, config, rest);
    assert_ok(course_begin(&c, recipe, NULL, threads, false, &err), &err);
    course_go(&c, 1000);
    course_done(&c);
    free(recipe);
}
