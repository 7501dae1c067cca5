/* cmd_convert.c - convert: a model of any layout as a folder in the hub's, and what it cost. */
#include "commands.h"
#include "default_model.h"
#include "model.h"
#include "number.h"
#include "output.h"
#include "progress.h"
#include "reference.h"
#include "signals.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORST = 5 };          /* tensors that text shows unasked */

/* ---- showing --------------------------------------------------------------------------------- */

static double real_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}
static long long count_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}
static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static void show_tensor(cli_output *out, const json_t *t)
{
    size_t i;
    json_t *n;
    char bytes[32];
    cli_put_text(out, text_of(t, "name"));
    cli_put_text(out, " [");
    json_array_foreach(json_object_get(t, "shape"), i, n)
        cli_print(out, i ? ", %lld" : "%lld", (long long)json_integer_value(n));
    cli_print(out, "] %s, %s", text_of(t, "type"), cli_bytes_text(count_of(t, "bytes"), bytes));
    if (json_object_get(t, "rms_error"))
        cli_print(out, ", error %.2g (largest %.2g)", real_of(t, "rms_error"),
                  real_of(t, "largest_error"));
    cli_put_text(out, "\n");
}

static int by_error(const void *a, const void *b)
{
    const double x = real_of(*(json_t *const *)a, "rms_error"),
                 y = real_of(*(json_t *const *)b, "rms_error");
    return (x < y) - (x > y);
}

/* All tensors, or the few that rounding moved most. */
static void show_tensors(cli_output *out, json_t *tensors, bool all)
{
    const size_t n = json_array_size(tensors);
    json_t **order = calloc(n + 1, sizeof *order);
    if (!order) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) order[i] = json_array_get(tensors, i);
    if (!all) qsort(order, n, sizeof *order, by_error);
    for (size_t i = 0; i < n && (all || i < WORST); i++) {
        if (!all && real_of(order[i], "rms_error") <= 0) break;
        cli_print(out, "%-10s ", i ? "" : all ? "tensors" : "worst");
        show_tensor(out, order[i]);
    }
    free(order);
}

static void show(cli_output *out, json_t *r, const char *folder, bool tensors)
{
    char a[32], b[32];
    size_t i;
    json_t *name;
    cli_print(out, "model      %s, %s\nfolder     ", text_of(r, "architecture"),
              text_of(r, "layout"));
    cli_put_text(out, folder);
    cli_print(out, ", %s\nsize       %s, was %s\n", text_of(r, "dtype"),
              cli_bytes_text(count_of(r, "bytes_after"), a),
              cli_bytes_text(count_of(r, "bytes_before"), b));
    if (json_object_get(r, "tokens_after"))
        cli_print(out, "vocabulary %lld tokens, was %lld\n", count_of(r, "tokens_after"),
                  count_of(r, "tokens_before"));
    show_tensors(out, json_object_get(r, "tensors"), tensors);
    json_array_foreach(json_object_get(r, "dropped"), i, name) {
        cli_print(out, "%-10s ", i ? "" : "dropped");
        cli_put_text(out, json_string_value(name));
        cli_put_text(out, "\n");
    }
    const json_t *whole = json_object_get(r, "whole");
    if (whole)
        cli_print(out, "whole      %s of %lld texts: error %.2g (largest %.2g), "
                       "least cosine %.6f\n", text_of(whole, "values"), count_of(whole, "texts"),
                  real_of(whole, "rms_error"), real_of(whole, "largest_error"),
                  real_of(whole, "cosine"));
    if (*text_of(r, "whole_note"))
        cli_print(out, "whole      not measured: %s\n", text_of(r, "whole_note"));
    if (*text_of(r, "tokenizer_note"))
        cli_print(out, "note       %s\n", text_of(r, "tokenizer_note"));
}

static int write_report(const cli_command *self, const cli_settings *s, json_t *report,
                        b4c_error *err)
{
    cli_settings mine = *s;
    cli_output out;
    cli_format format;
    mine.output = NULL;      /* -o is the folder, the report goes to standard output */
    json_object_set_new(report, "folder", json_string(s->output));
    int rc = cli_output_format(self, &mine, &format, err);
    if (rc == 0) rc = cli_output_open(&out, &mine, format, json_object(), 0, err);
    if (rc == 0) {
        char *json = format == CLI_JSON ? json_dumps(report, JSON_INDENT(1)) : NULL;
        if (json) {
            cli_put_text(&out, json);
            cli_put_text(&out, "\n");
        } else
            show(&out, report, s->output, s->tensors);
        free(json);
        rc = cli_output_finish(&out, err);
        cli_output_close(&out);
    }
    return rc;
}

/* ---- the whole model ------------------------------------------------------------------------- */

/* What a model makes of the texts; NULL: err says why. */
static json_t *ask(cli_asked *a, b4c_pooling pooling, b4c_error *err)
{
    json_t *all = json_array();
    for (int i = 0; i < CLI_STANDARD_TEXTS; i++) {
        json_t *one = cli_asked_answer(a, cli_standard_texts[i], pooling, err);
        if (!one) {
            json_decref(all);
            return NULL;
        }
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *compare(const char *from, const char *to, const cli_settings *s, b4c_dtype dtype,
                       b4c_error *err)
{
    cli_asked a = { 0 }, b = { 0 };
    cli_difference d = { .cosine = 1 };
    json_t *was = NULL, *is = NULL, *o = NULL;
    b4c_pooling pooling = B4C_POOL_AUTO;
    if (cli_asked_open(&a, from, s, B4C_F32, err) == 0) {
        pooling = cli_asked_pooling(&a);
        was = ask(&a, pooling, err);
    }
    cli_asked_close(&a);     /* before the other one takes memory */
    if (was && cli_asked_open(&b, to, s, dtype, err) == 0) is = ask(&b, pooling, err);
    cli_asked_close(&b);
    for (int i = 0; is && i < CLI_STANDARD_TEXTS; i++)
        cli_difference_add(&d, json_array_get(was, (size_t)i), json_array_get(is, (size_t)i));
    if (is)
        o = json_pack("{s:i,s:s,s:f,s:f,s:f}", "texts", CLI_STANDARD_TEXTS, "values",
                      pooling == B4C_POOL_AUTO ? "log-probabilities" : "vectors", "rms_error",
                      cli_difference_rms(&d), "largest_error", d.largest, "cosine", d.cosine);
    json_decref(was);
    json_decref(is);
    return o;
}

/* What rounding does from end to end: errors of tensors may add up or cancel out. A model that
 * cannot be asked, or not in f32 on this machine, says so in a note. */
static void measure(const char *from, const cli_settings *s, json_t *report)
{
    static const int wider[] = { [B4C_BF16] = 2, [B4C_I8] = 4, [B4C_I4] = 8 };
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const b4c_dtype dtype = (b4c_dtype)s->dtype;
    b4c_error err = { 0 };
    json_t *whole = NULL;
    if (dtype <= B4C_F32) return;
    if (wider[dtype] * real_of(report, "bytes_after") > memory / 2)
        cli_fail(&err, B4C_E_MEMORY, "in f32 the model would take more than half of the memory");
    else whole = compare(from, s->output, s, dtype, &err);
    if (whole) json_object_set_new(report, "whole", whole);
    else json_object_set_new(report, "whole_note", json_string(err.message));
}

/* ---- the command ----------------------------------------------------------------------------- */

static int on_the_way(void *arg, int64_t done, int64_t total)
{
    cli_progress_show(arg, NULL, done, done, total);
    return cli_stopped();
}

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    cli_progress progress;
    char *path = NULL, *said = NULL;
    json_t *report = NULL;
    int rc = 0;
    if (!s->output)
        rc = cli_fail(&err, B4C_E_ARG, "missing option: convert: found no -o, wanted the folder to "
                                       "write");
    if (rc == 0 && !(path = cli_model_find(s, CLI_DEFAULT_ENCODER, &err))) rc = err.code;
    if (rc == 0) {
        cli_catch_signals();
        cli_progress_start(&progress, s, "bytes");
        const b4c_convert_options o = { .dtype = (b4c_dtype)s->dtype, .force = s->force,
                                        .simplify = s->simplify,
                                        .as = s->as, .progress = on_the_way,
                                        .progress_arg = &progress };
        rc = b4c_convert(path, s->output, &o, &said, &err);
        cli_progress_end(&progress);
    }
    if (rc == 0 && !(report = json_loads(said, 0, NULL)))
        rc = cli_fail(&err, B4C_E_MEMORY, "no memory for the report");
    if (rc == 0) measure(path, s, report);
    if (rc == 0) rc = write_report(self, s, report, &err);
    json_decref(report);
    free(said);
    free(path);
    if (rc == B4C_E_STOPPED && cli_stopped()) {
        cli_say("stopped; nothing was written");
        return cli_stop_code();
    }
    if (rc == 0) return CLI_DONE;
    cli_error(&err);
    return s->output ? CLI_FAILED : CLI_USAGE;
}

const cli_command cli_convert = {
    .bit = CLI_CONVERT,
    .name = "convert",
    .operands = "",
    .run = run,
    .summary = "Write a model of any layout as a folder in the hub's",
    .about =
        "Reads what every other command reads (safetensors, PyTorch, ONNX, TensorFlow, Keras, "
        "GGUF) and writes a folder -o in the hub's layout: config.json, model.safetensors, the "
        "tokenizer, and what the files say of pooling and of generation. f32 (the default) and "
        "bf16 open in the hub's own programs too; int8 and int4 are for bert4c alone and are what "
        "--dtype int8, --dtype int4 make of the model when it is opened.\n"
        "\n"
        "The report has the size before and after, and, for tensors that were rounded, the error: "
        "root mean square and largest, relative to the tensor's own. Text shows the worst, or all "
        "with --tensors; --to json has all. Of the whole model it has what rounding does to the "
        "vectors, or log-probabilities, of eight texts, against f32. The folder appears when it is "
        "whole.",
    .examples = "bert4c convert -m ./roformer-sim -o roformer-hub\n"
                "bert4c convert -m ./gpt -o gpt-bf16 --dtype bf16\n"
                "bert4c convert -m BAAI/bge-small-zh-v1.5 -o bge-int8 --dtype int8 --tensors\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
