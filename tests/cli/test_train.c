/* test_train.c - train as a person types it: from a text file to a model that the other commands
 * open; stopped and resumed; what is wrong in one line.
 */
#include "cli/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *vocabulary(void)
{
    return temp_text("v/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n一\n二\n三\n四\n五\n六\n"
                                    "七\n八\n九\n十\n");
}

/* Lines that count up: what follows is certain. */
static const char *counting(void)
{
    return temp_text("count.txt", "一二三四五六\n二三四五六七\n三四五六七八\n四五六七八九\n"
                                  "五六七八九十\n一二三四五\n二三四五六\n六七八九十\n");
}

static const char *recipe(const char *name, const char *rest)
{
    char text[2000];
    snprintf(text, sizeof text,
             "{\"model\":{\"config\":{\"model_type\":\"gpt2\",\"vocab_size\":15,\"n_embd\":32,"
             "\"n_layer\":2,\"n_head\":2,\"n_positions\":16},\"tokenizer\":\"%s\",\"deviation\":0.1"
             "},\"task\":\"lm\",\"data\":{\"files\":[\"%s\"]},\"batch\":{\"tokens\":64},"
             "\"optimiser\":{\"rate\":0.01},%s,\"output\":\"%s\"}",
             vocabulary(), counting(), rest, temp_path("%s", name));
    char file[64];
    snprintf(file, sizeof file, "%s.json", name);
    return temp_text(file, text);
}

/* Reports R03, R04: what was trained opens by the same command as any model; how many threads and
 * which instructions a training uses is said at its start. */
static void a_model_learns_to_count_and_complete_goes_on(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "train", recipe("counter", "\"steps\":80"), NULL);
    assert_code(r, 0);
    assert_says(r, " thread");
    char isa[40];
    snprintf(isa, sizeof isa, "(%s)", b4c_isa_name());
    assert_says(r, isa);
    assert_says(r, "step 80 of 80");
    assert_says(r, "the model is complete");
    const run c = bert4c(NULL, "complete", "-m", temp_path("counter"), "--quiet",
                         "--max-new-tokens", "3", "三四五", NULL);
    assert_code(c, 0);
    assert_string_equal(c.out, "六七八\n");
    const run s = bert4c(NULL, "score", "-m", temp_path("counter"), "--quiet", "三四五六", NULL);
    assert_code(s, 0);
    assert_true(exists(temp_path("counter/log.jsonl")));
    assert_true(exists(temp_path("counter/recipe.json")));
    char *curve = read_file(temp_path("counter/curve.svg"), NULL);
    assert_true(strstr(curve, "<svg") && strstr(curve, "loss"));
    free(curve);
}

static void one_that_was_stopped_goes_on_to_the_same_numbers(void **state)
{
    (void)state;
    const char *rest = "\"steps\":3000,\"save\":10000";
    const char *path = recipe("stopped", rest);
    running t = bert4c_start((const char *const[]){ "train", path, NULL });
    for (int i = 0; i < 500 && !exists(temp_path("stopped/log.jsonl")); i++) usleep(10000);
    usleep(200000);
    kill(t.pid, SIGTERM);
    const run r = bert4c_wait(&t);
    assert_code(r, 143);
    assert_says(r, "--resume");
    assert_true(exists(temp_path("stopped/checkpoint/training.safetensors")));
    assert_code(bert4c(NULL, "train", path, "--resume", "--threads", "1", NULL), 0);
    assert_code(bert4c(NULL, "train", recipe("whole", rest), NULL), 0);
    size_t n, m;
    char *a = read_file(temp_path("stopped/log.jsonl"), &n),
         *b = read_file(temp_path("whole/log.jsonl"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

static void set_changes_the_recipe_and_m_the_model(void **state)
{
    (void)state;
    const char *model = tiny_model();
    if (!model) skip();
    char text[1000];
    snprintf(text, sizeof text,
             "{\"model\":{\"from\":\"nowhere\"},\"task\":{\"kind\":\"cosent\",\"pooling\":\"mean\"}"
             ",\"data\":{\"files\":[\"%s\"]},\"batch\":{\"examples\":2},\"steps\":9,\"optimiser\":{"
             "\"rate\":0.001},\"output\":\"%s\"}",
             temp_text("pairs.tsv", "天气\t天气很好\t1\n天气\t北京\t0\n我\t我们\t0.5\n"),
             temp_path("vectors"));
    const run r = bert4c(NULL, "train", temp_text("vectors.json", text), "-m", model, "--set",
                         "steps=2", NULL);
    assert_code(r, 0);
    assert_says(r, "step 2 of 2");
    assert_code(bert4c(NULL, "similar", "-m", temp_path("vectors"), "天气", "天气很好", NULL), 0);
}

static void what_is_wrong_is_said_in_a_line(void **state)
{
    (void)state;
    const char *path = recipe("wrong", "\"steps\":2");
    assert_refused(bert4c(NULL, "train", NULL), 2, "wanted one RECIPE.json");
    assert_refused(bert4c(NULL, "train", temp_path("none.json"), NULL), 1, "none.json");
    assert_refused(bert4c(NULL, "train", path, "--set", "stepz=3", NULL), 1, "did you mean steps");
    assert_refused(bert4c(NULL, "train", path, "--set", "data.files=[\"none.txt\"]", NULL), 1,
                   "none.txt");
    assert_refused(bert4c(NULL, "train", path, "--set", "model.config.vocab_size=9", NULL), 1,
                   "the tokenizer has 15 tokens");
    assert_refused(bert4c(NULL, "train", path, "--set", "task=mlm", NULL), 1, "the past only");
    assert_refused(bert4c(NULL, "train", path, "--resume", NULL), 1, "no checkpoint");
    assert_refused(bert4c(NULL, "train", path, "--set", "max_length=99", NULL), 1, "16 positions");
    assert_code(bert4c(NULL, "train", path, "--set", "output=/proc/none", NULL), 1);
    const run r = bert4c(NULL, "train", path, "--set", "memory=1", "--set",
                         "model.config.n_embd=256", NULL);
    assert_code(r, 1);
    assert_says(r, "\"memory\" is 1 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_learns_to_count_and_complete_goes_on),
        cmocka_unit_test(one_that_was_stopped_goes_on_to_the_same_numbers),
        cmocka_unit_test(set_changes_the_recipe_and_m_the_model),
        cmocka_unit_test(what_is_wrong_is_said_in_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
