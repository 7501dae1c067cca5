/* test_ranks.c - one training on several ranks, as mpirun starts it on one machine: the numbers of
 * one rank with as many batches a step, a rank that is lost, one that was started otherwise.
 *
 * Skipped, and said so, where there is no mpirun or the command's part for it was not built.
 */
#include "cli/command.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

static char own[4096];       /* the command under test */

/* What Open MPI wants to be told to run as root and on fewer cores than ranks. */
static int prepare(void **state)
{
    static const char *const settings[][2] = {
        { "OMPI_ALLOW_RUN_AS_ROOT", "1" },      { "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1" },
        { "OMPI_MCA_rmaps_base_oversubscribe", "1" }, { "OMPI_MCA_btl", "^tcp" },
        { "OMPI_MCA_mpi_yield_when_idle", "1" },
        { "PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe" },
    };
    (void)state;
    snprintf(own, sizeof own, "%s", bert4c_path());
    for (size_t i = 0; i < COUNT(settings); i++) setenv(settings[i][0], settings[i][1], 1);
    return 0;
}

static bool has_mpi(void)
{
    char library[4200];
    snprintf(library, sizeof library, "%s-mpi.so", own);
    return exists(library) && system("mpirun --version > /dev/null 2>&1") == 0;
}

/* Until the next call of this with false, the program that runs is mpirun's starter. */
static void by_mpirun(bool on) { setenv("BERT4C", on ? "/usr/bin/env" : own, 1); }

static const char *recipe(const char *name, int steps)
{
    char text[2000], file[64];
    temp_text("v/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n一\n二\n三\n四\n五\n六\n七\n八\n"
                             "九\n十\n");
    const char *data = temp_text("count.txt", "一二三四五六\n二三四五六七\n三四五六七八\n"
                                              "四五六七八九\n五六七八九十\n一二三四五\n");
    snprintf(text, sizeof text,
             "{\"model\":{\"config\":{\"model_type\":\"gpt2\",\"vocab_size\":15,\"n_embd\":192,"
             "\"n_layer\":4,\"n_head\":4,\"n_positions\":16},\"tokenizer\":\"%s\"},\"task\":{"
             "\"kind\":\"lm\",\"dropout\":0.1},\"data\":{\"files\":[\"%s\"]},\"batch\":{\"tokens\":"
             "24},\"optimiser\":{\"rate\":0.003,\"eps\":0.0001,\"clip\":1},\"steps\":%d,\"save\":5,"
             "\"evaluate\":{\"every\":7,\"data\":{\"files\":[\"%s\"]}},\"output\":\"%s\"}",
             temp_path("v/vocab.txt"), data, steps, data, temp_path("%s", name));
    snprintf(file, sizeof file, "%s.json", name);
    return temp_text(file, text);
}

static run two_ranks(const char *path, const char *set)
{
    by_mpirun(true);
    const run r = bert4c(NULL, "mpirun", "-np", "2", own, "train", path, "--set", set, NULL);
    by_mpirun(false);
    return r;
}

/* All numbers of a kind in a log, in order. */
static int numbers(const char *name, const char *key, double *out, int room)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "%s/log.jsonl", name);
    char *log = read_file(temp_path("%s", path), NULL);
    for (const char *at = log; n < room && (at = strstr(at, key)); n++)
        out[n] = strtod(at += strlen(key), NULL);
    free(log);
    return n;
}

/* Sums round in another order, so curves part slowly (the recipe's eps keeps AdamW from making full
 * steps of gradients that are nothing but rounding): the first losses differ by float's own error.
 */
static void same_curve(const char *a, const char *b)
{
    double x[100], y[100];
    const int n = numbers(a, "\"loss\":", x, 100), m = numbers(b, "\"loss\":", y, 100);
    assert_true(n > 20);
    assert_int_equal(n, m);
    for (int i = 0; i < n; i++)
        if (!(fabs(x[i] - y[i]) <= (i < 2 ? 1e-6 : 1e-3) * fabs(x[i])))
            fail_msg("loss %d: %.9g and %.9g", i + 1, x[i], y[i]);
    assert_true(x[n - 1] < x[0] / 2);
}

static void same_file(const char *a, const char *b)
{
    size_t n, m;
    char *x = read_file(temp_path("%s", a), &n), *y = read_file(temp_path("%s", b), &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static void two_ranks_learn_as_one_with_twice_the_batches(void **state)
{
    (void)state;
    if (!has_mpi()) skip();
    assert_code(bert4c(NULL, "train", recipe("one", 25), "--set", "accumulate=2", NULL), 0);
    const run r = two_ranks(recipe("two", 25), "seed=1");
    assert_code(r, 0);
    assert_says(r, "2 ranks: a step has 2 times the batches");
    same_curve("one", "two");
    /* the same bits every time */
    assert_code(two_ranks(recipe("again", 25), "seed=1"), 0);
    same_file("two/log.jsonl", "again/log.jsonl");
    same_file("two/model.safetensors", "again/model.safetensors");
    /* what two began one may end, with as many batches a step */
    const char *path = recipe("two", 30);
    assert_refused(bert4c(NULL, "train", path, "--set", "seed=1", "--resume", NULL), 1,
                   "a step was of 2 batches");
    assert_code(bert4c(NULL, "train", path, "--set", "seed=1", "--set", "accumulate=2", "--resume",
                       NULL), 0);
}

/* A process whose command line has this word, other than mpirun. */
static pid_t process_with(const char *word)
{
    char command[300];
    snprintf(command, sizeof command, "pgrep -f '^%.200s .*%.60s' | tail -1", own, word);
    FILE *f = popen(command, "r");
    long pid = 0;
    if (!f || fscanf(f, "%ld", &pid) != 1) pid = 0;
    if (f) pclose(f);
    return (pid_t)pid;
}

static void a_lost_rank_ends_all_and_the_checkpoint_goes_on(void **state)
{
    (void)state;
    if (!has_mpi()) skip();
    const char *path = recipe("lost", 100000);
    by_mpirun(true);
    running t = bert4c_start((const char *const[]){ "mpirun", "-np", "2", own, "train", path,
                                                    NULL });
    by_mpirun(false);
    for (int i = 0; i < 2000 && !exists(temp_path("lost/checkpoint/training.safetensors")); i++)
        usleep(10000);
    const pid_t rank = process_with("lost.json");
    assert_true(rank > 0);
    kill(rank, SIGKILL);
    const run r = bert4c_wait(&t);
    assert_true(r.code != 0);
    assert_says(r, "exited on signal 9");
    const run on = bert4c(NULL, "train", path, "--set", "accumulate=2", "--set", "steps=1",
                          "--resume", NULL);
    assert_code(on, 0);
    assert_says(on, "resumed behind step");
}

static void ranks_with_different_recipes_are_told_apart(void **state)
{
    (void)state;
    if (!has_mpi()) skip();
    const char *path = recipe("apart", 5);
    by_mpirun(true);
    const run r = bert4c(NULL, "mpirun", "-np", "1", own, "train", path, ":", "-np", "1", own,
                         "train", path, "--set", "seed=4", NULL);
    by_mpirun(false);
    assert_true(r.code != 0);
    assert_says(r, "rank 1: its recipe is not rank 0's");
    assert_false(exists(temp_path("apart/log.jsonl")));
}

static void without_its_library_many_ranks_are_an_error(void **state)
{
    (void)state;
    char copy[600], command[9000];
    snprintf(copy, sizeof copy, "%s", temp_path("alone"));
    snprintf(command, sizeof command, "mkdir -p '%s' && cp '%s' '%s/bert4c'", copy, own, copy);
    assert_int_equal(system(command), 0);
    strcat(copy, "/bert4c");
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    setenv("BERT4C", copy, 1);
    assert_refused(bert4c(NULL, "train", recipe("alone-out", 5), NULL), 1, "make mpi");
    unsetenv("OMPI_COMM_WORLD_SIZE");
    setenv("BERT4C", own, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ranks_learn_as_one_with_twice_the_batches),
        cmocka_unit_test(a_lost_rank_ends_all_and_the_checkpoint_goes_on),
        cmocka_unit_test(ranks_with_different_recipes_are_told_apart),
        cmocka_unit_test(without_its_library_many_ranks_are_an_error),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
