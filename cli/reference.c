/* reference.c - see reference.h. */
#include "reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cli_standard_texts[CLI_STANDARD_TEXTS] = {
    "今天天气很好", "今天的天气不错，我们去公园散步吧。", "如何快速提高英语口语水平？",
    "北京是中华人民共和国的首都。", "The quick brown fox jumps over the lazy dog.",
    "2024年第一季度，公司营收同比增长12.5%。", "苹果发布了新款iPhone和MacBook Pro。",
    "我喜欢红色的车，不喜欢黑色的车。",
};

/* ---- a model that is asked ------------------------------------------------------------------- */

int cli_asked_open(cli_asked *a, const char *path, const cli_settings *s, b4c_dtype dtype,
                   b4c_error *err)
{
    b4c_model_options o = B4C_MODEL_DEFAULT;
    b4c_model_info info;
    const b4c_session_options how = { (int)s->threads, 0 };
    *a = (cli_asked){ 0 };
    o.dtype = dtype;
    o.as = s->as;
    a->model = b4c_model_open(path, &o, err);
    if (!a->model) return err->code;
    b4c_model_describe(a->model, &info);
    if (info.pooling == B4C_POOL_AUTO && info.has_head) {
        b4c_model_free(a->model);
        o.need_head = true;
        a->model = b4c_model_open(path, &o, err);
        if (!a->model) return err->code;
    }
    a->session = b4c_session_new(a->model, &how, err);
    return a->session ? 0 : err->code;
}

void cli_asked_close(cli_asked *a)
{
    b4c_session_free(a->session);
    b4c_model_free(a->model);
    *a = (cli_asked){ 0 };
}

b4c_pooling cli_asked_pooling(const cli_asked *a)
{
    b4c_model_info info;
    b4c_model_describe(a->model, &info);
    return info.pooling != B4C_POOL_AUTO ? info.pooling
         : info.has_head                 ? B4C_POOL_AUTO
                                         : B4C_POOL_MEAN;
}

/* ---- answers --------------------------------------------------------------------------------- */

static json_t *reals(const float *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_real((double)x[i]));
    return list;
}

static json_t *vector_of(cli_asked *a, const char *text, b4c_pooling pooling, b4c_error *err)
{
    b4c_encode_options o = B4C_ENCODE_DEFAULT;
    o.pooling = pooling;
    const int width = b4c_encode_width(a->session, &o, err);
    float *x = width > 0 ? malloc((size_t)width * sizeof *x) : NULL;
    json_t *list = NULL;
    if (x && b4c_encode(a->session, &text, NULL, 1, &o, x, err) == 0) list = reals(x, width);
    else if (width > 0 && !x) cli_fail(err, B4C_E_MEMORY, "no memory for a vector");
    free(x);
    return list;
}

/* An encoder-decoder reads the text and is asked for it again. */
static json_t *logprobs_of(cli_asked *a, const char *text, bool twice, b4c_error *err)
{
    b4c_score_options o = B4C_SCORE_DEFAULT;
    b4c_scores scores = { 0 };
    json_t *list = NULL;
    if (b4c_score_texts(a->session, twice ? &text : NULL, NULL, &text, NULL, 1, &o, &scores,
                        err) == 0)
        list = reals(scores.score[0].token_logprob, scores.score[0].n);
    b4c_scores_free(&scores);
    return list;
}

json_t *cli_asked_answer(cli_asked *a, const char *text, b4c_pooling pooling, b4c_error *err)
{
    b4c_model_info info;
    b4c_encoding e = { 0 };
    json_t *ids = json_array(), *values = NULL;
    b4c_model_describe(a->model, &info);
    if (b4c_tokenize(b4c_model_tokenizer(a->model), text, SIZE_MAX, NULL, 0, NULL, &e, err) == 0)
        values = pooling != B4C_POOL_AUTO
                     ? vector_of(a, text, pooling, err)
                     : logprobs_of(a, text, info.reading == B4C_READ_SEQ2SEQ, err);
    for (int i = 0; i < e.n; i++) json_array_append_new(ids, json_integer(e.ids[i]));
    b4c_encoding_free(&e);
    if (values) return json_pack("{s:s,s:o,s:o}", "text", text, "ids", ids, "values", values);
    json_decref(ids);
    return NULL;
}

/* ---- differences ----------------------------------------------------------------------------- */

bool cli_difference_add(cli_difference *d, const json_t *was, const json_t *is)
{
    const json_t *a = json_object_get(was, "values"), *b = json_object_get(is, "values");
    double dot = 0, x2 = 0, y2 = 0, largest = 0, apart = 0;
    if (!json_equal(json_object_get(was, "ids"), json_object_get(is, "ids"))) d->other_ids = true;
    if (!json_is_array(a) || json_array_size(a) != json_array_size(b)) return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const double x = json_number_value(json_array_get(a, i)),
                     y = json_number_value(json_array_get(b, i));
        dot += x * y;
        x2 += x * x;
        y2 += y * y;
        d->off += (x - y) * (x - y);
        largest = fmax(largest, fabs(x));
        apart = fmax(apart, fabs(x - y));
    }
    d->size += x2;
    if (largest > 0) d->largest = fmax(d->largest, apart / largest);
    if (x2 > 0 && y2 > 0) d->cosine = fmin(d->cosine, dot / sqrt(x2 * y2));
    return true;
}

double cli_difference_rms(const cli_difference *d)
{
    return d->size > 0 ? sqrt(d->off / d->size) : 0;
}
