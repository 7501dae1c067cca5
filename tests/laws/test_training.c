/* test_training.c - laws of a whole training: stopped anywhere and resumed it is the one that was
 * never stopped, to the bit; threads do not matter; what cannot be learned from is named.
 *
 * The data are a feed of this file: sequences whose next token follows from the last by a rule, so
 * that losses fall quickly.
 */
#include "base/file.h"
#include "golden/golden.h"
#include "support/test.h"
#include "model/config.h"
#include "train/trainer.h"

#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- data ------------------------------------------------------------------------------------ */

enum { VOCABULARY = 23, RECORDS = 40 };

typedef struct rule_feed {
    b4c_feed feed;
    b4c_feed_wish wish;
    uint64_t record;
} rule_feed;

static int32_t follower(int32_t id) { return (5 * id + 3) % VOCABULARY; }

/* One sequence of the rule, asked by the task. */
static void put_sequence(b4c_batch *b, b4c_rng *rng, b4c_task_kind task)
{
    const int n = 4 + (int)b4c_rng_below(rng, 5);
    int32_t id = (int32_t)b4c_rng_below(rng, VOCABULARY);
    b4c_batch_sequence(b);
    for (int i = 0; i < n; i++) {
        const bool hidden = task == B4C_TASK_MLM && i % 3 == 1, target = i >= n / 2;
        const int32_t next = i + 1 < n ? follower(id) : -1;
        const bool asked = task == B4C_TASK_LM ||
                           (task >= B4C_TASK_SEQ2SEQ && task <= B4C_TASK_DISTIL && i + 1 >= n / 2);
        b4c_batch_row(b, hidden ? 0 : id, target && task != B4C_TASK_LM && task != B4C_TASK_MLM,
                      hidden ? id : asked ? next : -1);
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

static const char bert[] =
    "{\"model_type\":\"bert\",\"vocab_size\":23,\"hidden_size\":16,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":2,\"intermediate_size\":24,\"max_position_embeddings\":16}";
static const char gpt2[] = "{\"model_type\":\"gpt2\",\"vocab_size\":23,\"n_embd\":16,\"n_layer\":2,"
                           "\"n_head\":2,\"n_positions\":16}";

typedef struct course {
    b4c_trainer trainer;
    b4c_spec spec;
    json_t *config;
} course;

static const char *new_folder(void)
{
    static int n;
    const char *folder = temp_path("training%d", n++);
    assert_int_equal(mkdir(folder, 0777), 0);
    return folder;
}

static char *write_recipe(const char *folder, const char *config, const char *rest)
{
    char *path = malloc(512);
    snprintf(path, 512, "%s/vocab.txt", folder);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < VOCABULARY; i++) fprintf(f, "t%d\n", i);
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

static int begin(course *c, const char *recipe, const char *set, int threads, bool again,
                 b4c_error *err)
{
    b4c_recipe r;
    const char *note;
    *c = (course){ 0 };
    B4C_TRY(b4c_recipe_read(&r, recipe, &set, set != NULL, err));
    c->config = json_deep_copy(r.config);
    assert_ok(b4c_config_read(&c->spec, c->config, NULL, recipe, &note, err), err);
    const b4c_trainer_parts parts = { .spec = &c->spec, .config = c->config, .start = -1,
                                      .end = -1, .open_feed = open_feed, .correlate = correlate,
                                      .threads = threads, .resume = again };
    return b4c_trainer_begin(&c->trainer, &r, &parts, err);
}

static void done(course *c)
{
    b4c_trainer_done(&c->trainer);
    json_decref(c->config);
}

/* At most `steps` of it. */
static void go(course *c, int steps)
{
    b4c_error err = { 0 };
    b4c_train_report r;
    int rc = 1;
    for (int i = 0; i < steps && rc == 1; i++) {
        rc = b4c_trainer_run_step(&c->trainer, &r, &err);
        if (rc < 0) fail_msg("step %d: %s", i + 1, err.message);
    }
}

/* "folder/out/name" */
static char *content(const char *folder, const char *name, size_t *n)
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

static void same_file(const char *a, const char *b, const char *name)
{
    size_t n, m;
    char *x = content(a, name, &n), *y = content(b, name, &m);
    if (n != m || memcmp(x, y, n) != 0) fail_msg("%s: %s/out and %s/out differ", name, a, b);
    free(x);
    free(y);
}

/* The last number of this name in the log. */
static double last_in_log(const char *folder, const char *key)
{
    size_t n;
    char *log = content(folder, "log.jsonl", &n), *at = log, *last = NULL, quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    while ((at = strstr(at, quoted))) last = at++;
    assert_non_null(last);
    const double value = strtod(last + strlen(quoted), NULL);
    free(log);
    return value;
}

static double last_loss(const char *folder) { return last_in_log(folder, "loss"); }

static const char whole[] = "\"task\":{\"kind\":\"lm\",\"dropout\":0.1},\"steps\":7,"
                            "\"accumulate\":2,\"optimiser\":{\"rate\":0.01,\"ema\":0.5,\"clip\":1},"
                            "\"schedule\":{\"kind\":\"cosine\",\"warmup\":2},"
                            "\"evaluate\":{\"every\":2}";

static void run_whole(const char *folder, const char *config, const char *rest, int threads)
{
    course c;
    b4c_error err = { 0 };
    char *recipe = write_recipe(folder, config, rest);
    assert_ok(begin(&c, recipe, NULL, threads, false, &err), &err);
    go(&c, 1000);
    done(&c);
    free(recipe);
}

/* ---- laws ------------------------------------------------------------------------------------ */

/* Report R02: after resuming, losses jumped, since some of optimiser, data order and random numbers
 * had begun anew. */
static void a_training_resumed_at_any_step_is_the_one_never_stopped(void **state)
{
    (void)state;
    const char *const configs[2] = { gpt2, bert };
    for (int k = 0; k < 2; k++) {
        const char *never = new_folder();
        run_whole(never, configs[k], whole, 1);
        for (int stop = 1; stop < 7; stop++) {
            course c;
            b4c_error err = { 0 };
            const char *folder = new_folder();
            char *recipe = write_recipe(folder, configs[k], whole);
            assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
            go(&c, stop);
            assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
            if (stop % 2) go(&c, 1);             /* what came after the checkpoint is done again */
            done(&c);
            assert_ok(begin(&c, recipe, NULL, 2, true, &err), &err);
            assert_int_equal(c.trainer.standing.step, stop);
            go(&c, 1000);
            done(&c);
            same_file(never, folder, "log.jsonl");
            same_file(never, folder, "model.safetensors");
            free(recipe);
        }
    }
}

/* Report R05: what stands at no multiple of 64 bytes costs a tenth of a training's speed. */
static void gradients_and_states_begin_at_cache_lines(void **state)
{
    (void)state;
    course c;
    b4c_error err = { 0 };
    char *recipe = write_recipe(new_folder(), gpt2, whole);
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    const b4c_learner *l = &c.trainer.learner;
    int seen = 0;
    for (int i = 0; i < l->leaves.n; i++) {
        const b4c_leaf *f = &l->leaves.item[i];
        if (f->in_slot || !f->g) continue;
        assert_int_equal((uintptr_t)f->g % B4C_ALIGN, 0);
        assert_int_equal((uintptr_t)(l->optimiser.m + f->at) % B4C_ALIGN, 0);
        assert_int_equal((uintptr_t)(l->optimiser.v + f->at) % B4C_ALIGN, 0);
        seen++;
    }
    assert_true(seen > 10);
    done(&c);
    free(recipe);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    static const char *const tasks[] = { "\"lm\"", "\"mlm\"", "\"simbert\"", "\"cosent\"",
                                         "\"infonce\"", "\"lm\",\"rdrop\":4",
                                         "\"classify\",\"classes\":2,\"rdrop\":4" };
    for (size_t i = 0; i < COUNT(tasks); i++) {
        char rest[256];
        const char *one = new_folder(), *two = new_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,"
                 "\"optimiser\":{\"rate\":0.01}",
                 tasks[i]);
        run_whole(one, bert, rest, 1);
        run_whole(two, bert, rest, 2);
        same_file(one, two, "log.jsonl");
        same_file(one, two, "model.safetensors");
    }
}

static void layers_computed_again_change_no_bit(void **state)
{
    (void)state;
    static const char *const tasks[] = { "\"lm\"", "\"simbert\"", "\"classify\",\"classes\":2" };
    static const char *const types[] = { "f32", "bf16" };
    for (size_t i = 0; i < 2 * COUNT(tasks); i++) {
        char rest[256];
        const char *once = new_folder(), *again = new_folder();
        const int n = snprintf(rest, sizeof rest,
                               "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,"
                               "\"optimiser\":{\"rate\":0.01},\"dtype\":\"%s\"",
                               tasks[i / 2], types[i % 2]);
        run_whole(once, bert, rest, 1);
        snprintf(rest + n, sizeof rest - (size_t)n, ",\"recompute\":true");
        run_whole(again, bert, rest, 1);
        same_file(once, again, "log.jsonl");
        same_file(once, again, "model.safetensors");
    }
}

static void a_killed_training_goes_on_from_its_last_checkpoint(void **state)
{
    (void)state;
    const char *never = new_folder(), *folder = new_folder();
    char rest[512];
    b4c_error err = { 0 };
    const char *const many = "steps=80";
    snprintf(rest, sizeof rest, "%s,\"save\":1", whole);
    char *recipe = write_recipe(never, gpt2, rest);
    course c;
    assert_ok(begin(&c, recipe, many, 1, false, &err), &err);
    go(&c, 1000);
    done(&c);
    free(recipe);
    recipe = write_recipe(folder, gpt2, rest);
    b4c_rng rng;
    b4c_rng_init(&rng, 3, 0, 0);
    bool again = false;
    for (int run = 0; run < 20; run++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (begin(&c, recipe, many, 1, again, &err) == 0) go(&c, 1000);
            _exit(0);
        }
        usleep(2000 + b4c_rng_below(&rng, 12000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char path[512];
        snprintf(path, sizeof path, "%s/out/checkpoint/training.safetensors", folder);
        again = b4c_file_exists(path);
    }
    assert_ok(begin(&c, recipe, many, 1, again, &err), &err);
    go(&c, 1000);
    done(&c);
    same_file(never, folder, "log.jsonl");
    same_file(never, folder, "model.safetensors");
    free(recipe);
}

static void every_optimiser_learns_and_resumes(void **state)
{
    (void)state;
    static const struct { const char *kind; double rate; const char *state; } optimisers[] = {
        { "sgd", 0.1, "f32" },    { "adam", 0.02, "f32" },       { "adamw", 0.02, "f32" },
        { "lion", 0.005, "f32" }, { "adafactor", 0.05, "f32" },  { "sgd", 0.1, "bf16" },
        { "adam", 0.02, "bf16" }, { "adamw", 0.02, "bf16" },     { "lion", 0.005, "bf16" },
    };
    for (size_t i = 0; i < COUNT(optimisers); i++) {
        char rest[256];
        course c;
        b4c_error err = { 0 };
        const char *never = new_folder(), *folder = new_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":\"lm\",\"steps\":60,\"optimiser\":{\"kind\":\"%s\",\"rate\":%g%s}",
                 optimisers[i].kind, optimisers[i].rate,
                 strcmp(optimisers[i].state, "bf16") ? "" : ",\"state\":\"bf16\"");
        run_whole(never, gpt2, rest, 1);
        if (!(last_loss(never) < 1))             /* it begins at log 23 = 3.1 */
            fail_msg("%s: the loss ends at %g", optimisers[i].kind, last_loss(never));
        char *recipe = write_recipe(folder, gpt2, rest);
        assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
        go(&c, 31);
        assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
        done(&c);
        assert_ok(begin(&c, recipe, NULL, 1, true, &err), &err);
        go(&c, 1000);
        done(&c);
        same_file(never, folder, "log.jsonl");
        same_file(never, folder, "model.safetensors");
        free(recipe);
    }
}

/* Without clipping, weights move while the backward runs; a limit that is never reached makes them
 * wait. */
static void moving_weights_in_the_backward_changes_no_bit(void **state)
{
    (void)state;
    static const char *const rests[] = {
        "\"kind\":\"adamw\",\"rate\":0.02", "\"kind\":\"adafactor\",\"rate\":0.02",
        "\"kind\":\"lion\",\"rate\":0.01,\"state\":\"bf16\"",
        "\"kind\":\"sgd\",\"rate\":0.02,\"ema\":0.9",
    };
    static const char *const extra[] = {
        "", ",\"recompute\":true", ",\"freeze\":[\"embeddings\"]", ",\"dtype\":\"bf16\""
    };
    for (size_t i = 0; i < COUNT(rests); i++) {
        char rest[256];
        const char *at_once = new_folder(), *waiting = new_folder();
        for (int wait = 0; wait < 2; wait++) {
            snprintf(rest, sizeof rest,
                     "\"task\":{\"kind\":\"mlm\",\"dropout\":0.1},\"steps\":5,"
                     "\"optimiser\":{%s%s}%s",
                     rests[i], wait ? ",\"clip\":1e9" : "", extra[i]);
            run_whole(wait ? waiting : at_once, bert, rest, 1 + wait);
        }
        same_file(at_once, waiting, "log.jsonl");
        same_file(at_once, waiting, "model.safetensors");
    }
}

/* A gradient that is no number is found in the backward, when some weights have moved: what is left
 * must not become a checkpoint. */
static void a_step_that_failed_halfway_is_no_checkpoint(void **state)
{
    (void)state;
    const char *folder = new_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    char *recipe = write_recipe(folder, gpt2,
                                "\"task\":\"lm\",\"steps\":9,\"optimiser\":{\"rate\":0.01}");
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    go(&c, 1);
    assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
    /* A gain so large that the loss is finite and the squares of its gradients are not. */
    b4c_network *net = &c.trainer.learner.net;
    for (int i = 0; i < net->spec.width; i++) net->encoder.final_norm.gain.x[i] = 1e25f;
    for (int i = 0; i < net->spec.width; i++) net->encoder.final_norm.bias.x[i] = 0;
    assert_int_equal(b4c_trainer_run_step(&c.trainer, &r, &err), B4C_E_NUMBER);
    assert_fails(b4c_trainer_write_checkpoint(&c.trainer, &err), &err, B4C_E_ARG, "halfway");
    done(&c);
    assert_ok(begin(&c, recipe, NULL, 1, true, &err), &err);
    assert_int_equal(c.trainer.standing.step, 1);
    done(&c);
    free(recipe);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static const char albert[] =
    "{\"model_type\":\"albert\",\"vocab_size\":23,\"embedding_size\":8,\"hidden_size\":16,"
    "\"num_hidden_layers\":3,\"num_attention_heads\":2,\"intermediate_size\":24,"
    "\"max_position_embeddings\":16}";
static const char llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":23,\"hidden_size\":16,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"intermediate_size\":24,"
    "\"max_position_embeddings\":16}";
static const char t5[] =
    "{\"model_type\":\"t5\",\"vocab_size\":23,\"d_model\":16,\"d_kv\":8,\"d_ff\":24,"
    "\"num_layers\":2,\"num_decoder_layers\":2,\"num_heads\":2,"
    "\"relative_attention_num_buckets\":8,\"relative_attention_max_distance\":16}";

static size_t step_peak(const b4c_learner *l)
{
    return l->tape.arena.peak + l->tape.lives.arena.peak;
}

/* One step and one measuring of the largest batch; what they took. */
static void take_largest(course *c, size_t *step, size_t *plain)
{
    b4c_trainer *t = &c->trainer;
    b4c_error err = { 0 };
    b4c_batch b;
    b4c_step_result r;
    b4c_losses losses;
    const b4c_batch_shape s = { .examples = t->recipe.batch_examples, .length = 12, .target = 6,
                                .negatives = 7, .asked = 0.15 };
    b4c_batch_init(&b);
    b4c_largest_batch(&b, &t->learner.task, t->parts.spec, &s);
    assert_false(b.failed);
    assert_ok(b4c_learner_step(&t->learner, &b, 1, 1, 0.01, &r, &err), &err);
    assert_ok(b4c_learner_measure(&t->learner, &b, false, &losses, &err), &err);
    *step = step_peak(&t->learner);
    *plain = t->learner.plain.arena.peak;
    b4c_batch_done(&b);
}

static void a_step_takes_what_was_said_before_it(void **state)
{
    (void)state;
    static const struct { const char *config, *task; } cases[] = {
        { bert, "\"mlm\"" },      { bert, "\"simbert\"" }, { bert, "\"cosent\"" },
        { bert, "\"infonce\"" },  { bert, "\"lm\",\"rdrop\":4" },
        { bert, "\"classify\",\"classes\":3" },          { albert, "\"mlm\"" },
        { gpt2, "\"lm\"" },       { llama, "\"lm\"" },     { t5, "\"seq2seq\"" },
    };
    static const char *const ends[] = { "}", ",\"clip\":1}", ",\"clip\":1},\"dtype\":\"bf16\"",
                                        "},\"recompute\":true" };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t least = 0;
        for (size_t way = 0; way < COUNT(ends); way++) {
            char rest[512];
            course c;
            b4c_error err = { 0 };
            size_t step, plain;
            snprintf(rest, sizeof rest,
                     "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,\"max_length\":12,"
                     "\"max_target\":6,\"evaluate\":{\"every\":1,\"metric\":\"loss\"},"
                     "\"optimiser\":{\"rate\":0.01%s",
                     cases[i].task, ends[way]);
            char *recipe = write_recipe(new_folder(), cases[i].config, rest);
            assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
            const b4c_footprint said = c.trainer.footprint;
            take_largest(&c, &step, &plain);
            if (step > said.step || (double)step < 0.98 * (double)said.step ||
                plain > said.plain || (double)plain < 0.98 * (double)said.plain)
                fail_msg("%s, way %zu: a step took %zu and %zu bytes, said were %zu and %zu",
                         cases[i].task, way, step, plain, said.step, said.plain);
            if (way == 0) least = said.step;
            /* where vectors alone are asked, two tiny layers keep next to nothing anyway */
            const bool deep = strstr(cases[i].task, "lm") != NULL;
            if (way == 3 && (double)said.step >= (deep ? 1 : 1.01) * (double)least)
                fail_msg("%s: computing layers again takes %zu, keeping them %zu", cases[i].task,
                         said.step, least);
            done(&c);
            free(recipe);
        }
    }
}

static void too_little_memory_is_told_before_the_first_step(void **state)
{
    (void)state;
    course c;
    b4c_error err = { 0 };
    static const char big[] =
        "{\"model_type\":\"gpt2\",\"vocab_size\":23,\"n_embd\":64,\"n_layer\":8,\"n_head\":2,"
        "\"n_positions\":512}";
    char *recipe = write_recipe(new_folder(), big,
                                "\"task\":\"lm\",\"steps\":3,\"max_length\":512,"
                                "\"optimiser\":{\"rate\":0.01}");
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    const size_t all = b4c_footprint_sum(&c.trainer.footprint);
    done(&c);
    char set[64];
    snprintf(set, sizeof set, "memory=%zu", (all >> 20) - 24);
    assert_fails(begin(&c, recipe, set, 1, false, &err), &err, B4C_E_MEMORY, "\"recompute\"");
    assert_non_null(strstr(err.message, "\"batch\".\"examples\" to "));
    json_decref(c.config);
    assert_fails(begin(&c, recipe, "memory=1", 1, false, &err), &err, B4C_E_MEMORY, "\"lora\"");
    json_decref(c.config);
    snprintf(set, sizeof set, "memory=%zu", (all >> 20) + 256);
    assert_ok(begin(&c, recipe, set, 1, false, &err), &err);
    go(&c, 1);
    done(&c);
    free(recipe);
}

/* What R-Drop is for: the more two readings' distance costs, the smaller it is. */
static void readings_agree_the_more_the_more_it_counts(void **state)
{
    (void)state;
    static const double alpha[2] = { 0.01, 20 };
    double apart[2];
    for (int i = 0; i < 2; i++) {
        char rest[256];
        const char *folder = new_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":{\"kind\":\"lm\",\"dropout\":0.3,\"rdrop\":%g},\"steps\":60,"
                 "\"optimiser\":{\"rate\":0.01}",
                 alpha[i]);
        run_whole(folder, gpt2, rest, 1);
        apart[i] = last_in_log(folder, "apart") / alpha[i];
    }
    assert_true(apart[1] > 0 && apart[1] < apart[0] / 2);
}

/* ---- LoRA ------------------------------------------------------------------------------------ */

static int begin_from(course *c, b4c_store *store, const char *source, const char *recipe,
                      int threads, bool again, b4c_error *err)
{
    b4c_recipe r;
    const char *note;
    char path[512];
    *c = (course){ 0 };
    assert_ok(b4c_recipe_read(&r, recipe, NULL, 0, err), err);
    assert_ok(b4c_store_open(store, source, err), err);
    snprintf(path, sizeof path, "%s/config.json", source);
    c->config = b4c_json_file(path, err);
    assert_ok(b4c_config_read(&c->spec, c->config, store, path, &note, err), err);
    const b4c_trainer_parts parts = { .spec = &c->spec, .config = c->config, .start = -1,
                                      .end = -1, .open_feed = open_feed, .correlate = correlate,
                                      .threads = threads, .resume = again, .store = store,
                                      .source = source };
    return b4c_trainer_begin(&c->trainer, &r, &parts, err);
}

static char *lora_recipe(const char *folder, const char *source, const char *lora)
{
    char *path = malloc(512);
    snprintf(path, 512, "%s/recipe.json", folder);
    FILE *f = fopen(path, "w");
    fprintf(f,
            "{\"model\":{\"from\":\"%s\"},\"data\":{},\"batch\":{\"examples\":4},"
            "\"output\":\"%s/out\",\"task\":{\"kind\":\"classify\",\"classes\":2,\"dropout\":0.1},"
            "\"steps\":9,\"optimiser\":{\"rate\":0.01,\"ema\":0.5},\"lora\":%s}",
            source, folder, lora);
    fclose(f);
    return path;
}

/* A tensor of two models' files: is it the same to the bit? */
static bool same_tensor(const b4c_store *a, const b4c_store *b, const char *name)
{
    const int i = b4c_store_find(a, name), k = b4c_store_find(b, name);
    assert_true(i >= 0 && k >= 0);
    const int64_t rows = b4c_stored_rows(&a->tensor[i]), n = rows * b4c_stored_row(&a->tensor[i]);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    b4c_error err = { 0 };
    assert_ok(b4c_store_read(a, i, 0, rows, x, &err), &err);
    assert_ok(b4c_store_read(b, k, 0, rows, y, &err), &err);
    const bool same = memcmp(x, y, (size_t)n * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

/* Targets and what the source lacked have moved; nothing else has, not by a bit; and a training
 * that was stopped ends with the same files. */
static void lora_moves_its_targets_alone_and_resumes(void **state)
{
    (void)state;
    char source[512], path[512];
    const char *first = new_folder(), *never = new_folder(), *stopped = new_folder();
    course c;
    b4c_store store, before, after;
    b4c_error err = { 0 };
    run_whole(first, bert, "\"task\":\"mlm\",\"steps\":3,\"optimiser\":{\"rate\":0.01}", 1);
    snprintf(source, sizeof source, "%s/out", first);
    const char *lora = "{\"rank\":2,\"alpha\":8,\"targets\":[\"query\",\"output.dense.weight\"]}";
    char *recipe = lora_recipe(never, source, lora);
    assert_ok(begin_from(&c, &store, source, recipe, 1, false, &err), &err);
    assert_true(c.trainer.info.trained < c.trainer.info.parameters / 2);
    go(&c, 1000);
    done(&c);
    free(recipe);

    recipe = lora_recipe(stopped, source, lora);
    assert_ok(begin_from(&c, &store, source, recipe, 2, false, &err), &err);
    go(&c, 4);
    assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
    go(&c, 1);
    done(&c);
    assert_ok(begin_from(&c, &store, source, recipe, 1, true, &err), &err);
    go(&c, 1000);
    done(&c);
    free(recipe);
    same_file(never, stopped, "log.jsonl");
    same_file(never, stopped, "model.safetensors");

    snprintf(path, sizeof path, "%s/out", never);
    assert_ok(b4c_store_open(&before, source, &err), &err);
    assert_ok(b4c_store_open(&after, path, &err), &err);
    int moved = 0;
    for (int i = 0; i < before.n; i++) {
        const char *name = before.tensor[i].name;
        if (b4c_store_find(&after, name) < 0) continue;   /* the masked LM's head */
        const bool target = strstr(name, "query.weight") || strstr(name, "output.dense.weight");
        if (same_tensor(&before, &after, name) == target)
            fail_msg("%s has %s", name, target ? "not moved" : "moved");
        moved += target;
    }
    assert_int_equal(moved, 2 * 3);
    b4c_store_close(&before);
    b4c_store_close(&after);
}

/* ---- what is written ------------------------------------------------------------------------- */

static void the_written_model_computes_what_the_trained_one_did(void **state)
{
    (void)state;
    static const struct { const char *config, *task; } cases[] = {
        { bert, "\"mlm\"" }, { gpt2, "\"lm\"" }, { bert, "\"lm\"" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rest[200], path[512];
        course c;
        b4c_error err = { 0 };
        b4c_losses want, got;
        b4c_batch b;
        const char *folder = new_folder();
        snprintf(rest, sizeof rest, "\"task\":%s,\"steps\":3,\"optimiser\":{\"rate\":0.01}",
                 cases[i].task);
        char *recipe = write_recipe(folder, cases[i].config, rest);
        assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
        go(&c, 1000);
        b4c_batch_init(&b);
        assert_int_equal(c.trainer.feed->next(c.trainer.feed, &b, &err), 1);
        assert_ok(b4c_learner_measure(&c.trainer.learner, &b, false, &want, &err), &err);
        golden_model m;
        b4c_tape t;
        snprintf(path, sizeof path, "%s/out", folder);
        golden_model_open(&m, path, B4C_F32, true);
        assert_int_equal(json_array_size(json_object_get(m.report, "unexpected")), 0);
        assert_int_equal(
            b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, (size_t)64 << 20, false), 0);
        const b4c_task_call call = { .batch = &b, .token_share = 1, .vector_share = 1 };
        b4c_task_loss(&t, &m.net, &c.trainer.learner.task, &call, &got);
        assert_true(got.tokens == want.tokens && got.n_tokens == want.n_tokens);
        b4c_tape_done(&t);
        golden_model_close(&m);
        b4c_batch_done(&b);
        done(&c);
        free(recipe);
    }
}

static void the_best_model_by_the_metric_is_kept(void **state)
{
    (void)state;
    const char *folder = new_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    /* A rate that rises without end: the loss falls first, then flies away. */
    char *recipe = write_recipe(folder, gpt2,
                                "\"task\":\"lm\",\"steps\":60,\"optimiser\":{\"kind\":\"adam\","
                                "\"rate\":1},\"schedule\":{\"kind\":\"piecewise\",\"points\":"
                                "[[30,0.01],[60,1]]},\"evaluate\":{\"every\":5}");
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    double best = INFINITY, last = 0;
    int64_t at = 0;
    while (b4c_trainer_run_step(&c.trainer, &r, &err) == 1)
        if (r.evaluated) {
            assert_int_equal(r.best, r.measure < best);
            if (r.measure < best) best = r.measure, at = r.step;
            last = r.measure;
        }
    assert_true(last > 2 * best && at < 60);
    assert_true(c.trainer.standing.best == best && c.trainer.standing.best_step == at);
    done(&c);
    free(recipe);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void a_loss_that_is_no_number_stops_and_is_named(void **state)
{
    (void)state;
    const char *folder = new_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    size_t n;
    int rc;
    char *recipe = write_recipe(folder, gpt2,
                                "\"task\":\"lm\",\"steps\":50,\"optimiser\":{\"kind\":\"sgd\","
                                "\"rate\":1000}");
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    while ((rc = b4c_trainer_run_step(&c.trainer, &r, &err)) == 1) continue;
    assert_int_equal(rc, B4C_E_NUMBER);
    if (!strstr(err.message, "is no number") ||
        !(strstr(err.message, "transformer.") || strstr(err.message, "activation '")))
        fail_msg("%s", err.message);
    char *batch = content(folder, "bad_batch.json", &n);
    assert_non_null(strstr(batch, "\"ids\""));
    free(batch);
    done(&c);
    free(recipe);
}

static void an_output_with_a_checkpoint_is_not_overwritten(void **state)
{
    (void)state;
    const char *folder = new_folder();
    course c;
    b4c_error err = { 0 };
    run_whole(folder, gpt2, whole, 1);
    char *recipe = write_recipe(folder, gpt2, whole);
    assert_fails(begin(&c, recipe, NULL, 1, false, &err), &err, B4C_E_ARG, "resume it");
    json_decref(c.config);
    assert_fails(begin(&c, recipe, "seed=2", 1, true, &err), &err, B4C_E_ARG, "\"seed\"");
    json_decref(c.config);
    assert_ok(begin(&c, recipe, "steps=9", 1, true, &err), &err);
    go(&c, 1000);
    assert_int_equal(c.trainer.standing.step, 9);
    done(&c);
    free(recipe);
}

static void a_frozen_part_stays_and_the_rest_learns(void **state)
{
    (void)state;
    const char *folder = new_folder();
    course c;
    b4c_error err = { 0 };
    char *recipe = write_recipe(folder, bert,
                                "\"task\":\"mlm\",\"steps\":3,\"optimiser\":{\"rate\":0.01},"
                                "\"freeze\":[\"embeddings\",\"layer.0.\"]");
    assert_ok(begin(&c, recipe, NULL, 1, false, &err), &err);
    const b4c_leaves *l = &c.trainer.learner.leaves;
    float *before = malloc((size_t)l->n * sizeof *before);
    for (int i = 0; i < l->n; i++) before[i] = (float)l->item[i].x[0];
    go(&c, 3);
    int frozen = 0;
    for (int i = 0; i < l->n; i++) {
        const bool stays = strstr(l->item[i].name, "embeddings") ||
                           strstr(l->item[i].name, "layer.0.");
        frozen += stays;
        assert_int_equal(b4c_leaf_learns(&l->item[i]), !stays);
        assert_int_equal(before[i] == (float)l->item[i].x[0], stays);
    }
    assert_true(frozen > 15 && frozen < l->n - 15);
    done(&c);
    assert_fails(begin(&c, recipe, "freeze=[\"nonsense\"]", 1, false, &err), &err, B4C_E_ARG,
                 "part of no tensor's name");
    json_decref(c.config);
    free(before);
    free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_resumed_at_any_step_is_the_one_never_stopped),
        cmocka_unit_test(gradients_and_states_begin_at_cache_lines),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(layers_computed_again_change_no_bit),
        cmocka_unit_test(moving_weights_in_the_backward_changes_no_bit),
        cmocka_unit_test(a_step_that_failed_halfway_is_no_checkpoint),
        cmocka_unit_test(a_step_takes_what_was_said_before_it),
        cmocka_unit_test(too_little_memory_is_told_before_the_first_step),
        cmocka_unit_test(a_killed_training_goes_on_from_its_last_checkpoint),
        cmocka_unit_test(every_optimiser_learns_and_resumes),
        cmocka_unit_test(readings_agree_the_more_the_more_it_counts),
        cmocka_unit_test(lora_moves_its_targets_alone_and_resumes),
        cmocka_unit_test(the_written_model_computes_what_the_trained_one_did),
        cmocka_unit_test(the_best_model_by_the_metric_is_kept),
        cmocka_unit_test(a_loss_that_is_no_number_stops_and_is_named),
        cmocka_unit_test(an_output_with_a_checkpoint_is_not_overwritten),
        cmocka_unit_test(a_frozen_part_stays_and_the_rest_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
