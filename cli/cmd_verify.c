/* cmd_verify.c - verify: does a model still give what it gave, here and in this dtype?
 *
 * --write keeps, beside the model, some texts with their ids and what f32 makes of them: sentence
 * vectors, or, of models that write, each token's log-probability. Without it they are made again,
 * dtype by dtype, and compared. The measure is the root mean square of the differences over that of
 * the reference; limits are what the rounding of a dtype may do, not what is good.
 */
#include "commands.h"
#include "default_model.h"
#include "model.h"
#include "output.h"
#include "path.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

static const char *const standard_texts[] = {
    "今天天气很好", "今天的天气不错，我们去公园散步吧。", "如何快速提高英语口语水平？",
    "北京是中华人民共和国的首都。", "The quick brown fox jumps over the lazy dog.",
    "2024年第一季度，公司营收同比增长12.5%。", "苹果发布了新款iPhone和MacBook Pro。",
    "我喜欢红色的车，不喜欢黑色的车。",
};

/* By dtype: the least number that is too far. f32 differs by the order of sums alone. */
static const struct {
    b4c_dtype dtype;
    double limit;
} limits[] = { { B4C_F32, 1e-4 }, { B4C_BF16, 0.05 }, { B4C_I8, 0.2 }, { B4C_I4, 0.5 } };

typedef struct verifier {
    const cli_settings *settings;
    char *path, *file;       /* the model, its reference */
    json_t *reference;
    b4c_model *model;
    b4c_session *session;
} verifier;

static int open_model(verifier *v, b4c_dtype dtype, b4c_error *err)
{
    b4c_model_options o = B4C_MODEL_DEFAULT;
    b4c_model_info info;
    const b4c_session_options how = { (int)v->settings->threads, 0 };
    o.dtype = dtype;
    o.as = v->settings->as;
    v->model = b4c_model_open(v->path, &o, err);
    if (!v->model) return err->code;
    b4c_model_describe(v->model, &info);
    if (info.pooling == B4C_POOL_AUTO && info.has_head) {
        b4c_model_free(v->model);
        o.need_head = true;
        v->model = b4c_model_open(v->path, &o, err);
        if (!v->model) return err->code;
    }
    v->session = b4c_session_new(v->model, &how, err);
    return v->session ? 0 : err->code;
}

static void close_model(verifier *v)
{
    b4c_session_free(v->session);
    b4c_model_free(v->model);
    v->session = NULL;
    v->model = NULL;
}

/* ---- what a model makes of a text ------------------------------------------------------------ */

static json_t *reals(const float *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_real((double)x[i]));
    return list;
}

static json_t *vector_of(verifier *v, const char *text, b4c_pooling pooling, b4c_error *err)
{
    b4c_encode_options o = B4C_ENCODE_DEFAULT;
    o.pooling = pooling;
    const int width = b4c_encode_width(v->session, &o, err);
    float *x = width > 0 ? malloc((size_t)width * sizeof *x) : NULL;
    json_t *list = NULL;
    if (x && b4c_encode(v->session, &text, NULL, 1, &o, x, err) == 0) list = reals(x, width);
    else if (width > 0 && !x) cli_fail(err, B4C_E_MEMORY, "no memory for a vector");
    free(x);
    return list;
}

/* An encoder-decoder reads the text and is asked for it again. */
static json_t *logprobs_of(verifier *v, const char *text, bool twice, b4c_error *err)
{
    b4c_score_options o = B4C_SCORE_DEFAULT;
    b4c_scores scores = { 0 };
    json_t *list = NULL;
    if (b4c_score_texts(v->session, twice ? &text : NULL, NULL, &text, NULL, 1, &o, &scores,
                        err) == 0)
        list = reals(scores.score[0].token_logprob, scores.score[0].n);
    b4c_scores_free(&scores);
    return list;
}

/* {"text", "ids", "values"}; NULL: err says why. */
static json_t *made_of(verifier *v, const char *text, b4c_pooling pooling, b4c_error *err)
{
    b4c_model_info info;
    b4c_encoding e = { 0 };
    json_t *ids = json_array(), *values = NULL;
    b4c_model_describe(v->model, &info);
    if (b4c_tokenize(b4c_model_tokenizer(v->model), text, SIZE_MAX, NULL, 0, NULL, &e, err) == 0)
        values = pooling != B4C_POOL_AUTO
                     ? vector_of(v, text, pooling, err)
                     : logprobs_of(v, text, info.reading == B4C_READ_SEQ2SEQ, err);
    for (int i = 0; i < e.n; i++) json_array_append_new(ids, json_integer(e.ids[i]));
    b4c_encoding_free(&e);
    if (values) return json_pack("{s:s,s:o,s:o}", "text", text, "ids", ids, "values", values);
    json_decref(ids);
    return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_file(const verifier *v, const json_t *o, b4c_error *err)
{
    cli_settings mine = *v->settings;
    cli_output out;
    char *text = json_dumps(o, JSON_INDENT(1));
    mine.output = v->file;
    mine.resume = false;
    int rc = text ? cli_output_open(&out, &mine, CLI_JSON, json_object(), 0, err)
                  : cli_fail(err, B4C_E_MEMORY, "no memory for the reference");
    if (rc == 0) {
        cli_put_text(&out, text);
        cli_put_text(&out, "\n");
        rc = cli_output_finish(&out, err);
        cli_output_close(&out);
    }
    free(text);
    return rc;
}

static int write_reference(verifier *v, b4c_error *err)
{
    const cli_list *given = &v->settings->text;
    const size_t n = given->n ? (size_t)given->n : sizeof standard_texts / sizeof *standard_texts;
    b4c_model_info info;
    json_t *list = json_array();
    int rc = open_model(v, B4C_F32, err);
    if (rc < 0) {
        json_decref(list);
        return rc;
    }
    b4c_model_describe(v->model, &info);
    const b4c_pooling pooling = info.pooling != B4C_POOL_AUTO ? info.pooling
                                : info.has_head               ? B4C_POOL_AUTO
                                                              : B4C_POOL_MEAN;
    for (size_t i = 0; i < n && rc == 0; i++) {
        json_t *one = made_of(v, given->n ? given->item[i] : standard_texts[i], pooling, err);
        if (one) json_array_append_new(list, one);
        else rc = err->code;
    }
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s,s:O}", "format", FORMAT, "bert4c", B4C_VERSION,
                          "architecture", info.architecture, "dtype", "f32", "pooling",
                          pooling == B4C_POOL_AUTO ? "none" : b4c_pooling_name(pooling), "texts",
                          list);
    if (rc == 0) rc = write_file(v, o, err);
    if (rc == 0) cli_say("%zu texts in %s", n, v->file);
    json_decref(o);
    json_decref(list);
    close_model(v);
    return rc;
}

/* ---- checking -------------------------------------------------------------------------------- */

static int wrong_file(const verifier *v, b4c_error *err)
{
    return cli_fail(err, B4C_E_FORMAT,
                    "not a reference: %s: wanted format %d with pooling and texts; verify --write "
                    "makes one",
                    v->file, FORMAT);
}

/* As the file names it; AUTO: log-probabilities. -1: not known. */
static int pooling_of(const json_t *reference)
{
    const char *name = json_string_value(json_object_get(reference, "pooling"));
    if (name && strcmp(name, "none") == 0) return B4C_POOL_AUTO;
    for (int p = B4C_POOL_CLS; name && p <= B4C_POOL_FIRST_LAST; p++)
        if (strcmp(name, b4c_pooling_name((b4c_pooling)p)) == 0) return p;
    return -1;
}

typedef struct difference {
    double off, size, largest; /* sums of squares; the largest difference over the largest value */
    double cosine;             /* the least */
    bool other_ids;
} difference;

static bool compare(difference *d, const json_t *was, const json_t *is)
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

/* One dtype: 1 holds, 0 does not. */
static int check(verifier *v, b4c_dtype dtype, double limit, b4c_error *err)
{
    const json_t *texts = json_object_get(v->reference, "texts"), *was;
    const int pooling = pooling_of(v->reference);
    difference d = { .cosine = 1 };
    size_t i;
    int rc = open_model(v, dtype, err);
    json_array_foreach(texts, i, was) {
        const char *text = json_string_value(json_object_get(was, "text"));
        json_t *is = rc == 0 && text ? made_of(v, text, (b4c_pooling)pooling, err) : NULL;
        if (rc == 0 && !text) rc = wrong_file(v, err);
        else if (rc == 0 && !is) rc = err->code;
        if (is && !compare(&d, was, is)) d.other_ids = true;
        json_decref(is);
    }
    close_model(v);
    if (rc < 0) return rc;
    const double off = d.size > 0 ? sqrt(d.off / d.size) : 0;
    const bool holds = !d.other_ids && off < limit;
    printf("%-5s %s: ids %s, difference %.2g (wanted less than %g), largest %.2g, cosine %.7f\n",
           b4c_dtype_name(dtype), holds ? "holds" : "DIFFERS", d.other_ids ? "differ" : "equal",
           off, limit, d.largest, d.cosine);
    return holds;
}

static int check_all(verifier *v, bool *holds, b4c_error *err)
{
    json_error_t where;
    const int asked = v->settings->dtype;
    v->reference = json_load_file(v->file, JSON_REJECT_DUPLICATES, &where);
    if (!v->reference)
        return cli_fail(err, B4C_E_MISSING,
                        "no reference: %s: %s; verify --write makes one where the model is known "
                        "to be right",
                        v->file, where.text);
    if (json_integer_value(json_object_get(v->reference, "format")) != FORMAT ||
        pooling_of(v->reference) < 0 ||
        json_array_size(json_object_get(v->reference, "texts")) == 0)
        return wrong_file(v, err);
    *holds = true;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (asked != B4C_AUTO && asked != (int)limits[i].dtype) continue;
        const int rc = check(v, limits[i].dtype, limits[i].limit, err);
        if (rc == B4C_E_UNSUPPORTED && asked == B4C_AUTO) {
            printf("%-5s passed over: %s\n", b4c_dtype_name(limits[i].dtype), err->message);
            continue;
        }
        if (rc < 0) return rc;
        *holds &= rc == 1;
    }
    return 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(const cli_command *self, const cli_settings *s)
{
    (void)self;
    verifier v = { .settings = s };
    b4c_error err = { 0 };
    bool holds = true;
    int rc = s->text.n && !s->write
                 ? cli_fail(&err, B4C_E_ARG, "texts without --write: verify: found '%s', wanted "
                                             "none: those of the reference count",
                            s->text.item[0])
                 : 0;
    if (rc == 0 && !(v.path = cli_model_find(s, CLI_DEFAULT_ENCODER, &err))) rc = err.code;
    if (rc == 0) {
        v.file = s->reference          ? strdup(s->reference)
                 : cli_is_folder(v.path) ? cli_path("%s/verify.json", v.path)
                                         : cli_path("%s.verify.json", v.path);
        if (!v.file) rc = cli_fail(&err, B4C_E_MEMORY, "no memory for a name");
    }
    if (rc == 0) rc = s->write ? write_reference(&v, &err) : check_all(&v, &holds, &err);
    if (rc < 0) cli_error(&err);
    close_model(&v);
    json_decref(v.reference);
    free(v.path);
    free(v.file);
    if (rc < 0) return cli_exit_code(&err);
    return holds ? CLI_DONE : CLI_FAILED;
}

const cli_command cli_verify = {
    .bit = CLI_VERIFY,
    .name = "verify",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "Whether a model still gives what it gave",
    .about =
        "--write keeps texts (given, or eight of its own) beside the model, with their ids and "
        "what f32 makes of them: sentence vectors, or each token's log-probability where the model "
        "writes. Without it they are made again in each dtype and compared: ids must be equal, and "
        "the root mean square of the differences, relative to the reference's, below 0.0001 in "
        "f32, 0.05 in bf16, 0.2 in int8, 0.5 in int4. Exit code 1: something does not hold.",
    .examples = "bert4c verify -m ./simbert --write\n"
                "bert4c verify -m ./simbert\n",
};
