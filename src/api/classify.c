/* classify.c - classes of texts and of pairs.
 *
 * One idea: a classifier is one product behind the vectors that encoding makes anyway: of a text,
 * or of a pair read as one sequence; or of two texts apart, as [u, v, |u - v|], for which the texts
 * of pairs are encoded in turns.
 */
#include "api/model.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1024 }; /* rows of features at once */

typedef struct classifying {
    b4c_session *s;
    b4c_embedding how;
    b4c_tokenize_options reading;
    float *vector;           /* [n, width]; of classes of pairs [2 n, width] */
    const char **both;       /* [2 n] the texts of those, in turns */
    size_t *both_size;
} classifying;

static int resolve(classifying *x, const b4c_classify_options *options, bool pairs, b4c_error *err)
{
    const b4c_classify_options o = options ? *options : B4C_CLASSIFY_DEFAULT;
    const b4c_model *m = x->s->model;
    const int most = m->net.spec.max_positions;
    if (!m->net.classes)
        return b4c_fail(err, B4C_E_MISSING,
                        "the model's files hold no classifier of texts; train one (task 'classify' "
                        "or 'pairs'), or take a ...ForSequenceClassification");
    if (!m->tokenizer)
        return b4c_fail(err, B4C_E_ARG, "the model was opened without its tokenizer");
    if (m->info.classes_of_pairs && !pairs)
        return b4c_fail(err, B4C_E_ARG,
                        "the model classifies pairs, and there is one text of each");
    if (o.max_length < 0 || (most && o.max_length > most))
        return b4c_fail(err, B4C_E_ARG, "max_length is %d, the model reads at most %d tokens",
                        o.max_length, most);
    x->how = (b4c_embedding){ .net = &m->net, .pooling = m->class_pooling,
                              .width = m->net.spec.width };
    const bool pooler = x->how.pooling == B4C_POOL_LINEAR || x->how.pooling == B4C_POOL_TANH;
    if (pooler && !m->net.has_pooler)
        return b4c_fail(err, B4C_E_MISSING,
                        "the model's classifier reads the pooler, which its files do not hold");
    x->reading = (b4c_tokenize_options){
        .max_length = o.max_length ? o.max_length : m->info.max_length, .truncate = o.truncate
    };
    return 0;
}

/* Texts of pairs in turns, in place of the input's. */
static int take_turns(classifying *x, b4c_embed_input *in, b4c_error *err)
{
    const size_t n = (size_t)in->n;
    x->both = malloc((2 * n + 1) * sizeof *x->both);
    x->both_size = malloc((2 * n + 1) * sizeof *x->both_size);
    if (!x->both || !x->both_size)
        return b4c_fail(err, B4C_E_MEMORY, "no memory for %d pairs", in->n);
    for (size_t i = 0; i < n; i++) {
        x->both[2 * i] = in->text[i];
        x->both[2 * i + 1] = in->second[i];
        x->both_size[2 * i] = in->size ? in->size[i] : strlen(in->text[i]);
        x->both_size[2 * i + 1] = in->second_size ? in->second_size[i] : strlen(in->second[i]);
    }
    *in = (b4c_embed_input){ .text = x->both, .size = x->both_size, .n = 2 * in->n };
    return 0;
}

/* Logits [rows, classes] of vectors; false: no memory. */
static bool multiply(b4c_session *s, float *vector, int rows, bool pairs, float *logits)
{
    const b4c_network *net = &s->model->net;
    b4c_tape *t = b4c_crew_joint(&s->crew);
    b4c_tape_reset(t);
    b4c_tensor x = b4c_tensor_of(vector, pairs ? 2 * rows : rows, net->spec.width, NULL);
    if (pairs) x = b4c_pair_features(t, x);
    x = b4c_linear(t, x, &net->classifier, B4C_ACT_NONE, B4C_ROWS);
    for (int i = 0; !t->failed && i < rows; i++, logits += net->classes)
        memcpy(logits, b4c_row_of(x, i), (size_t)net->classes * sizeof *logits);
    b4c_crew_apart(&s->crew);
    return !t->failed;
}

static int classify(classifying *x, b4c_embed_input in, float *logits, b4c_error *err)
{
    b4c_session *s = x->s;
    const b4c_network *net = &s->model->net;
    const bool pairs = s->model->info.classes_of_pairs;
    const int n = in.n;
    const size_t width = (size_t)net->spec.width, row = pairs ? 2 * width : width;
    bool good = true;
    if (pairs) B4C_TRY(take_turns(x, &in, err));
    x->vector = malloc(((size_t)n * row + 1) * sizeof *x->vector);
    if (!x->vector) return b4c_fail(err, B4C_E_MEMORY, "no memory for vectors of %d texts", n);
    B4C_TRY(b4c_embed_texts(&s->reader, &s->crew, &x->how, &x->reading, &in, x->vector, &s->stats,
                            err));
    for (int i = 0; i < n && good; i += SLICE)
        good = multiply(s, x->vector + (size_t)i * row, n - i < SLICE ? n - i : SLICE, pairs,
                        logits + (size_t)i * (size_t)net->classes);
    b4c_crew_rest(&s->crew);
    return good ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for the classes of %d texts", n);
}

int b4c_classify(b4c_session *s, const char *const *texts, const size_t *lens,
                 const char *const *second, const size_t *second_lens, int n,
                 const b4c_classify_options *options, float *logits, b4c_error *err)
{
    const b4c_embed_input in = { .text = texts, .size = lens, .second = second,
                                 .second_size = second_lens, .n = n };
    classifying x = { .s = s };
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d texts, wanted 0 or more", n);
    int rc = resolve(&x, options, second != NULL, err);
    if (rc == 0) rc = classify(&x, in, logits, err);
    free(x.vector);
    free(x.both);
    free(x.both_size);
    return rc;
}
