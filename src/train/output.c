/* output.c - see output.h. */
#include "train/output.h"
#include "base/error.h"
#include "base/file.h"
#include "model/classes.h"
#include "model/folder.h"
#include <stdio.h>
#include <stdlib.h>

enum { PATH = 4096 };

char *b4c_output_path(const char *folder, const char *name, b4c_error *err)
{
    char *path = b4c_path_join(folder, name);
    if (!path) b4c_fail(err, B4C_E_MEMORY, "%s: no memory for a file's name", folder);
    return path;
}

int b4c_output_json(const char *folder, const char *name, const json_t *o, b4c_error *err)
{
    return b4c_folder_put_json(folder, name, o, err);
}

/* ---- what the folder says -------------------------------------------------------------------- */

static void say_token(json_t *config, const char *key, int id)
{
    if (id >= 0 && !json_object_get(config, key))
        json_object_set_new(config, key, json_integer(id));
}

/* How the model has learned to read before it writes, and how much it writes: a later use must read
 * so too. */
static void say_reading(json_t *c, const b4c_output_words *w)
{
    if (w->reading == B4C_READ_CAUSAL && !w->spec->causal)
        json_object_set_new(c, "is_decoder", json_true());
    if (w->reading == B4C_READ_PREFIX) json_object_del(c, "is_decoder");
    if (w->reading == B4C_READ_CAUSAL || w->reading == B4C_READ_PREFIX)
        json_object_del(c, "bert4c_closed_source");
    if (w->reading == B4C_READ_CAUSAL && b4c_task_has_source(w->task))
        json_object_set_new(c, "bert4c_closed_source", json_true());
    if (w->written) json_object_set_new(c, "bert4c_written_length", json_integer(w->written));
    if (w->written) json_object_set_new(c, "bert4c_read_length", json_integer(w->read));
}

void b4c_output_config(json_t *c, const b4c_output_words *w)
{
    const b4c_task *k = w->task;
    if (w->fresh) {
        say_token(c, w->spec->decoder_layers ? "decoder_start_token_id" : "bos_token_id", w->start);
        say_token(c, "eos_token_id", w->end);
    }
    json_object_set_new(c, "torch_dtype", json_string("float32"));
    json_object_del(c, "dtype");
    say_reading(c, w);
    if (b4c_task_is_classifier(k))
        b4c_classes_write(c, w->spec, k->classes, w->labels, k->by_pair, b4c_task_pooled_as(k));
}

/* sentence-transformers' files, where it knows the pooling; losses of vectors see unit ones. */
static int write_pooling(const char *folder, const b4c_task *k, int width, b4c_error *err)
{
    const bool mean = k->pooling == B4C_TASK_MEAN, first = k->pooling == B4C_TASK_FIRST;
    if ((!k->by_pair && k->vectors == B4C_VECTORS_FREE) || (!mean && !first)) return 0;
    static const char *const steps[][2] = { { "", "Transformer" },
                                            { "1_Pooling", "Pooling" },
                                            { "2_Normalize", "Normalize" } };
    json_t *modules = json_array();
    for (int i = 0; i < 3; i++)
        json_array_append_new(
            modules, json_pack("{s:i,s:o,s:s,s:o}", "idx", i, "name", json_sprintf("%d", i), "path",
                               steps[i][0], "type",
                               json_sprintf("sentence_transformers.models.%s", steps[i][1])));
    json_t *pooling = json_pack("{s:i,s:b,s:b,s:b}", "word_embedding_dimension", width,
                                "pooling_mode_cls_token", first, "pooling_mode_mean_tokens", mean,
                                "pooling_mode_max_tokens", 0);
    char *part = b4c_output_path(folder, "1_Pooling", err);
    int rc = modules && pooling && part ? b4c_folder_make(part, err) : B4C_E_MEMORY;
    if (rc == 0) rc = b4c_output_json(folder, "modules.json", modules, err);
    if (rc == 0) rc = b4c_output_json(part, "config.json", pooling, err);
    free(part);
    json_decref(modules);
    json_decref(pooling);
    return rc;
}

int b4c_output_begin(const char *folder, const char *source, const char *tokenizer,
                     const json_t *config, const json_t *recipe, const b4c_task *k, int width,
                     b4c_error *err)
{
    char part[PATH];
    if (snprintf(part, sizeof part, "%s/checkpoint", folder) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s...: the name of the folder is too long", folder);
    B4C_TRY(b4c_folder_make(part, err));
    if (source) B4C_TRY(b4c_copy_settings(source, folder, err));
    B4C_TRY(b4c_copy_tokenizer(tokenizer ? tokenizer : source, folder, err));
    B4C_TRY(write_pooling(folder, k, width, err));
    B4C_TRY(b4c_output_json(folder, "config.json", config, err));
    return b4c_output_json(folder, "recipe.json", recipe, err);
}

/* ---- a batch as JSON ------------------------------------------------------------------------- */

static void put_ints(json_t *o, const char *key, const int32_t *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(x[i]));
    json_object_set_new(o, key, list);
}

json_t *b4c_output_batch(const b4c_batch *b)
{
    json_t *o = json_object(), *labels = json_array();
    put_ints(o, "ids", b->ids, b->n_rows);
    put_ints(o, "segments", b->segments, b->n_rows);
    put_ints(o, "targets", b->targets, b->n_rows);
    put_ints(o, "sequences", b->seq_off, b->n_seq + 1);
    put_ints(o, "decoder_ids", b->out_ids, b->n_out);
    put_ints(o, "decoder_targets", b->out_targets, b->n_out);
    put_ints(o, "decoder_sequences", b->out_off, b->n_seq + 1);
    put_ints(o, "examples", b->example_off, b->n_examples + 1);
    for (int i = 0; i < b->n_examples; i++)
        json_array_append_new(labels, json_real((double)b->label[i]));
    json_object_set_new(o, "labels", labels);
    return o;
}
