/* test_train.c - train as a person types it: from a text file to a model that the other commands
 * open; stopped and resumed; what is wrong in one line.
 */
#include "cli/command.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

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
             number_vocabulary(), counting(), rest, temp_path("%s", name));
    char file[64];
    snprintf(file, sizeof file, "%s.json", name);
    return temp_text(file, text);
}

/* Reports R03, R04: what was trained opens by the same command as any model; how many threads and
 * which instructions a training uses is said at its start. */
static void a_model_learns_to_count_and_complete_goes_on(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "train", recipe("counter", "\"steps\":80"), "--threads",
                         "2", NULL);
    assert_code(r, 0);
    assert_says(r, " on 2 threads (--threads");
    char isa[40];
    snprintf(isa, sizeof isa, "), %s kernels\n", b4c_isa_name());
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

/* Pairs whose target is certain: the source, counted on by one. */
static const char *following(void)
{
    return temp_text("follow.tsv", "一二\t二三\n二三\t三四\n三四\t四五\n四五\t五六\n五六\t六七\n"
                                   "六七\t七八\n七八\t八九\n八九\t九十\n");
}

/* A small model with this task, held-out data that are the training's, and `rest`. */
static const char *writer(const char *name, const char *config, const char *task, const char *rest)
{
    char text[2000], file[64];
    snprintf(text, sizeof text,
             "{\"model\":{\"config\":{%s},\"tokenizer\":\"%s\",\"deviation\":0.1},"
             "\"task\":\"%s\",\"data\":{\"files\":[\"%s\"]},\"batch\":{\"examples\":8},"
             "\"max_length\":12,\"max_target\":6,\"steps\":120,\"optimiser\":{\"rate\":0.005},"
             "\"output\":\"%s\",%s}",
             config, number_vocabulary(), task, following(), temp_path("%s", name), rest);
    snprintf(file, sizeof file, "%s.json", name);
    return temp_text(file, text);
}

static const char bert[] = "\"model_type\":\"bert\",\"vocab_size\":15,\"hidden_size\":32,"
                           "\"num_hidden_layers\":2,\"num_attention_heads\":2,"
                           "\"intermediate_size\":64,\"max_position_embeddings\":16";
static const char gpt2[] = "\"model_type\":\"gpt2\",\"vocab_size\":15,\"n_embd\":32,"
                           "\"n_layer\":2,\"n_head\":2,\"n_positions\":16";
static const char t5[] = "\"model_type\":\"mt5\",\"vocab_size\":15,\"d_model\":32,\"d_kv\":16,"
                         "\"d_ff\":64,\"num_layers\":2,\"num_decoder_layers\":2,\"num_heads\":2,"
                         "\"feed_forward_proj\":\"gated-gelu\",\"tie_word_embeddings\":false";

/* The last value of a key in a log, or -1. */
static double last_value(const char *log, const char *key)
{
    char quoted[32];
    double value = -1;
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    for (const char *at = log; (at = strstr(at, quoted)); at++)
        value = strtod(at + strlen(quoted), NULL);
    return value;
}

static void what_is_written_for_sources_is_measured_and_shown(void **state)
{
    (void)state;
    static const struct { const char *name, *config; } models[] = { { "prefix", bert },
                                                                    { "stacks", t5 } };
    for (size_t i = 0; i < COUNT(models); i++) {
        char rest[600];
        snprintf(rest, sizeof rest,
                 "\"evaluate\":{\"every\":60,\"metric\":\"rougeL\",\"beams\":2,"
                 "\"data\":{\"files\":[\"%s\"]}},"
                 "\"samples\":{\"every\":60,\"texts\":[\"三四\",\"五六\"]}",
                 following());
        const run r =
            bert4c(NULL, "train", writer(models[i].name, models[i].config, "seq2seq", rest), NULL);
        assert_code(r, 0);
        assert_says(r, "held-out rougeL");
        assert_says(r, "step 120: 三四 -> 四五");
        assert_says(r, "step 120: 五六 -> 六七");
        char *log = read_file(temp_path("%s/log.jsonl", models[i].name), NULL);
        assert_non_null(strstr(log, "{\"step\":120,\"sample\":\"三四\",\"wrote\":\"四五\"}"));
        /* all eight are known by heart, and a text measured against itself is 1 */
        assert_true(last_value(log, "rougeL") == 1 && last_value(log, "rouge1") == 1 &&
                    last_value(log, "bleu") > 0.1);
        free(log);
    }
}

/* Perplexity of all pairs as `score` finds it in a trained model. */
static double scored(const char *name)
{
    double x = -1;
    const run r = bert4c(NULL, "score", "-m", temp_path("%s", name), "--dtype", "f32", "--pair",
                         "-f", following(), NULL);
    assert_code(r, 0);
    const char *said = strstr(r.err, "tokens: ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "tokens: %lf", &x), 1);
    return x;
}

/* Train a model on the pairs, or on their texts alone; its perplexity, as the training has it. */
static double trained(const char *name, const char *model, const char *task)
{
    char text[2000];
    snprintf(text, sizeof text,
             "{\"model\":{%s},\"task\":%s,\"data\":{\"files\":[\"%s\"]},\"steps\":40,"
             "\"batch\":{\"examples\":8},\"max_length\":12,\"max_target\":6,"
             "\"optimiser\":{\"rate\":0.005},\"evaluate\":{\"every\":40,\"metric\":\"perplexity\","
             "\"data\":{\"files\":[\"%s\"]}},\"output\":\"%s\"}",
             model, task, following(), following(), temp_path("%s", name));
    assert_code(bert4c(NULL, "train", temp_text("trained.json", text), NULL), 0);
    char *log = read_file(temp_path("%s/log.jsonl", name), NULL);
    const double x = last_value(log, "perplexity");
    free(log);
    return x;
}

static const char *fresh(const char *config)
{
    static char model[600];
    snprintf(model, sizeof model, "\"config\":{%s},\"tokenizer\":\"%s\",\"deviation\":0.1", config,
             number_vocabulary());
    return model;
}

static const char *from(const char *name)
{
    static char model[600];
    snprintf(model, sizeof model, "\"from\":\"%s\"", temp_path("%s", name));
    return model;
}

#define assert_agree(a, b) assert_true(fabs((a) - (b)) < 2e-4)    /* score prints 4 digits */

/* What training measures over pairs is what `score` finds in the model that it wrote: both read the
 * same tokens, the one that closes a source among them, in the same segments under one mask. */
static void a_source_is_read_as_it_was_in_training(void **state)
{
    (void)state;
    static const char mixed[] = "{\"kind\":\"seq2seq\",\"mask\":\"causal\"}";
    assert_agree(trained("decoder", fresh(gpt2), "\"seq2seq\""), scored("decoder"));
    assert_agree(trained("unilm", fresh(bert), "\"seq2seq\""), scored("unilm"));
    assert_agree(trained("past", fresh(bert), mixed), scored("past"));
    assert_agree(trained("two", fresh(t5), "\"seq2seq\""), scored("two"));
}

/* ... also where the model was something else before: a language model, whose text goes on. */
static void a_model_is_read_as_it_was_trained_last(void **state)
{
    (void)state;
    static const char lm[] = "{\"kind\":\"lm\"}";
    trained("goes-on", fresh(bert), lm);
    assert_agree(trained("answers", from("goes-on"), "\"seq2seq\""), scored("answers"));
    trained("closed", fresh(gpt2), "\"seq2seq\"");
    trained("open", from("closed"), lm);
    const run r = bert4c(NULL, "complete", "-m", temp_path("open"), "三四", "五六", NULL);
    assert_code(r, 0);
    assert_says(r, "2 texts, 6 tokens read");   /* [CLS] and two characters each */
}

/* REPORTS G11: SimBERT, trained on 32 tokens, was asked for 128 and 200; its texts were as short or
 * less whole. What was trained says its length, and a command that is asked for more says so. */
static void beyond_the_length_of_its_training_a_model_warns(void **state)
{
    (void)state;
    char text[2000], said[100];
    static const struct {
        const char *name, *task;
        int most;
    } models[] = { { "learnt", "simbert", 32 }, { "goes-far", "lm", 64 }, { "short", "seq2seq", 6 },
                   { "no-text", "mlm", 0 } };
    for (size_t i = 0; i < COUNT(models); i++) {
        snprintf(text, sizeof text,
                 "{\"model\":{\"config\":{%.*s\"max_position_embeddings\":256},"
                 "\"tokenizer\":\"%s\"},"
                 "\"task\":\"%s\",\"data\":{\"files\":[\"%s\"]},\"batch\":{\"examples\":8},"
                 "\"max_length\":64,\"max_target\":6,\"steps\":1,\"optimiser\":{\"rate\":0.005},"
                 "\"output\":\"%s\"}",
                 (int)(strstr(bert, "\"max_position") - bert), bert, number_vocabulary(),
                 models[i].task, following(), temp_path("%s", models[i].name));
        assert_code(bert4c(NULL, "train", temp_text("lengths.json", text), NULL), 0);
        const char *model = temp_path("%s", models[i].name);
        const run shown = bert4c(NULL, "inspect", "-m", model, NULL);
        const run usual = bert4c(NULL, "complete", "-m", model, "三四", NULL);
        const run more = bert4c(NULL, "complete", "-m", model, "--max-new-tokens", "200", "三四",
                                NULL);
        assert_code(usual, 0);
        assert_code(more, 0);
        assert_null(strstr(usual.err, "learnt to write"));
        snprintf(said, sizeof said, "at most %d tokens", models[i].most);
        if (!models[i].most) {
            assert_null(strstr(more.err, "learnt to write"));
            continue;
        }
        assert_non_null(strstr(shown.out, said));
        assert_says(more, said);
        assert_says(more, "--max-new-tokens 200 makes");
    }
    const run r = bert4c(NULL, "paraphrase", "-m", temp_path("learnt"), "--pooling", "cls", "--n",
                         "2", "--max-new-tokens", "128", "三四", NULL);
    assert_code(r, 0);
    assert_says(r, "learnt to write texts of at most 32 tokens; --max-new-tokens 128");
}

/* The other half of G11: a text longer than any of the training. Positions without a table have no
 * limit of their own that would cut it. */
static void a_text_longer_than_those_of_the_training_is_told(void **state)
{
    (void)state;
    static const struct { const char *name, *config; } models[] = { { "heard", bert },
                                                                    { "told", t5 } };
    static const char line[] = "一二三四五六七八九十一二三四\n一二\n"; /* 14 tokens, or 16 */
    for (size_t i = 0; i < COUNT(models); i++) {
        const char *path = writer(models[i].name, models[i].config, "seq2seq", "\"save\":0");
        assert_code(bert4c(NULL, "train", path, "--set", "steps=1", NULL), 0);
        const char *model = temp_path("%s", models[i].name);
        const run r = bert4c(line, "complete", "-m", model, "--max-length", "15",
                             "--max-new-tokens", "1", NULL);
        assert_code(r, 0);
        assert_says(r, "1 text with more than the 12 tokens that the model was trained to read");
        const run cut = bert4c(line, "complete", "-m", model, "--max-length", "12",
                               "--max-new-tokens", "1", NULL);
        assert_code(cut, 0);
        assert_null(strstr(cut.err, "trained to read"));
    }
}

/* A group's texts stand for one another, both ways; what SimBERT shows at its last step is what its
 * folder writes. */
static void simbert_says_the_samples_otherwise(void **state)
{
    (void)state;
    char set[300];
    const char *path = writer("otherwise", bert, "simbert",
                              "\"samples\":{\"every\":75,\"texts\":[\"一二\",\"七八\"],"
                              "\"max_new_tokens\":5}");
    snprintf(set, sizeof set, "data.files=[\"%s\"]",
             temp_text("groups.tsv", "一二\t五六\n三四\t七八\n九\t十\n"));
    const run r = bert4c(NULL, "train", path, "--set", set, "--set", "steps=150", NULL);
    assert_code(r, 0);
    assert_says(r, "step 150: 一二 -> 五六");
    assert_says(r, "step 150: 七八 -> 三四");
    char *log = read_file(temp_path("otherwise/log.jsonl"), NULL);
    assert_non_null(strstr(log, "{\"step\":75,\"sample\":\"一二\",\"wrote\":\""));
    assert_non_null(strstr(log, "{\"step\":150,\"sample\":\"一二\",\"wrote\":\"五六\"}"));
    free(log);
    const run c = bert4c(NULL, "complete", "-m", temp_path("otherwise"), "--quiet",
                         "--max-new-tokens", "5", "一二", "七八", NULL);
    assert_code(c, 0);
    assert_string_equal(c.out, "五六\n三四\n");
    assert_refused(bert4c(NULL, "train", path, "--set", set, "--set", "task=cosent", NULL), 1,
                   "task 'cosent' writes nothing");
}

static void samples_do_not_change_a_training_and_are_the_same_when_resumed(void **state)
{
    (void)state;
    static const char rest[] = "\"steps\":40,\"save\":10,\"samples\":{\"every\":5,\"texts\":"
                               "[\"三四五\"],\"count\":2,\"max_new_tokens\":4}";
    assert_code(bert4c(NULL, "train", recipe("shown", rest), NULL), 0);
    const char *path = recipe("again", rest);
    assert_code(bert4c(NULL, "train", path, "--set", "steps=17", NULL), 0);
    assert_code(bert4c(NULL, "train", path, "--resume", "--threads", "1", NULL), 0);
    assert_code(bert4c(NULL, "train", recipe("silent", "\"steps\":40,\"save\":10"), NULL), 0);
    char *a = read_file(temp_path("shown/log.jsonl"), NULL),
         *b = read_file(temp_path("again/log.jsonl"), NULL);
    assert_non_null(strstr(a, "\"sample\":\"三四五\""));
    /* that of step 17, the end of a first training, comes besides */
    char *line = strstr(b, "{\"step\":17,\"sample\"");
    assert_non_null(line);
    char *end = strchr(strchr(line, '\n') + 1, '\n') + 1;
    memmove(line, end, strlen(end) + 1);
    assert_string_equal(a, b);
    free(a);
    free(b);
    size_t n, m;
    char *x = read_file(temp_path("shown/model.safetensors"), &n),
         *y = read_file(temp_path("silent/model.safetensors"), &m);
    assert_true(n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

static void masks_are_filled_and_tokens_that_are_right_counted(void **state)
{
    (void)state;
    char rest[600];
    snprintf(rest, sizeof rest,
             "\"evaluate\":{\"every\":120,\"metric\":\"accuracy\",\"data\":{\"files\":[\"%s\"]"
             "}},\"samples\":{\"every\":120,\"texts\":[\"三[MASK]五六\"]}",
             counting());
    const char *path = writer("masks", bert, "mlm", rest);
    char set[300];
    snprintf(set, sizeof set, "data.files=[\"%s\"]", counting());
    const run r = bert4c(NULL, "train", path, "--set", set, "--set", "steps=300", NULL);
    assert_code(r, 0);
    assert_says(r, "三[MASK]五六 -> 三[四]五六");
    char *log = read_file(temp_path("masks/log.jsonl"), NULL);
    const double right = last_value(log, "accuracy");
    assert_true(right > 0.5 && right <= 1);
    free(log);
}

static void perplexity_is_e_to_the_loss_and_the_smallest_is_kept(void **state)
{
    (void)state;
    char loss[600], perplexity[600];
    static const char form[] = "\"steps\":20,\"evaluate\":{\"every\":10,\"metric\":\"%s\",\"data\":"
                               "{\"files\":[\"%s\"]}}";
    snprintf(loss, sizeof loss, form, "loss", counting());
    snprintf(perplexity, sizeof perplexity, form, "perplexity", counting());
    assert_code(bert4c(NULL, "train", recipe("nats", loss), NULL), 0);
    const run r = bert4c(NULL, "train", recipe("choices", perplexity), NULL);
    assert_code(r, 0);
    assert_says(r, "the best so far");
    char *a = read_file(temp_path("nats/log.jsonl"), NULL),
         *b = read_file(temp_path("choices/log.jsonl"), NULL);
    /* the last line of either log is the evaluation behind step 20 */
    const double nats = last_value(a, "loss"), choices = last_value(b, "perplexity");
    assert_true(choices > 1 && fabs(exp(nats) - choices) < 1e-6 * choices);
    free(a);
    free(b);
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
    assert_refused(bert4c(NULL, "train", path, "--set",
                          "evaluate={\"every\":1,\"metric\":\"rouge1\"}", NULL),
                   1, "no source");
    assert_refused(bert4c(NULL, "train", path, "--set", "samples={\"every\":1}", NULL), 1,
                   "no \"texts\"");
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
        cmocka_unit_test(what_is_written_for_sources_is_measured_and_shown),
        cmocka_unit_test(a_source_is_read_as_it_was_in_training),
        cmocka_unit_test(a_model_is_read_as_it_was_trained_last),
        cmocka_unit_test(beyond_the_length_of_its_training_a_model_warns),
        cmocka_unit_test(a_text_longer_than_those_of_the_training_is_told),
        cmocka_unit_test(simbert_says_the_samples_otherwise),
        cmocka_unit_test(samples_do_not_change_a_training_and_are_the_same_when_resumed),
        cmocka_unit_test(masks_are_filled_and_tokens_that_are_right_counted),
        cmocka_unit_test(perplexity_is_e_to_the_loss_and_the_smallest_is_kept),
        cmocka_unit_test(what_is_wrong_is_said_in_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
