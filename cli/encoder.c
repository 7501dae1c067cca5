/* encoder.c - see encoder.h. */
#include "encoder.h"
#include "default_model.h"
#include "utf8.h"
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

int cli_encoder_open(cli_encoder *e, const cli_settings *s, b4c_error *err)
{
    int rc = cli_model_open(&e->model, s, CLI_DEFAULT_ENCODER, CLI_ENCODER, err);
    if (rc == 0) rc = read_options(&e->model, s, &e->options, err);
    if (rc == 0) rc = e->width = b4c_encode_width(e->model.session, &e->options, err);
    return rc < 0 ? rc : 0;
}

void cli_encoder_close(cli_encoder *e)
{
    cli_texts_done(&e->texts);
    free(e->vector);
    cli_model_close(&e->model);
}

int cli_encoder_load(cli_encoder *e, const cli_chunk *c, int parts, b4c_error *err)
{
    if (cli_texts_make(&e->texts, c, parts, err) < 0) return err->code;
    const int n = e->texts.n;
    if (n <= e->room) return 0;
    free(e->vector);
    e->vector = malloc((size_t)n * (size_t)e->width * sizeof *e->vector);
    e->room = e->vector ? n : 0;
    return e->vector ? 0
                     : cli_fail(err, B4C_E_MEMORY, "no memory for %d vectors of %d", n, e->width);
}

int cli_encoder_run(cli_encoder *e, b4c_error *err)
{
    const int rc = b4c_encode(e->model.session, e->texts.text, e->texts.size, e->texts.n,
                              &e->options, e->vector, err);
    if (rc == 0) cli_count(&e->counts, e->model.session);
    return rc;
}
