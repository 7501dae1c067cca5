/* encoder.c - see encoder.h. */
#include "encoder.h"
#include "default_model.h"
#include "utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The encode options that the settings ask for. */
static int read_options(const cli_model *m, const cli_settings *s, b4c_encode_options *o,
                        b4c_error *err)
{
    *o = B4C_ENCODE_DEFAULT;
    o->pooling = (b4c_pooling)s->pooling;
    if (s->normalize || s->no_normalize) o->normalize = s->normalize;
    o->prompt = s->prompt;
    o->max_length = (int)s->max_length;
    o->truncate = (b4c_truncate)s->truncate;
    o->dim = (int)s->dim;
    /* A whitening is of vectors as they are; it is cut, and its vectors get length 1, afterwards.
     */
    if (s->whiten || s->fit_whitening) {
        o->dim = 0;
        o->normalize = 0;
    }
    if (s->prompt && cli_utf8_bad(s->prompt, strlen(s->prompt)) < strlen(s->prompt))
        return cli_fail(err, B4C_E_TEXT,
                        "not the text it should be: --prompt: found bytes that are not UTF-8");
    if (!s->prompt) o->prompt = b4c_model_prompt(m->model, s->prompt_name);
    if (s->prompt_name && !o->prompt)
        return cli_fail(err, B4C_E_ARG,
                        "no such prompt: --prompt-name: found '%s', wanted a name that the model's "
                        "files give to a prompt; --prompt STR gives the words",
                        s->prompt_name);
    if (o->prompt && *o->prompt) cli_say("before every text: \"%s\"", o->prompt);
    return 0;
}

static int open_whitening(cli_encoder *e, const cli_settings *s, b4c_error *err)
{
    e->whitening = b4c_whitening_open(s->whiten, err);
    if (!e->whitening) return err->code;
    e->raw_width = e->width;
    e->width = s->dim ? (int)s->dim : b4c_whitening_rank(e->whitening);
    e->unit = !s->no_normalize;
    if (b4c_whitening_width(e->whitening) != e->raw_width)
        return cli_fail(
            err, B4C_E_ARG,
            "another model's: --whiten %s: found a whitening of vectors of %d, wanted %d",
            s->whiten, b4c_whitening_width(e->whitening), e->raw_width);
    if (e->width > b4c_whitening_rank(e->whitening))
        return cli_fail(err, B4C_E_ARG,
                        "wrong value: --dim: found %d, wanted at most %d, in which "
                        "the vectors of %s vary",
                        e->width, b4c_whitening_rank(e->whitening), s->whiten);
    return 0;
}

int cli_encoder_open(cli_encoder *e, const cli_settings *s, b4c_error *err)
{
    int rc = cli_model_open(&e->model, s, CLI_DEFAULT_ENCODER, CLI_ENCODER, err);
    if (rc == 0) rc = read_options(&e->model, s, &e->options, err);
    if (rc == 0) rc = e->width = b4c_encode_width(e->model.session, &e->options, err);
    if (rc > 0 && s->whiten) rc = open_whitening(e, s, err);
    return rc < 0 ? rc : 0;
}

void cli_encoder_close(cli_encoder *e)
{
    cli_texts_done(&e->texts);
    free(e->vector);
    free(e->raw);
    b4c_whitening_free(e->whitening);
    cli_model_close(&e->model);
}

int cli_encoder_load(cli_encoder *e, const cli_chunk *c, int parts, b4c_error *err)
{
    if (cli_texts_make(&e->texts, c, parts, err) < 0) return err->code;
    const int n = e->texts.n;
    if (n <= e->room) return 0;
    free(e->vector);
    e->vector = malloc((size_t)n * (size_t)e->width * sizeof *e->vector);
    if (e->whitening) {
        free(e->raw);
        e->raw = malloc((size_t)n * (size_t)e->raw_width * sizeof *e->raw);
    }
    e->room = e->vector && (!e->whitening || e->raw) ? n : 0;
    return e->room ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory for %d vectors of %d", n, e->width);
}

static int whiten(const cli_encoder *e, b4c_error *err)
{
    if (b4c_whitening_apply(e->whitening, e->raw, (size_t)e->texts.n, e->width, e->vector, err) < 0)
        return err->code;
    for (int i = 0; i < e->texts.n && e->unit; i++) {
        float *x = e->vector + (size_t)i * (size_t)e->width;
        double length = 0;
        for (int k = 0; k < e->width; k++) length += (double)x[k] * (double)x[k];
        length = sqrt(length);
        for (int k = 0; k < e->width && length > 0; k++) x[k] = (float)((double)x[k] / length);
    }
    return 0;
}

int cli_encoder_run(cli_encoder *e, b4c_error *err)
{
    int rc = b4c_encode(e->model.session, e->texts.text, e->texts.size, e->texts.n, &e->options,
                        e->whitening ? e->raw : e->vector, err);
    if (rc == 0 && e->whitening) rc = whiten(e, err);
    if (rc == 0) cli_count(&e->counts, e->model.session);
    return rc;
}
