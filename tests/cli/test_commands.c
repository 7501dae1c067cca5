/* test_commands.c - what each command writes, against the library's own answers and by hand. */
#include "cli/command.h"

#include <jansson.h>
#include <math.h>

#define TEXTS "我想一天", "[MASK]天", "", "中国人民 abc", "我"
static const char *const texts[] = { TEXTS };
enum { N = 5, WIDTH = 40 };
#define EMBED "embed", "-q", "-m", tiny_model()

static b4c_model *model;
static b4c_session *session;

/* The library's session on the tiny model. */
static b4c_session *library(void)
{
    b4c_error err;
    b4c_model_options o = B4C_MODEL_DEFAULT;
    if (session) return session;
    o.need_head = true;
    o.dtype = B4C_F32;
    model = b4c_model_open(tiny_model(), &o, &err);
    if (!model) fail_msg("%s", err.message);
    session = b4c_session_new(model, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static int close_library(void **state)
{
    (void)state;
    b4c_session_free(session);
    b4c_model_free(model);
    return 0;
}

/* Numbers of a line, parted by anything that is none. */
static int numbers(const char *line, float *out, int most)
{
    int n = 0;
    for (const char *p = line; *p && *p != '\n' && n < most;) {
        char *end;
        const float x = strtof(p, &end);
        if (end == p)
            p++;
        else {
            out[n++] = x;
            p = end;
        }
    }
    return n;
}

/* Each line of text output is the library's vector, to the bit. */
static void assert_vectors(run r, const b4c_encode_options *o, int width)
{
    float want[N * WIDTH], found[WIDTH];
    b4c_error err;
    assert_code(r, 0);
    assert_ok(b4c_encode(library(), texts, NULL, N, o, want, &err), &err);
    const char *line = r.out;
    for (int i = 0; i < N; i++) {
        assert_int_equal(numbers(line, found, WIDTH), width);
        assert_memory_equal(found, want + i * width, (size_t)width * sizeof *found);
        line = strchr(line, '\n') + 1;
    }
    assert_string_equal(line, "");
}

/* ---- embed ---------------------------------------------------------------------------------- */

static void embed_gives_the_librarys_vectors(void **state)
{
    (void)state;
    const b4c_encode_options o = B4C_ENCODE_DEFAULT;
    assert_vectors(bert4c(NULL, EMBED, "--dtype", "f32", "--to", "text", TEXTS, NULL), &o, WIDTH);
    assert_vectors(bert4c(NULL, EMBED, "--dtype", "f32", "--to", "tsv", TEXTS, NULL), &o, WIDTH);
}

/* A head that was not asked for, and what every such file has, are no news. */
static void tensors_that_nobody_reads_are_told(void **state)
{
    (void)state;
    const run plain = bert4c(NULL, "embed", "-m", tiny_model(), "人", NULL);
    assert_code(plain, 0);
    assert_null(strstr(plain.err, "unexpected"));
    /* a layer more than the configuration says */
    copy_tiny_model("extra");
    json_t *config = json_load_file(temp_path("extra/config.json"), 0, NULL);
    const json_int_t layers = json_integer_value(json_object_get(config, "num_hidden_layers"));
    assert_true(layers > 1);
    json_object_set_new(config, "num_hidden_layers", json_integer(layers - 1));
    char *text = json_dumps(config, 0);
    temp_text("extra/config.json", text);
    free(text);
    json_decref(config);
    const run extra = bert4c(NULL, "fill", "-m", temp_path("extra"), "人[MASK]", NULL);
    assert_code(extra, 0);
    assert_says(extra, "16 tensors of its files are unexpected and not read: bert.encoder.layer.");
    assert_says(extra, "; bert4c inspect lists them");
}

static void every_option_of_embed_reaches_the_library(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        b4c_pooling pooling;
    } poolings[] = {
        { "cls", B4C_POOL_CLS },   { "linear", B4C_POOL_LINEAR },
        { "tanh", B4C_POOL_TANH }, { "mean", B4C_POOL_MEAN },
        { "max", B4C_POOL_MAX },   { "first-last", B4C_POOL_FIRST_LAST },
        { "sqrt", B4C_POOL_MEAN_SQRT },     { "weighted", B4C_POOL_WEIGHTED_MEAN },
        { "last", B4C_POOL_LAST_TOKEN }, { "auto", B4C_POOL_AUTO },
    };
    b4c_encode_options o = B4C_ENCODE_DEFAULT;
    for (size_t i = 0; i < COUNT(poolings); i++) {
        o.pooling = poolings[i].pooling;
        assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--pooling",
                              poolings[i].word, TEXTS, NULL),
                       &o, WIDTH);
    }
    o = B4C_ENCODE_DEFAULT;
    o.normalize = 0;
    assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--no-normalize", TEXTS, NULL),
                   &o, WIDTH);
    o.normalize = 1;
    assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--normalize", "--pooling=mean",
                          TEXTS, NULL),
                   &o, WIDTH);
    o = B4C_ENCODE_DEFAULT;
    o.dim = 7;
    assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--dim", "7", TEXTS, NULL), &o,
                   7);
    o = B4C_ENCODE_DEFAULT;
    o.prompt = "一天";
    assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--prompt", "一天", TEXTS, NULL),
                   &o, WIDTH);
    o.prompt = "我想";
    assert_vectors(
        bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--prompt-name", "query", TEXTS, NULL), &o,
        WIDTH);
    o = B4C_ENCODE_DEFAULT;
    o.max_length = 4;
    static const struct {
        const char *word;
        b4c_truncate truncate;
    } cuts[] = {
        { "right", B4C_TRUNCATE_RIGHT },
        { "left", B4C_TRUNCATE_LEFT },
        { "middle", B4C_TRUNCATE_MIDDLE },
    };
    for (size_t i = 0; i < COUNT(cuts); i++) {
        o.truncate = cuts[i].truncate;
        assert_vectors(bert4c(NULL, EMBED, "--dtype=f32", "--to=text", "--max-length", "4",
                              "--truncate", cuts[i].word, TEXTS, NULL),
                       &o, WIDTH);
    }
}

static void threads_and_batches_change_nothing(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "f32", "bf16", "int8", "int4", "auto" };
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        const run r = bert4c(NULL, EMBED, "--dtype", dtypes[i], "--threads", "1", TEXTS, NULL);
        assert_code(r, 0);
        assert_string_equal(bert4c(NULL, EMBED, "--dtype", dtypes[i], "--threads", "3",
                                   "--batch-tokens", "5", "--seed", "9", TEXTS, NULL)
                                .out,
                            r.out);
    }
}

static void jsonl_holds_the_text_and_its_vector(void **state)
{
    (void)state;
    const run r = bert4c("我\t\"\\\x01想\n", EMBED, NULL);
    json_error_t why;
    json_t *o = json_loads(r.out, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(o);
    assert_int_equal(json_object_size(o), 2);
    assert_string_equal(json_string_value(json_object_get(o, "text")), "我\t\"\\\x01想");
    assert_int_equal(json_array_size(json_object_get(o, "vector")), WIDTH);
    json_decref(o);
}

/* REPORTS N16, N22: pooling, length and precision stand beside the vectors. */
static void what_vectors_are_is_said(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "embed", "-m", tiny_model(), "--dtype", "int8", "--threads", "1",
                         "我", NULL);
    assert_says(r, "bert: 3 layers of 40, int8, ");
    assert_says(r, "kernels, 1 thread (--threads)\n");
    assert_says(r, "vectors of 40: mean pooling, length 1");
    assert_says(
        bert4c(NULL, "embed", "-m", tiny_model(), "--pooling", "cls", "--no-normalize", "我", NULL),
        "cls pooling, not normalised");
    assert_says(bert4c(NULL, "embed", "-m", tiny_model(), "--prompt-name", "query", "我", NULL),
                "before every text: \"我想\"");
    assert_says(bert4c(NULL, "embed", "-m", tiny_model(), "--max-length", "3", "我想", "天", NULL),
                "1 text was too long and lost 1 token;");
    assert_says(bert4c(NULL, "embed", "-m", tiny_model(), "xyz", NULL),
                "1 of 3 tokens are unknown to the vocabulary (33.33 %)");
}

static void pooling_is_never_guessed(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "embed", "-q", "-m", tiny_model_without_pooling(), "我", NULL);
    assert_refused(r, 2, "choose cls, linear, tanh, mean, max or first-last");
    assert_string_equal(r.out, "");
    assert_code(bert4c(NULL, "embed", "-q", "-m", tiny_model_without_pooling(), "--pooling", "max",
                       "我", NULL),
                0);
}

static void what_the_model_cannot_do_is_refused(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, EMBED, "--prompt-name", "none", "我", NULL), 2,
                   "no such prompt: --prompt-name: found 'none'");
    assert_refused(bert4c(NULL, EMBED, "--prompt", "\xff", "我", NULL), 1,
                   "--prompt: found bytes that are not UTF-8");
    assert_refused(bert4c(NULL, EMBED, "--dim", "41", "我", NULL), 2, "wanted 1 to 40");
    assert_refused(bert4c(NULL, EMBED, "--max-length", "25", "我", NULL), 2,
                   "reads at most 24 tokens");
}

static void a_text_that_is_too_long_is_named_and_those_before_are_kept(void **state)
{
    (void)state;
    const run r = bert4c("我\n想\n我想一天\n天\n", EMBED, "--to", "text", "--max-length", "5",
                         "--truncate", "error", NULL);
    assert_refused(r, 1, "standard input:3: ");
    assert_non_null(strchr(strchr(r.out, '\n') + 1, '\n'));
    assert_string_equal(strchr(strchr(r.out, '\n') + 1, '\n'), "\n");
    assert_refused(
        bert4c(NULL, EMBED, "--truncate", "error", "--max-length", "5", "我", "我想一天", NULL), 1,
        "argument 2: ");
}

/* ---- similar -------------------------------------------------------------------------------- */

#define SIMILAR "similar", "-q", "--dtype=f32", "-m", tiny_model()

static double cosine_of(const char *a, const char *b)
{
    const char *pair[] = { a, b };
    float v[2 * WIDTH];
    b4c_error err;
    assert_ok(b4c_encode(library(), pair, NULL, 2, NULL, v, &err), &err);
    return b4c_cosine(v, v + WIDTH, WIDTH);
}

static void two_texts_are_one_number(void **state)
{
    (void)state;
    char want[128];
    snprintf(want, sizeof want, "%.4f\n", cosine_of("我想", "我"));
    assert_string_equal(bert4c(NULL, SIMILAR, "我想", "我", NULL).out, want);
    assert_string_equal(bert4c(NULL, SIMILAR, "我想", "我想", NULL).out, "1.0000\n");
    snprintf(want, sizeof want, "{\"a\":\"我想\",\"b\":\"我\",\"cosine\":%.6f}\n",
             cosine_of("我想", "我"));
    assert_string_equal(bert4c(NULL, SIMILAR, "--to", "jsonl", "我想", "我", NULL).out, want);
    snprintf(want, sizeof want, "我 想\t我\t%.6f\n", cosine_of("我\t想", "我"));
    assert_string_equal(bert4c(NULL, SIMILAR, "--to", "tsv", "我\t想", "我", NULL).out, want);
}

/* REPORTS Q09: scores that do not say whether they are cosines, distances or logits. */
static void a_file_of_pairs_gets_one_more_column(void **state)
{
    (void)state;
    char want[256];
    const double one = cosine_of("我想", "我"), two = cosine_of("一天", "中国");
    snprintf(want, sizeof want, "我想\t我\tx\t%.6f\n一天\t中国\ty z\t%.6f\n", one, two);
    assert_string_equal(bert4c("我想\t我\tx\n一天\t中国\ty z\n", SIMILAR, NULL).out, want);
    snprintf(want, sizeof want, "n\ta\tb\tcosine\n7\t我想\t我\t%.6f\n", one);
    assert_string_equal(bert4c("n\ta\tb\n7\t我想\t我\n", SIMILAR, "--column", "a,b", NULL).out,
                        want);
    snprintf(want, sizeof want, "%.4f\n%.4f\n", one, two);
    assert_string_equal(bert4c("我想\t我\n一天\t中国\n", SIMILAR, "--to", "text", NULL).out, want);
    snprintf(want, sizeof want, "{\"a\":\"我想\",\"b\":\"我\",\"cosine\":%.6f}\n", one);
    assert_string_equal(bert4c("{\"q\":\"我想\",\"r\":\"我\"}\n", SIMILAR, "--from", "jsonl",
                               "--key", "q,r", "--to", "jsonl", NULL)
                            .out,
                        want);
}

/* Labels 1 0 1 0 0 with the cosines of these pairs. */
static const char *const labelled =
    "我想\t我\t1\n一天\t中国\t0\n我\t我\t1\n人民\t我想\t0\n好\t天天\t0\n";

static void labels_add_the_librarys_measures(void **state)
{
    (void)state;
    const double label[] = { 1, 0, 1, 0, 0 };
    const double score[] = { cosine_of("我想", "我"), cosine_of("一天", "中国"),
                             cosine_of("我", "我"), cosine_of("人民", "我想"),
                             cosine_of("好", "天天") };
    double spearman, auc, f1, threshold;
    char want[512];
    assert_ok(b4c_spearman(score, label, 5, &spearman, NULL), &(b4c_error){ 0 });
    assert_ok(b4c_auc(score, label, 5, &auc, NULL), &(b4c_error){ 0 });
    assert_ok(b4c_best_f1(score, label, 5, &f1, &threshold, NULL), &(b4c_error){ 0 });
    const double pearson = b4c_pearson(score, label, 5);
    const run r = bert4c(labelled, SIMILAR, "--label", "3", "--summary", NULL);
    assert_code(r, 0);
    snprintf(want, sizeof want,
             "pairs\t5\nspearman\t%.6f\npearson\t%.6f\nauc\t%.6f\nf1\t%.6f\nthreshold\t%.6f\n",
             spearman, pearson, auc, f1, threshold);
    assert_string_equal(r.out, want);
    const run with_lines = bert4c(labelled, SIMILAR, "--label", "3", NULL);
    assert_non_null(strstr(with_lines.out, "好\t天天\t0\t"));
    snprintf(want, sizeof want, "\n# pairs\t5\n# spearman\t%.6f\n", spearman);
    assert_non_null(strstr(with_lines.out, want));
    snprintf(want, sizeof want,
             "{\"pairs\":5,\"spearman\":%.6f,\"pearson\":%.6f,\"auc\":%.6f,\"f1\":%.6f,"
             "\"threshold\":%.6f}\n",
             spearman, pearson, auc, f1, threshold);
    assert_string_equal(
        bert4c(labelled, SIMILAR, "--label", "3", "--summary", "--to", "jsonl", NULL).out, want);
}

static void graded_and_constant_labels_have_no_auc(void **state)
{
    (void)state;
    const run graded = bert4c("我想\t我\t4.5\n一天\t中国\t0\n我\t我\t5\n", SIMILAR, "--label", "3",
                              "--summary", NULL);
    assert_code(graded, 0);
    assert_null(strstr(graded.out, "auc"));
    const run constant = bert4c("我想\t我\t1\n一天\t中国\t1\n", SIMILAR, "--label", "3",
                                "--summary", NULL);
    assert_non_null(strstr(constant.out, "spearman\tundefined\n"));
    assert_non_null(strstr(constant.out, "auc\tundefined\n"));
}

static void labels_come_by_header_and_key(void **state)
{
    (void)state;
    const run want = bert4c(labelled, SIMILAR, "--label", "3", "--summary", NULL);
    char headed[512], json[1024] = "";
    snprintf(headed, sizeof headed, "s1\ts2\tsame\n%s", labelled);
    assert_string_equal(
        bert4c(headed, SIMILAR, "--label", "same", "--column", "s1,s2", "--summary", NULL).out,
        want.out);
    assert_string_equal(bert4c(headed, SIMILAR, "--label", "3", "--header", "--summary", NULL).out,
                        want.out);
    assert_refused(bert4c(headed, SIMILAR, "--label", "3", NULL), 1,
                   "standard input:1: wrong label: found 'same', wanted a number");
    static const char *const rows[] = { "我想\",\"b\":\"我\",\"y\":1",
                                        "一天\",\"b\":\"中国\",\"y\":false",
                                        "我\",\"b\":\"我\",\"y\":\"1\"",
                                        "人民\",\"b\":\"我想\",\"y\":0.0",
                                        "好\",\"b\":\"天天\",\"y\":0" };
    for (size_t i = 0; i < COUNT(rows); i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), "{\"a\":\"%s}\n", rows[i]);
    assert_string_equal(
        bert4c(json, SIMILAR, "--from", "jsonl", "--label", "y", "--summary", NULL).out, want.out);
}

static void measures_are_not_counted_twice_when_a_chunk_fails(void **state)
{
    (void)state;
    char input[600];
    snprintf(input, sizeof input, "%s我\t我\tx\n", labelled);
    const run r = bert4c(input, SIMILAR, "--label", "3", NULL);
    assert_refused(r, 1, "standard input:6: wrong label: found 'x'");
    int lines = 0;
    for (const char *p = r.out; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 5);
}

/* ---- fill ----------------------------------------------------------------------------------- */

#define FILL "fill", "-q", "--dtype=f32", "-m", tiny_model()

static void fill_gives_the_librarys_candidates(void **state)
{
    (void)state;
    b4c_error err;
    b4c_fill_result f;
    b4c_fill_options o = B4C_FILL_DEFAULT;
    const char *text = "我[MASK]一[MASK]";
    json_error_t why;
    o.top = 3;
    assert_ok(b4c_fill(library(), text, strlen(text), &o, &f, &err), &err);
    assert_int_equal(f.masks, 2);
    const run r = bert4c(NULL, FILL, "--top", "3", text, NULL);
    assert_code(r, 0);
    json_t *line = json_loads(r.out, JSON_REJECT_DUPLICATES, &why);
    assert_string_equal(json_string_value(json_object_get(line, "text")), text);
    const json_t *masks = json_object_get(line, "masks");
    assert_int_equal(json_array_size(masks), 2);
    for (size_t m = 0; m < 2; m++) {
        const json_t *mask = json_array_get(masks, m),
                     *candidates = json_object_get(mask, "candidates");
        assert_int_equal(json_integer_value(json_object_get(mask, "position")), f.position[m]);
        assert_int_equal(json_array_size(candidates), 3);
        for (size_t k = 0; k < 3; k++) {
            const json_t *c = json_array_get(candidates, k);
            const b4c_candidate want = f.best[m * 3 + k];
            assert_int_equal(json_integer_value(json_object_get(c, "id")), want.id);
            assert_string_equal(json_string_value(json_object_get(c, "token")),
                                b4c_tokenizer_token(b4c_model_tokenizer(model), want.id));
            assert_true((float)json_real_value(json_object_get(c, "p")) == want.p);
        }
    }
    json_decref(line);
    char row[256];
    const b4c_tokenizer *t = b4c_model_tokenizer(model);
    snprintf(row, sizeof row, "%s  %s %.4f  %s %.4f  | %s %.4f  %s %.4f\n", text,
             b4c_tokenizer_token(t, f.best[0].id), (double)f.best[0].p,
             b4c_tokenizer_token(t, f.best[1].id), (double)f.best[1].p,
             b4c_tokenizer_token(t, f.best[3].id), (double)f.best[3].p,
             b4c_tokenizer_token(t, f.best[4].id), (double)f.best[4].p);
    assert_string_equal(bert4c(NULL, FILL, "--top", "2", "--to", "text", text, NULL).out, row);
    snprintf(row, sizeof row, "%s\t%s:%.6f\t%s:%.6f\n", text, b4c_tokenizer_token(t, f.best[0].id),
             (double)f.best[0].p, b4c_tokenizer_token(t, f.best[3].id), (double)f.best[3].p);
    assert_string_equal(bert4c(NULL, FILL, "--top", "1", "--to", "tsv", text, NULL).out, row);
    b4c_fill_result_free(&f);
}

static void a_text_without_masks_is_answered_with_none(void **state)
{
    (void)state;
    const run r = bert4c("我\n\n我[MASK]\n", "fill", "-m", tiny_model(), "--top=1", NULL);
    assert_code(r, 0);
    assert_memory_equal(
        r.out,
        "{\"text\":\"我\",\"masks\":[]}\n{\"text\":\"\",\"masks\":[]}\n{\"text\":\"我[MASK]\",",
        60);
    assert_says(r, "texts without a [MASK] to fill: 2");
}

static void fill_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    assert_refused(bert4c("我\n我想一天[MASK]\n", FILL, "--max-length", "4", NULL), 1,
                   "standard input:2: ");
    assert_code(
        bert4c(NULL, FILL, "--max-length", "4", "--truncate", "left", "我想一天[MASK]", NULL), 0);
    if (!exists("tests/golden/models/bert-noprefix/model.safetensors")) skip();
    const run r = bert4c(NULL, "fill", "-q", "-m", "tests/golden/models/bert-noprefix", "我[MASK]",
                         NULL);
    assert_code(r, 1);
}

/* ---- tokenize ------------------------------------------------------------------------------- */

#define TOKENIZE "tokenize", "-q", "-m", tiny_model()

static void a_table_has_its_columns_under_one_another(void **state)
{
    (void)state;
    assert_string_equal(bert4c(NULL, TOKENIZE, "我想b[MASK]", NULL).out,
                        "我想b[MASK]\n"
                        "  #     id  token       bytes      chars\n"
                        "  0      2  [CLS]\n"
                        "  1     25  我            0-3        0-1\n"
                        "  2     87  想            3-6        1-2\n"
                        "  3      9  b             6-7        2-3\n"
                        "  4      4  [MASK]       7-13        3-9\n"
                        "  5      3  [SEP]\n");
}

static void tsv_and_jsonl_say_the_same(void **state)
{
    (void)state;
    assert_string_equal(bert4c(NULL, TOKENIZE, "--to", "tsv", "我b", "", NULL).out,
                        "[CLS] 我 b [SEP]\t2 25 9 3\t0-0 0-3 3-4 0-0\t0-0 0-1 1-2 0-0\n[CLS] "
                        "[SEP]\t2 3\t0-0 0-0\t0-0 0-0\n");
    assert_string_equal(
        bert4c(NULL, TOKENIZE, "--to", "jsonl", "我b", NULL).out,
        "{\"text\":\"我b\",\"tokens\":[\"[CLS]\",\"我\",\"b\",\"[SEP]\"],\"ids\":[2,25,9,3],"
        "\"offsets\":[[0,0],[0,3],[3,4],[0,0]],\"char_offsets\":[[0,0],[0,1],[1,2],[0,0]],"
        "\"dropped\":[]}\n");
}

static void options_of_tokenize_do_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *option, *value, *text, *tokens;
    } cases[] = {
        { "--no-special", NULL, "我b", "我 b\t" },
        { "--plain", NULL, "[MASK]", "[CLS] [UNK] [UNK] [UNK] [SEP]\t" },
        { "--max-length", "4", "我想一天", "[CLS] 我 想 [SEP]\t" },
        { "--truncate", "left", "我想一天", "[CLS] 我 想 一 天 [SEP]\t" },
        { "--dialect", "bert4keras", "[MASK]", "[CLS] [UNK] [UNK] [UNK] [SEP]\t" },
        { "--dialect", "hub", "[MASK]", "[CLS] [MASK] [SEP]\t" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const run r = cases[i].value ? bert4c(NULL, TOKENIZE, "--to", "tsv", cases[i].option,
                                              cases[i].value, cases[i].text, NULL)
                                     : bert4c(NULL, TOKENIZE, "--to", "tsv", cases[i].option,
                                              cases[i].text, NULL);
        assert_code(r, 0);
        if (strncmp(r.out, cases[i].tokens, strlen(cases[i].tokens)) != 0)
            fail_msg("%s: %s", cases[i].option, r.out);
    }
    assert_memory_equal(
        bert4c(NULL, TOKENIZE, "--to", "tsv", "--max-length=4", "--truncate=left", "我想一天", NULL)
            .out,
        "[CLS] 一 天 [SEP]\t", 20);
}

static void what_was_dropped_and_cut_is_shown(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "tokenize", "-m", tiny_model(), "--max-length", "4",
                         "我\xe2\x80\x8b想\xef\xbf\xbd天", NULL);
    assert_code(r, 0);
    assert_non_null(strstr(r.out, "    dropped: U+200B at byte 3\n    dropped: \xef\xbf\xbd U+FFFD "
                                  "at byte 9\n    cut: 1 tokens\n"));
    assert_says(r, "2 characters were dropped");
    assert_says(r, "1 tokens were cut");
}

static void pairs_show_both_texts(void **state)
{
    (void)state;
    assert_string_equal(
        bert4c(NULL, TOKENIZE, "--pair", "--to", "jsonl", "我\xe2\x80\x8b", "想", NULL).out,
        "{\"text\":\"我\xe2\x80\x8b\",\"pair\":\"想\",\"tokens\":[\"[CLS]\",\"我\",\"[SEP]\","
        "\"想\",\"[SEP]\"],\"ids\":[2,25,3,87,3],"
        "\"segments\":[0,0,0,1,1],\"offsets\":[[0,0],[0,3],[0,0],[0,3],[0,0]],"
        "\"char_offsets\":[[0,0],[0,1],[0,0],[0,1],[0,0]],\"dropped\":[[3],[]]}\n");
    assert_string_equal(
        bert4c(NULL, TOKENIZE, "--pair", "--to", "jsonl", "我", "\xe2\x80\x8b想", NULL).out,
        "{\"text\":\"我\",\"pair\":\"\xe2\x80\x8b想\",\"tokens\":[\"[CLS]\",\"我\",\"[SEP]\","
        "\"想\",\"[SEP]\"],\"ids\":[2,25,3,87,3],"
        "\"segments\":[0,0,0,1,1],\"offsets\":[[0,0],[0,3],[0,0],[3,6],[0,0]],"
        "\"char_offsets\":[[0,0],[0,1],[0,0],[1,2],[0,0]],\"dropped\":[[],[0]]}\n");
}

static void decode_reads_what_tokenize_wrote(void **state)
{
    (void)state;
    const run ids = bert4c("我想\n一天\n", TOKENIZE, "--to", "jsonl", NULL);
    assert_string_equal(
        bert4c(ids.out, TOKENIZE, "--decode", "--no-special", "--from", "jsonl", NULL).out,
        "我 想\n一 天\n");
    assert_string_equal(bert4c(NULL, TOKENIZE, "--decode", "--no-special", "2 25,87  3", NULL).out,
                        "我 想\n");
    assert_string_equal(
        bert4c(NULL, TOKENIZE, "--decode", "--no-special", "--to", "jsonl", "25 87", "", NULL).out,
        "{\"ids\":[25,87],\"text\":\"我 想\"}\n{\"ids\":[],\"text\":\"\"}\n");
    assert_non_null(strstr(bert4c(NULL, TOKENIZE, "--decode", "2 25 3", NULL).out, "[CLS]"));
    assert_refused(bert4c(NULL, TOKENIZE, "--decode", "25", "25 137", NULL), 1,
                   "argument 2: wrong id: found '137', wanted a number from 0 to 136");
    assert_refused(bert4c(NULL, TOKENIZE, "--decode", "25 x", NULL), 1, "wrong id: found 'x'");
    assert_refused(bert4c("{\"ids\":[1,\"2\"]}\n", TOKENIZE, "--decode", "--from", "jsonl", NULL),
                   1, "wanted a string or an array of ids");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_gives_the_librarys_vectors),
        cmocka_unit_test(tensors_that_nobody_reads_are_told),
        cmocka_unit_test(every_option_of_embed_reaches_the_library),
        cmocka_unit_test(threads_and_batches_change_nothing),
        cmocka_unit_test(jsonl_holds_the_text_and_its_vector),
        cmocka_unit_test(what_vectors_are_is_said),
        cmocka_unit_test(pooling_is_never_guessed),
        cmocka_unit_test(what_the_model_cannot_do_is_refused),
        cmocka_unit_test(a_text_that_is_too_long_is_named_and_those_before_are_kept),
        cmocka_unit_test(two_texts_are_one_number),
        cmocka_unit_test(a_file_of_pairs_gets_one_more_column),
        cmocka_unit_test(labels_add_the_librarys_measures),
        cmocka_unit_test(graded_and_constant_labels_have_no_auc),
        cmocka_unit_test(labels_come_by_header_and_key),
        cmocka_unit_test(measures_are_not_counted_twice_when_a_chunk_fails),
        cmocka_unit_test(fill_gives_the_librarys_candidates),
        cmocka_unit_test(a_text_without_masks_is_answered_with_none),
        cmocka_unit_test(fill_refuses_what_it_cannot_do),
        cmocka_unit_test(a_table_has_its_columns_under_one_another),
        cmocka_unit_test(tsv_and_jsonl_say_the_same),
        cmocka_unit_test(options_of_tokenize_do_what_they_say),
        cmocka_unit_test(what_was_dropped_and_cut_is_shown),
        cmocka_unit_test(pairs_show_both_texts),
        cmocka_unit_test(decode_reads_what_tokenize_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, close_library);
}
