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
#include "reference.h"
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

/* By dtype: the least number that is too far. f32 differs by the order of sums alone. */
static const struct {
    b4c_dtype dtype;
    double limit;
} limits[] = { { B4C_F32, 1e-4 }, { B4C_BF16, 0.05 }, { B4C_I8, 0.2 }, { B4C_I4, 0.5 } };

typedef struct verifier {
    const cli_settings *settings;
    char *path, *file;       /* the model, its reference */
    json_t *reference;
    cli_asked asked;
} verifier;

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
    const size_t n = given->n ? (size_t)given->n : CLI_STANDARD_TEXTS;
    b4c_model_info info;
    json_t *list = json_array();
    int rc = cli_asked_open(&v->asked, v->path, v->settings, B4C_F32, err);
    if (rc < 0) {
        json_decref(list);
        return rc;
    }
    b4c_model_describe(v->asked.model, &info);
    const b4c_pooling pooling = cli_asked_pooling(&v->asked);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *text = given->n ? given->item[i] : cli_standard_texts[i];
        json_t *one = cli_asked_answer(&v->asked, text, pooling, err);
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
    cli_asked_close(&v->asked);
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
    for (int p = B4C_POOL_CLS; name && p <= B4C_POOL_LAST_TOKEN; p++)
        if (strcmp(name, b4c_pooling_name((b4c_pooling)p)) == 0) return p;
    return -1;
}

/* One dtype: 1 holds, 0 does not. */
static int check(verifier *v, b4c_dtype dtype, double limit, b4c_error *err)
{
    const json_t *texts = json_object_get(v->reference, "texts"), *was;
    const int pooling = pooling_of(v->reference);
    cli_difference d = { .cosine = 1 };
    size_t i;
    int rc = cli_asked_open(&v->asked, v->path, v->settings, dtype, err);
    json_array_foreach(texts, i, was) {
        const char *text = json_string_value(json_object_get(was, "text"));
        json_t *is = rc == 0 && text ? cli_asked_answer(&v->asked, text, (b4c_pooling)pooling, err)
                                     : NULL;
        if (rc == 0 && !text) rc = wrong_file(v, err);
        else if (rc == 0 && !is) rc = err->code;
        if (is && !cli_difference_add(&d, was, is)) d.other_ids = true;
        json_decref(is);
    }
    cli_asked_close(&v->asked);
    if (rc < 0) return rc;
    const double off = cli_difference_rms(&d);
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
    cli_asked_close(&v.asked);
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
