/* train.c - b4c_trainer: a recipe's words become an open model, tokenizer and teacher. */
#include "api/train_write.h"
#include "base/error.h"
#include "model/config.h"
#include "train/trainer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that a trainer's parts point at. */
typedef struct opened {
    b4c_trainer trainer;
    b4c_spec spec;
    b4c_store store;
    json_t *config;
    b4c_tokenizer *tokenizer;
    b4c_tokenizer_info tokens;
    b4c_habits habits;
    b4c_train_writer writer;
    b4c_model *teacher;
} opened;

static int read_config(opened *o, const b4c_recipe *r, b4c_error *err)
{
    const char *note;
    char path[4096];
    if (r->config) {
        o->config = json_deep_copy(r->config);
        if (!o->config) return b4c_fail(err, B4C_E_MEMORY, "no memory for the configuration");
        return b4c_config_read(&o->spec, o->config, NULL, r->where, &note, err);
    }
    if (snprintf(path, sizeof path, "%s/config.json", r->from) >= (int)sizeof path ||
        !b4c_file_exists(path))
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: there is no config.json; a training begins from a model's folder in "
                        "the hub's layout: convert the model first",
                        r->from);
    B4C_TRY(b4c_store_open(&o->store, r->from, err));
    o->config = b4c_json_file(path, err);
    if (!o->config) return err->code < 0 ? err->code : B4C_E_FORMAT;
    B4C_TRY(b4c_config_read(&o->spec, o->config, &o->store, path, &note, err));
    const char *as = NULL;
    B4C_TRY(b4c_json_text(o->config, "bert4c_as", &as, path, err));
    return as ? b4c_config_follow(&o->spec, as, path, err) : 0;
}

static int open_tokenizer(opened *o, const b4c_recipe *r, b4c_error *err)
{
    const char *path = r->tokenizer ? r->tokenizer : r->from;
    o->tokenizer = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, err);
    if (!o->tokenizer) return err->code < 0 ? err->code : B4C_E_MISSING;
    const int tokens = b4c_tokenizer_count(o->tokenizer);
    if (tokens <= o->spec.vocabulary) return 0;
    return b4c_fail(err, B4C_E_FORMAT,
                    "%s: the tokenizer has %d tokens, the model only %d; raise vocab_size or take "
                    "another tokenizer",
                    path, tokens, o->spec.vocabulary);
}

/* The teacher's vectors are made as its files say: else by its pooler, which is linear here. */
static int open_teacher(opened *o, const b4c_recipe *r, b4c_trainer_parts *parts, b4c_error *err)
{
    if (!r->teacher) return 0;
    o->teacher = b4c_model_open(r->teacher, NULL, err);
    if (!o->teacher) return err->code;
    if (o->teacher->info.dense_steps || o->teacher->settings.unsupported)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: the teacher's vectors go through steps behind the pooling, which "
                        "training does not do",
                        r->teacher);
    const b4c_pooling said = o->teacher->settings.pooling;
    parts->teacher.net = &o->teacher->net;
    parts->teacher.pooling = said == B4C_POOL_MEAN             ? B4C_TASK_MEAN
                             : said == B4C_POOL_CLS            ? B4C_TASK_FIRST
                             : o->teacher->net.has_pooler      ? B4C_TASK_POOLER
                                                               : B4C_TASK_FIRST;
    parts->teacher_tokenizer = o->teacher->tokenizer;
    return 0;
}

static int find_ends(opened *o, const b4c_recipe *r, b4c_trainer_parts *parts, b4c_error *err)
{
    b4c_habits *h = &o->habits;
    json_t *report = json_object();
    b4c_tokenizer_describe(o->tokenizer, &o->tokens);
    const int rc = b4c_habits_read(h, &o->spec, o->config, r->from ? r->from : ".", &o->tokens,
                                   b4c_tokenizer_count(o->tokenizer), report, err);
    json_decref(report);
    if (rc < 0) return rc;
    parts->start = o->spec.decoder_layers ? h->n_start ? h->start[0] : -1
                   : o->tokens.bos >= 0   ? o->tokens.bos
                                          : o->tokens.cls;
    parts->end = h->n_end ? h->end[0] : -1;
    if (o->spec.decoder_layers && (parts->start < 0 || parts->end < 0))
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: neither config.json nor the tokenizer says what the decoder starts "
                        "and ends with; set decoder_start_token_id and eos_token_id",
                        r->from ? r->from : r->where);
    return 0;
}

static int open_all(opened *o, b4c_recipe *r, const b4c_trainer_options *options, b4c_error *err)
{
    b4c_trainer_parts parts = { .spec = &o->spec,
                                .open_feed = b4c_feed_open,
                                .correlate = b4c_spearman,
                                .resume = options->resume,
                                .ranks = options->ranks,
                                .source = r->from };
    parts.threads = options->threads ? options->threads : b4c_cpu_count();
    B4C_TRY(read_config(o, r, err));
    B4C_TRY(open_tokenizer(o, r, err));
    B4C_TRY(open_teacher(o, r, &parts, err));
    B4C_TRY(find_ends(o, r, &parts, err));
    parts.config = o->config;
    parts.store = r->from ? &o->store : NULL;
    parts.tokenizer = o->tokenizer;
    o->writer = (b4c_train_writer){ o->tokenizer, &o->tokens, &o->habits, parts.threads };
    parts.scribe = (b4c_scribe){ &o->writer, b4c_train_write, b4c_train_fill, b4c_overlap_measure };
    return b4c_trainer_begin(&o->trainer, r, &parts, err);
}

static void close_all(opened *o)
{
    b4c_trainer_done(&o->trainer);
    b4c_store_close(&o->store);
    json_decref(o->config);
    b4c_tokenizer_free(o->tokenizer);
    b4c_model_free(o->teacher);
    b4c_habits_done(&o->habits);
    free(o);
}

/* The trainer is the first member of what was opened. */
b4c_trainer *b4c_trainer_open(const char *recipe, const b4c_trainer_options *options,
                              b4c_error *err)
{
    const b4c_trainer_options none = { 0 };
    b4c_error own = { 0 };
    b4c_recipe r;
    if (!err) err = &own;
    if (!options) options = &none;
    if (options->threads < 0 || options->threads > 1024) {
        b4c_fail(err, B4C_E_ARG, "threads is %d, wanted 0 to 1024", options->threads);
        return NULL;
    }
    if (b4c_kernels_check(err) < 0) return NULL;
    if (b4c_recipe_read(&r, recipe, options->set, options->n_set, err) < 0) return NULL;
    opened *o = calloc(1, sizeof *o);
    const int rc = o ? open_all(o, &r, options, err)
                     : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for a training", recipe);
    b4c_recipe_done(&r);
    if (rc == 0) return &o->trainer;
    if (o) close_all(o);
    return NULL;
}

void b4c_trainer_free(b4c_trainer *t)
{
    if (t) close_all((opened *)(void *)t);
}

void b4c_trainer_describe(const b4c_trainer *t, b4c_trainer_info *info) { *info = t->info; }

int b4c_trainer_step(b4c_trainer *t, b4c_train_report *report, b4c_error *err)
{
    return b4c_trainer_run_step(t, report, err);
}

void b4c_trainer_wish_stop(b4c_trainer *t) { t->stop = true; }

int b4c_trainer_save(b4c_trainer *t, b4c_error *err)
{
    return b4c_trainer_write_checkpoint(t, err);
}
