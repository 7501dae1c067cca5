/* train_write.c - see train_write.h.
 *
 * One idea: a model is its network with what its files say beside it, and a session is lanes to run
 * it on. So a network in training becomes a model for the length of a call, by a copy of its
 * pointers, and writes by the same code as any other; nothing is written to files or read again.
 */
#include "api/train_write.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* The network stays its owner's: what is lent is never freed. */
typedef struct lent {
    b4c_model model;
    b4c_session session;
} lent;

static int lend(lent *l, const b4c_train_writer *w, const b4c_network *net, b4c_error *err)
{
    const b4c_spec *s = &net->spec;
    *l = (lent){ .model = { .net = *net,
                            .loaded = { .head_in_file = net->has_head },
                            .tokenizer = (b4c_tokenizer *)(uintptr_t)w->tokenizer,
                            .tokens = *w->tokens,
                            .habits = *w->habits,
                            .info = { .architecture = s->architecture,
                                      .vocabulary = s->vocabulary,
                                      .has_head = net->has_head,
                                      .has_mlm = net->has_head && !s->causal && !s->decoder_layers,
                                      .max_length = s->max_positions } } };
    l->session.model = &l->model;
    return b4c_crew_init(&l->session.crew, b4c_kernels_get(), net->dtype, w->threads, 0, err);
}

static void take_back(lent *l) { b4c_crew_done(&l->session.crew); }

static int keep_texts(b4c_writing *w, const b4c_generation *g, b4c_error *err)
{
    const int n = w->how.n;
    for (int i = 0; i < g->n; i++)
        for (int k = 0; k < n; k++) {
            const char *text = k < g->count[i] ? g->result[i][k].text : NULL;
            char *copy = strdup(text ? text : "");
            if (!copy) return b4c_fail(err, B4C_E_MEMORY, "no memory for what was written");
            w->text[i * n + k] = copy;
        }
    return 0;
}

int b4c_train_write(void *arg, b4c_writing *w, b4c_error *err)
{
    lent l;
    b4c_generation g = { 0 };
    int rc = lend(&l, arg, w->net, err);
    if (rc == 0)
        rc = b4c_generate_ids(&l.session, w->ids, NULL, w->length, w->n, &w->how, &g, err);
    if (rc == 0) rc = keep_texts(w, &g, err);
    b4c_generation_free(&g);
    take_back(&l);
    return rc;
}

/* ---- masks ----------------------------------------------------------------------------------- */

static char *filled(const b4c_train_writer *w, const char *text, const b4c_fill_result *r,
                    b4c_error *err)
{
    const size_t mask = strlen(b4c_tokenizer_token(w->tokenizer, w->tokens->mask));
    size_t at = 0;
    b4c_buffer out = { 0 };
    for (int k = 0; k < r->masks; k++) {
        const int32_t id = r->best[(size_t)k * (size_t)r->top].id;
        char *token = b4c_detokenize(w->tokenizer, &id, 1, true, err);
        b4c_buffer_add(&out, text + at, r->begin[k] - at);
        b4c_buffer_text(&out, "[");
        b4c_buffer_text(&out, token ? token : "");
        b4c_buffer_text(&out, "]");
        at = r->begin[k] + mask;
        free(token);
    }
    b4c_buffer_add(&out, text + at, strlen(text + at) + 1);
    if (!out.failed) return out.data;
    b4c_fail(err, B4C_E_MEMORY, "no memory for a filled text");
    b4c_buffer_done(&out);
    return NULL;
}

char *b4c_train_fill(void *arg, const b4c_network *net, const char *text, b4c_error *err)
{
    lent l;
    char *out = NULL;
    b4c_fill_result r = { 0 };
    const b4c_fill_options o = { 1, 0, B4C_TRUNCATE_RIGHT };
    int rc = lend(&l, arg, net, err);
    if (rc == 0) rc = b4c_fill(&l.session, text, SIZE_MAX, &o, &r, err);
    if (rc == 0) out = filled(arg, text, &r, err);
    b4c_fill_result_free(&r);
    take_back(&l);
    return out;
}
