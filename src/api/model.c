/* model.c - opening a model: which files it is made of, and whether they belong together.
 *
 * Idea: folder or file, a model is weights (store), a configuration (spec), a tokenizer and
 * settings for vectors; each room reads its own part, here they meet. What one part says that
 * another contradicts (more tokens than embeddings) is an error here.
 */
#include "api/model.h"
#include "api/place.h"

#include "base/error.h"
#include "base/file.h"
#include "model/config.h"
#include "model/folder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

static b4c_dtype wanted_dtype(b4c_dtype dtype)
{
    if (dtype != B4C_AUTO) return dtype;
    return b4c_kernels_get()->bf16_pays ? B4C_BF16 : B4C_F32;
}

static int load_weights(b4c_model *m, const b4c_spec *spec, const b4c_model_options *o,
                        bool classifier, json_t *report, b4c_error *err)
{
    const b4c_load_options lo = {
        .dtype = wanted_dtype(o->dtype),
        .need_head = o->need_head,
        .classifier = classifier,
        .allow_missing = o->allow_missing,
        .check_numbers = o->check_numbers,
        .threads = b4c_load_threads(),
    };
    B4C_TRY(b4c_network_load(&m->net, &m->store, spec, &lo, &m->loaded, report, err));
    m->info.layout = m->store.layout;
    if (!m->loaded.keeps_store) b4c_store_close(&m->store);
    return 0;
}

/* The dense steps, unless others, which are not done, stand among them. */
static int load_dense(b4c_model *m, b4c_error *err)
{
    int width = m->net.spec.width;
    for (int i = 0; !m->settings.unsupported && i < m->settings.n_dense; i++) {
        const b4c_dense_settings *d = &m->settings.dense[i];
        if (d->in != width)
            return b4c_fail(err, B4C_E_SHAPE,
                            "%s: in_features is %d, the vectors before it have %d components; do "
                            "these files belong to one model?",
                            d->folder, d->in, width);
        B4C_TRY(b4c_dense_open(&m->dense[i], d, err));
        m->info.dense_steps = i + 1;
        width = d->out;
    }
    m->info.vector_width = width;
    return 0;
}

static int name_classes(b4c_model *m, const b4c_classes *c, b4c_error *err)
{
    const int n = m->net.classes;
    if (n == 0) return 0;
    const bool of_pairs = m->net.classifier.packed.k > m->net.spec.width;
    m->class_pooling = c->pooling != B4C_POOL_AUTO ? c->pooling
                     : !m->net.has_pooler          ? B4C_POOL_CLS
                     : of_pairs                    ? B4C_POOL_LINEAR
                                                   : B4C_POOL_TANH;
    m->label = calloc((size_t)n, sizeof *m->label);
    for (int i = 0; m->label && i < n; i++) {
        m->label[i] = b4c_classes_name(c, i);
        if (!m->label[i]) return b4c_fail(err, B4C_E_MEMORY, "no memory for names of classes");
    }
    return m->label ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for %d classes", n);
}

static int fit_tokenizer(b4c_model *m, const char *path, const b4c_model_options *o,
                         json_t *report, b4c_error *err)
{
    b4c_tokenizer_options t = B4C_TOKENIZER_DEFAULT;
    if (o->weights_only) return 0;
    t.dialect = o->dialect;
    if (o->lower_case) t.lower_case = 1;
    m->tokenizer = b4c_tokenizer_open_with(path, &t, err);
    if (!m->tokenizer) return err && err->code < 0 ? err->code : B4C_E_MISSING;
    b4c_tokenizer_describe(m->tokenizer, &m->tokens);
    const int tokens = b4c_tokenizer_count(m->tokenizer), rows = m->net.spec.vocabulary;
    if (tokens > rows)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: the tokenizer has %d tokens, the embedding only %d rows; these files "
                        "do not belong to one model",
                        path, tokens, rows);
    json_object_set_new(report, "tokens", json_integer(tokens));
    if (tokens < rows)
        json_object_set_new(report, "rows_without_token", json_integer(rows - tokens));
    if (*m->tokens.notes)
        json_object_set_new(report, "tokenizer_notes", json_string(m->tokens.notes));
    return 0;
}

static int smaller_limit(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void describe(b4c_model *m, int config_length)
{
    const b4c_spec *s = &m->net.spec;
    const char *layout = m->info.layout;
    const int dense_steps = m->info.dense_steps, vectors = m->info.vector_width;
    const int stated = m->settings.max_length ? m->settings.max_length : m->tokens.max_length;
    m->info = (b4c_model_info){
        .architecture = s->architecture,
        .layout = layout,
        .layers = s->layers,
        .width = s->width,
        .heads = s->heads,
        .inner = s->inner,
        .vocabulary = s->vocabulary,
        .embedding_width = s->embedding_width,
        .max_positions = s->max_positions,
        .dtype = m->net.dtype,
        .pooling = m->settings.unsupported ? B4C_POOL_AUTO : m->settings.pooling,
        .normalize = m->settings.normalize,
        .has_pooler = m->net.has_pooler,
        .has_mlm = m->loaded.head_in_file && !s->causal && !s->decoder_layers,
        .has_head = m->loaded.head_in_file,
        .reading = m->habits.reading,
        .end = m->habits.n_end ? m->habits.end[0] : -1,
        .start = s->decoder_layers && m->habits.n_start ? m->habits.start[0] : -1,
        .max_length = smaller_limit(stated, config_length),
        .written_length = m->habits.written_length,
        .read_length = m->habits.read_length,
        .parameters = m->net.parameters,
        .packed_bytes = m->net.bytes,
        .classes = m->net.classes,
        .classes_of_pairs = m->net.classes && m->net.classifier.packed.k > s->width,
        .dense_steps = dense_steps,
        .vector_width = vectors,
        .dim = m->settings.dim && m->settings.dim < vectors ? m->settings.dim : vectors,
    };
}

static int finish_report(b4c_model *m, json_t *report, b4c_error *err)
{
    json_object_set_new(report, "architecture", json_string(m->info.architecture));
    json_object_set_new(report, "dtype", json_string(b4c_dtype_name(m->info.dtype)));
    json_object_set_new(report, "pooling", json_string(b4c_pooling_name(m->info.pooling)));
    if (m->settings.unsupported)
        json_object_set_new(report, "pooling_note", json_string(m->settings.unsupported));
    m->report = json_dumps(report, JSON_COMPACT);
    return m->report ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for the report");
}

static int open_parts(b4c_model *m, b4c_place *p, const char *path, const b4c_model_options *o,
                      json_t *report, b4c_error *err)
{
    b4c_spec spec;
    b4c_classes classes;
    int length = 0;
    json_t *config = NULL;
    B4C_TRY(b4c_place_find(p, &m->settings, path, err));
    B4C_TRY(b4c_store_open(&m->store, p->weights, err));
    int rc = b4c_place_config(p, &m->store, o->as, &spec, &config, report, &length, err);
    if (rc == 0) rc = b4c_classes_read(&classes, config, p->folder, err);
    if (rc == 0) rc = load_weights(m, &spec, o, classes.said, report, err);
    if (rc == 0) rc = load_dense(m, err);
    if (rc == 0) rc = name_classes(m, &classes, err);
    if (rc == 0) rc = fit_tokenizer(m, path, o, report, err);
    if (rc == 0)
        rc = b4c_habits_read(&m->habits, &m->net.spec, config, p->folder,
                             m->tokenizer ? &m->tokens : NULL,
                             m->tokenizer ? b4c_tokenizer_count(m->tokenizer) : 0, report, err);
    json_decref(config);
    if (rc < 0) return rc;
    describe(m, length);
    return finish_report(m, report, err);
}

b4c_model *b4c_model_open(const char *path, const b4c_model_options *options, b4c_error *err)
{
    const b4c_model_options o = options ? *options : B4C_MODEL_DEFAULT;
    b4c_error own = { 0 };
    if (!err) err = &own;
    if (!path || !*path || strlen(path) > PATH / 2) {
        b4c_fail(err, B4C_E_ARG, "the model's path is %s", path && *path ? "too long" : "empty");
        return NULL;
    }
    if (o.dtype < B4C_AUTO || o.dtype > B4C_I4) {
        b4c_fail(err, B4C_E_ARG,
                 "dtype is %d, wanted B4C_AUTO, B4C_F32, B4C_BF16, B4C_I8 or B4C_I4",
                 (int)o.dtype);
        return NULL;
    }
    if (b4c_kernels_check(err) < 0) return NULL;
    b4c_model *m = calloc(1, sizeof *m);
    json_t *report = json_object();
    b4c_place p = { 0 };
    int rc = m && report ? open_parts(m, &p, path, &o, report, err)
                         : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open it", path);
    b4c_place_done(&p);
    json_decref(report);
    if (rc == 0) return m;
    b4c_model_free(m);
    return NULL;
}

void b4c_model_free(b4c_model *m)
{
    if (!m) return;
    for (int i = 0; m->label && i < m->net.classes; i++) free(m->label[i]);
    free(m->label);
    b4c_habits_done(&m->habits);
    for (int i = 0; i < B4C_DENSE_MOST; i++) b4c_dense_done(&m->dense[i]);
    b4c_network_done(&m->net);
    b4c_store_close(&m->store);
    b4c_tokenizer_free(m->tokenizer);
    b4c_embed_settings_done(&m->settings);
    free(m->report);
    free(m);
}

void b4c_model_describe(const b4c_model *m, b4c_model_info *info) { *info = m->info; }
const b4c_tokenizer *b4c_model_tokenizer(const b4c_model *m) { return m->tokenizer; }
const char *b4c_model_report(const b4c_model *m) { return m->report; }
const char *b4c_model_file(int i) { return b4c_folder_name(i); }

const char *b4c_model_label(const b4c_model *m, int i)
{
    return i >= 0 && i < m->info.classes ? m->label[i] : NULL;
}

const char *b4c_model_prompt(const b4c_model *m, const char *name)
{
    return name ? json_string_value(json_object_get(m->settings.prompts, name))
                : m->settings.prompt;
}
