/* test_encode.c - laws of b4c_encode, for each architecture, type of weights and instruction set: a
 * vector depends on its text and on nothing else, to the bit.
 */
#include "api/model.h"
#include "golden/folder.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

#include <math.h>
#include <unistd.h>

enum { TEXTS = 24, WIDTH = 40 };

static const char *const models[] = { "bert", "roformer" };
static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
static char *texts[TEXTS];

static int make_texts(void **state)
{
    (void)state;
    for (int i = 0; i < TEXTS; i++) texts[i] = folder_text(i);
    return 0;
}

static int free_texts(void **state)
{
    (void)state;
    for (int i = 0; i < TEXTS; i++) free(texts[i]);
    return 0;
}

enum { ROOM = 400 };

/* Text i with three characters in front that no other number below 13^3 has: as tokens, too, no two
 * are equal. */
static void different(int number, const char *text, char to[ROOM])
{
    static const char *const digit[] = { "的", "一", "是", "不", "了", "在", "人",
                                         "有", "我", "他", "这", "中", "大" };
    snprintf(to, ROOM, "%s%s%s%.300s", digit[number / 169 % 13], digit[number / 13 % 13],
             digit[number % 13], text);
}

static b4c_model *open_model(const char *folder, b4c_dtype dtype)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = dtype;
    b4c_model *m = b4c_model_open(folder, &o, &err);
    if (!m) fail_msg("%s: %s", folder, err.message);
    return m;
}

static b4c_session *new_session(const b4c_model *m, const b4c_kernels *k, int threads, int batch)
{
    b4c_error err = { 0 };
    const b4c_session_options o = { .threads = threads, .batch_tokens = batch };
    b4c_session *s = b4c_session_new(m, &o, &err);
    if (!s) fail_msg("%s", err.message);
    b4c_crew_done(&s->crew);
    assert_ok(b4c_crew_init(&s->crew, k, m->net.dtype, threads, batch, &err), &err);
    return s;
}

static void encode(b4c_session *s, const char *const *text, int n, b4c_pooling pooling, float *out)
{
    b4c_error err = { 0 };
    const b4c_encode_options o = { .pooling = pooling, .normalize = 1 };
    assert_ok(b4c_encode(s, text, NULL, n, &o, out, &err), &err);
}

static void expect(const float *got, const float *want, int n, const char *what, const b4c_model *m,
                   const b4c_kernels *k)
{
    if (memcmp(got, want, (size_t)n * WIDTH * sizeof *got) != 0)
        fail_msg("%s: %s, %s, %s: another vector", what, m->info.architecture,
                 b4c_dtype_name(m->info.dtype), k->name);
}

/* Alone, in batches of every size, in another order, by any number of threads, in blocks of any
 * size. */
static void check_model(const b4c_model *m, const b4c_kernels *k, b4c_pooling pooling)
{
    static float alone[TEXTS * WIDTH], got[TEXTS * WIDTH];
    static const int batches[] = { 0, 1, 16, 100 };
    const char *turned[TEXTS];
    b4c_session *s = new_session(m, k, 1, 0);
    for (int i = 0; i < TEXTS; i++)
        encode(s, (const char *const *)&texts[i], 1, pooling, alone + i * WIDTH);
    for (int n = 2; n <= TEXTS; n += n < 6 ? 1 : 6) {
        encode(s, (const char *const *)texts, n, pooling, got);
        expect(got, alone, n, "batch", m, k);
    }
    for (int i = 0; i < TEXTS; i++) turned[i] = texts[TEXTS - 1 - i];
    encode(s, turned, TEXTS, pooling, got);
    for (int i = 0; i < TEXTS; i++)
        expect(got + i * WIDTH, alone + (TEXTS - 1 - i) * WIDTH, 1, "order", m, k);
    b4c_session_free(s);
    for (int threads = 1; threads <= 3; threads++)
        for (size_t b = 0; b < COUNT(batches); b++) {
            s = new_session(m, k, threads, batches[b]);
            encode(s, (const char *const *)texts, TEXTS, pooling, got);
            expect(got, alone, TEXTS, "threads", m, k);
            encode(s, (const char *const *)texts, 1, pooling, got);
            expect(got, alone, 1, "one text by all threads", m, k);
            encode(s, (const char *const *)texts, 3, pooling, got);
            expect(got, alone, 3, "three texts", m, k);
            b4c_session_free(s);
        }
}

/* REPORTS N09. */
static void a_vector_depends_on_its_text_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        const char *folder = folder_make(models[i], models[i]);
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            b4c_model *m = open_model(folder, dtypes[d]);
            for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) {
                check_model(m, k, B4C_POOL_CLS);
                check_model(m, k, B4C_POOL_MEAN);
            }
            b4c_model_free(m);
        }
    }
}

/* REPORTS N08 to N11: others' vectors get worse the larger the batch; V02: and are refused from 33
 * texts on. */
static void batches_of_one_to_thousands_give_one_vector(void **state)
{
    (void)state;
    enum { MOST = 2048 };
    static float want[MOST * WIDTH], got[MOST * WIDTH];
    static char text[MOST][ROOM];
    const char **many = malloc(MOST * sizeof *many);
    assert_non_null(many);
    b4c_model *m = open_model(folder_make("many", "bert"), B4C_I8);
    b4c_session *s = new_session(m, b4c_kernels_get(), 2, 0);
    for (int i = 0; i < MOST; i++) {
        different(i, texts[i % TEXTS], text[i]);
        many[i] = text[i];
        encode(s, many + i, 1, B4C_POOL_MEAN, want + (size_t)i * WIDTH);
    }
    for (int n = 1; n <= MOST; n *= 2) {
        encode(s, many, n, B4C_POOL_MEAN, got);
        for (int i = 0; i < n; i++)
            expect(got + i * WIDTH, want + i * WIDTH, 1, "many", m, b4c_kernels_get());
    }
    b4c_session_free(s);
    b4c_model_free(m);
    free(many);
}

/* REPORTS N10: means over padding. */
static void every_pooling_depends_on_its_text_alone(void **state)
{
    (void)state;
    b4c_model *m = open_model(folder_make("poolings", "bert"), B4C_F32);
    for (b4c_pooling p = B4C_POOL_CLS; p <= B4C_POOL_FIRST_LAST; p++)
        check_model(m, b4c_kernels_get(), p);
    b4c_model_free(m);
}

/* ---- other ways to the same vector ----------------------------------------------------------- */

static void tokens_give_the_vector_of_their_text(void **state)
{
    (void)state;
    static float want[TEXTS * WIDTH], got[TEXTS * WIDTH];
    static int32_t ids[TEXTS * 64];
    int lengths[TEXTS], rows = 0;
    b4c_error err = { 0 };
    b4c_model *m = open_model(folder_make("tokens", "bert"), B4C_F32);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    b4c_encoding e = { 0 };
    b4c_model_info info;
    b4c_model_describe(m, &info);
    const b4c_tokenize_options t = { .max_length = info.max_length };
    for (int i = 0; i < TEXTS; i++) {
        assert_ok(b4c_tokenize(b4c_model_tokenizer(m), texts[i], SIZE_MAX, NULL, 0, &t, &e, &err),
                  &err);
        memcpy(ids + rows, e.ids, (size_t)e.n * sizeof *ids);
        rows += lengths[i] = e.n;
    }
    b4c_encoding_free(&e);
    const b4c_encode_options o = { .pooling = B4C_POOL_MEAN };
    assert_ok(b4c_encode(s, (const char *const *)texts, NULL, TEXTS, &o, want, &err), &err);
    assert_ok(b4c_encode_ids(s, ids, NULL, lengths, TEXTS, &o, got, &err), &err);
    assert_memory_equal(got, want, sizeof want);
    b4c_encode_stats stats;
    b4c_session_stats(s, &stats);
    assert_int_equal(stats.tokens, rows);
    b4c_session_free(s);
    b4c_model_free(m);
}

static void dim_and_normalize_are_what_they_say(void **state)
{
    (void)state;
    float whole[WIDTH], part[7], unit[7];
    b4c_error err = { 0 };
    b4c_model *m = open_model(folder_make("dim", "bert"), B4C_F32);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    const char *text[] = { "我是人" };
    b4c_encode_options o = { .pooling = B4C_POOL_LINEAR };
    assert_ok(b4c_encode(s, text, NULL, 1, &o, whole, &err), &err);
    o.dim = 7;
    assert_int_equal(b4c_encode_width(s, &o, &err), 7);
    assert_ok(b4c_encode(s, text, NULL, 1, &o, part, &err), &err);
    assert_memory_equal(part, whole, sizeof part);
    o.normalize = 1;
    assert_ok(b4c_encode(s, text, NULL, 1, &o, unit, &err), &err);
    double sum = 0, length = 0;
    for (int i = 0; i < 7; i++) sum += (double)unit[i] * (double)unit[i];
    for (int i = 0; i < 7; i++) length += (double)part[i] * (double)part[i];
    assert_true(fabs(sum - 1) < 1e-6);
    for (int i = 0; i < 7; i++) assert_true(fabs(unit[i] * sqrt(length) - part[i]) < 1e-5);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* REPORTS N17. */
static void a_prompt_is_text_in_front(void **state)
{
    (void)state;
    float want[WIDTH], got[WIDTH];
    b4c_error err = { 0 };
    const char *folder = folder_make("prompt", "bert");
    temp_text(
        "prompt/config_sentence_transformers.json",
        "{\"prompts\": {\"query\": \"我是\", \"document\": \"\"}, \"default_prompt_name\": null}");
    b4c_model *m = open_model(folder, B4C_F32);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    assert_string_equal(b4c_model_prompt(m, "query"), "我是");
    assert_string_equal(b4c_model_prompt(m, "document"), "");
    assert_null(b4c_model_prompt(m, "other"));
    assert_null(b4c_model_prompt(m, NULL));
    encode(s, (const char *[]){ "我是人。" }, 1, B4C_POOL_CLS, want);
    const b4c_encode_options o = { .pooling = B4C_POOL_CLS, .normalize = 1,
                                   .prompt = b4c_model_prompt(m, "query") };
    assert_ok(b4c_encode(s, (const char *[]){ "人。" }, NULL, 1, &o, got, &err), &err);
    assert_memory_equal(got, want, sizeof want);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* ---- work ------------------------------------------------------------------------------------ */

static const b4c_kernels *counted;
static int64_t products; /* multiplications with weights */

static void count_gemm(const b4c_gemm *g, int begin, int end)
{
    if (begin == 0) products += (int64_t)g->in.rows * g->w->n * g->w->k;
    counted->gemm(g, begin, end);
}

/* REPORTS S16: padded to the longest of a batch, a program took twice another's time, which had
 * packed. A batch of texts of any lengths takes the products that they take alone, and no more; one
 * that comes again takes none. */
static void a_batch_multiplies_what_its_texts_do_alone(void **state)
{
    (void)state;
    enum { MORE = 3 * TEXTS };
    float out[TEXTS * WIDTH], again[MORE * WIDTH];
    static char text[TEXTS][ROOM];
    const char *repeated[MORE];
    for (int i = 0; i < TEXTS; i++) different(i, texts[i], text[i]);
    for (int i = 0; i < MORE; i++) repeated[i] = text[i < TEXTS ? i : i * i % TEXTS];
    b4c_model *m = open_model(folder_make("packed", "bert"), B4C_F32);
    for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) {
        b4c_kernels counting = *k;
        int64_t alone = 0;
        counted = k;
        counting.gemm = count_gemm;
        b4c_session *s = new_session(m, &counting, 1, 0);
        for (int i = 0; i < TEXTS; i++) {
            products = 0;
            encode(s, &repeated[i], 1, B4C_POOL_MEAN, out);
            alone += products;
        }
        assert_true(alone > 0);
        products = 0;
        encode(s, repeated, TEXTS, B4C_POOL_MEAN, out);
        assert_true(products == alone);
        products = 0;
        encode(s, repeated, MORE, B4C_POOL_MEAN, again);
        assert_true(products == alone);
        assert_memory_equal(again, out, sizeof out);
        for (int i = TEXTS; i < MORE; i++)
            assert_memory_equal(again + i * WIDTH, out + i * i % TEXTS * WIDTH,
                                WIDTH * sizeof *out);
        b4c_session_free(s);
    }
    b4c_model_free(m);
}

/* ---- long use -------------------------------------------------------------------------------- */

static long resident_kilobytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* REPORTS S01, S06, S18: what others leak by the call. `make soak` makes a million of them. */
static void memory_does_not_grow_with_calls(void **state)
{
    (void)state;
    static float out[TEXTS * WIDTH];
    b4c_error err = { 0 };
    b4c_model *m = open_model(folder_make("calls", "bert"), B4C_F32);
    b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 2 }, &err);
    const char *soak = getenv("SOAK_CALLS");
    const long calls = soak && atol(soak) > 3000 ? atol(soak) : 3000;
    long before = 0;
    for (long i = 0; i < calls; i++) {
        encode(s, (const char *const *)texts + i % 5, 1 + (int)(i % 19), B4C_POOL_MEAN, out);
        if (i == 300) before = resident_kilobytes();
    }
    if (before == 0) skip();
    const long grown = resident_kilobytes() - before;
    if (grown > 1024) fail_msg("%ld KB more after %ld calls", grown, calls);
    b4c_session_free(s);
    b4c_model_free(m);
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_depends_on_its_text_alone),
        cmocka_unit_test(batches_of_one_to_thousands_give_one_vector),
        cmocka_unit_test(every_pooling_depends_on_its_text_alone),
        cmocka_unit_test(tokens_give_the_vector_of_their_text),
        cmocka_unit_test(dim_and_normalize_are_what_they_say),
        cmocka_unit_test(a_prompt_is_text_in_front),
        cmocka_unit_test(a_batch_multiplies_what_its_texts_do_alone),
        cmocka_unit_test(memory_does_not_grow_with_calls),
    };
    return cmocka_run_group_tests(tests, make_texts, free_texts);
}
