/* hidden.c - what a text's tokens become, layer by layer. */
#include "api/model.h"

#include "base/error.h"
#include <string.h>

typedef struct kept {
    float *out;   /* [layers + 1, rows, width] */
    size_t layer; /* numbers of one */
    int layers;
} kept;

static void keep(void *arg, const char *name, int layer, b4c_tensor x)
{
    const kept *k = arg;
    if (strcmp(name, "hidden") != 0 || layer > k->layers) return;
    for (int r = 0; r < x.rows; r++)
        memcpy(k->out + (size_t)layer * k->layer + (size_t)r * (size_t)x.cols, b4c_row_of(x, r),
               (size_t)x.cols * sizeof *k->out);
}

int b4c_hidden(b4c_session *s, const int32_t *ids, int n, float *out, b4c_error *err)
{
    const b4c_network *net = &s->model->net;
    if (n < 1) return b4c_fail(err, B4C_E_ARG, "%d tokens, wanted 1 at least", n);
    B4C_TRY(b4c_check_ids(&net->spec, ids, NULL, &n, 1, err));
    kept k = { out, (size_t)n * (size_t)net->spec.width, net->spec.layers };
    b4c_tape *t = b4c_crew_joint(&s->crew);
    b4c_tape_reset(t);
    t->look = keep;
    t->look_arg = &k;
    const b4c_mask mask = net->spec.causal && !net->spec.decoder_layers ? B4C_MASK_CAUSAL
                                                                        : B4C_MASK_FULL;
    const b4c_plan plan = b4c_plan_make(t, mask, &n, 1, NULL);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    const b4c_tensor x = b4c_input(t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    b4c_stack_run(t, net, &net->encoder, x, &call);
    const bool failed = t->failed;
    t->look = NULL;
    b4c_crew_apart(&s->crew);
    b4c_crew_rest(&s->crew);
    return failed ? b4c_fail(err, B4C_E_MEMORY, "no memory for %d tokens", n) : 0;
}
