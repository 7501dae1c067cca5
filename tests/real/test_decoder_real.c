/* test_decoder_real.c - a real decoder in GGUF, SmolLM2-135M-Instruct, against transformers 5.24 in
 * float32 over the same dequantised weights: the best five next tokens of six prompts, and the
 * greedy continuation as long as the reference itself was sure. Skipped, and said so, where the
 * environment variable B4C_REAL_MODELS names no folder with it.
 */
#include "base/file.h"
#include "support/lines.h"
#include "support/test.h"

#include <math.h>

enum { PROMPTS = 6, BEST = 5, STEPS = 32, MOST = 64 };

typedef struct prompt {
    int32_t ids[MOST], best[BEST], greedy[STEPS];
    int n;
    double logit[BEST], gap[STEPS];
} prompt;

/* How far a type may be from the reference: the difference of a logit to the best one, how many of
 * the thirty best tokens are others, and the gap below which a greedy token may be another. */
static const struct { b4c_dtype dtype; double off; int others; double gap; } types[] = {
    { B4C_F32, 2e-3, 0, 2e-3 },
    { B4C_BF16, 0.25, 1, 0.5 },
    { B4C_I8, 1, 3, 1.2 },
    { B4C_I4, 0.7, 3, 1 },
};

static double number_at(const json_t *list, int i)
{
    return json_number_value(json_array_get(list, (size_t)i));
}

typedef struct prompts {
    prompt *p; /* [PROMPTS] */
    int n;
} prompts;

static void read_prompt(const json_t *line, long number, void *arg)
{
    prompts *all = arg;
    (void)number;
    const json_t *ids = json_object_get(line, "ids"), *best = json_object_get(line, "top5");
    if (!ids) return;
    assert_true(all->n < PROMPTS && json_array_size(ids) <= MOST);
    prompt *to = &all->p[all->n++];
    to->n = (int)json_array_size(ids);
    for (int i = 0; i < to->n; i++) to->ids[i] = (int32_t)number_at(ids, i);
    for (int i = 0; i < BEST; i++) {
        to->best[i] = (int32_t)number_at(json_array_get(best, (size_t)i), 0);
        to->logit[i] = number_at(json_array_get(best, (size_t)i), 1);
    }
    for (int i = 0; i < STEPS; i++) {
        to->greedy[i] = (int32_t)number_at(json_object_get(line, "greedy"), i);
        to->gap[i] = number_at(json_object_get(line, "gaps"), i);
    }
}

static void read_prompts(prompt p[PROMPTS])
{
    prompts all = { p, 0 };
    each_line("tests/golden/real/SmolLM2-135M-Instruct.Q4_1.jsonl", read_prompt, &all);
    assert_int_equal(all.n, PROMPTS);
}

/* Tokens of the reference's best that are not among ours; *off: the largest difference of their
 * distances to the best one. */
static int compare_best(const prompt *p, const b4c_result *r, double *off)
{
    int others = 0;
    double first = NAN;
    for (int i = 0; i < BEST; i++) {
        int at = 0;
        while (at < 2 * BEST && r->alternative[at].id != p->best[i]) at++;
        others += at >= BEST;
        if (at == 2 * BEST) continue;
        if (i == 0) first = r->alternative[at].p;
        const double d = fabs(p->logit[i] - p->logit[0] - (r->alternative[at].p - first));
        if (!(d <= *off)) *off = d;
    }
    return others;
}

static void check_type(const char *path, const prompt *p, size_t type)
{
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    mo.dtype = types[type].dtype;
    mo.need_head = true;
    b4c_model *m = b4c_model_open(path, &mo, &err);
    if (!m) fail_msg("%s", err.message);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = STEPS;
    o.alternatives = 2 * BEST;
    o.allow_unknown = true;
    double off = 0;
    int others = 0, same = 0, asked = 0;
    b4c_model_info info;
    b4c_model_describe(m, &info);
    for (int i = 0; i < PROMPTS; i++) {
        b4c_generation g;
        assert_ok(b4c_generate_ids(s, p[i].ids, NULL, &p[i].n, 1, &o, &g, &err), &err);
        const b4c_result *r = &g.result[0][0];
        others += compare_best(&p[i], r, &off);
        int k = 0;
        while (k < r->n && r->ids[k] == p[i].greedy[k]) k++;
        same += k;
        /* the reference passed over its end tokens and went on */
        const int32_t next = k < r->n ? r->ids[k] : info.end;
        for (int end = 0; end < STEPS && p[i].greedy[end] != info.end; end++) asked++;
        if (k < STEPS && next != p[i].greedy[k] && p[i].gap[k] > types[type].gap)
            fail_msg("%s: prompt %d: token %d is %d, wanted %d by %g",
                     b4c_dtype_name(types[type].dtype), i, k, (int)next, (int)p[i].greedy[k],
                     p[i].gap[k]);
        b4c_generation_free(&g);
    }
    printf("%s: logits off by at most %.4f, %d of %d best tokens are others, %d of %d greedy "
           "tokens before the first other one\n",
           b4c_dtype_name(types[type].dtype), off, others, PROMPTS * BEST, same, asked);
    assert_true(off <= types[type].off && others <= types[type].others);
    b4c_session_free(s);
    b4c_model_free(m);
}

static void smollm2_writes_what_the_reference_writes(void **state)
{
    (void)state;
    const char *folder = getenv("B4C_REAL_MODELS");
    char path[1024];
    snprintf(path, sizeof path, "%s/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
             folder ? folder : "");
    if (!folder || !b4c_file_exists(path)) {
        printf("skipped: smollm2/SmolLM2-135M-Instruct.Q4_1.gguf is not in B4C_REAL_MODELS (%s)\n",
               folder ? folder : "not set");
        skip();
    }
    prompt p[PROMPTS];
    read_prompts(p);
    for (size_t i = 0; i < COUNT(types); i++) check_type(path, p, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2_writes_what_the_reference_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
