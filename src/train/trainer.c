/* trainer.c - the course of a training. See trainer.h.
 *
 *     recipe ─► task, network, optimiser ─► feeds ─► (checkpoint) ─► step, step, ... ─► model
 *
 * A step: as many batches as the recipe adds up, the learner's step, a line of the log; then, when
 * their turn comes, evaluation (which may write the model), checkpoint, and at the last step the
 * model if no evaluation chose one.
 */
#include "train/trainer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/pool.h"
#include "model/save.h"
#include "train/budget.h"
#include "train/corpus.h"
#include "train/curve.h"
#include "train/evaluate.h"
#include "train/output.h"
#include "train/samples.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char checkpoint_name[] = "checkpoint/training.safetensors";

/* ---- the network ----------------------------------------------------------------------------- */

/* A parameter's name: the source's, or a new checkpoint's. */
static const char *name_of(void *arg, const b4c_parameter *p, char *out, size_t room)
{
    const b4c_trainer *t = arg;
    const int i = (int)(p - t->learner.list.item);
    if (t->mapped && *t->name[i]) snprintf(out, room, "%s", t->name[i]);
    else b4c_mapping_new_name(&t->map, &t->learner.net.spec, p, out, room);
    return out;
}

static int keep_names(b4c_trainer *t, const b4c_store *store, b4c_error *err)
{
    const b4c_parameters *list = &t->learner.list;
    t->name = calloc((size_t)list->n, sizeof *t->name);
    if (!t->name) return b4c_fail(err, B4C_E_MEMORY, "no memory for tensors' names");
    t->mapped = true;
    for (int i = 0; i < list->n; i++) {
        const int k = b4c_mapping_tensor(&t->map, store, &list->item[i]);
        if (k >= 0) snprintf(t->name[i], sizeof *t->name, "%s", store->tensor[k].name);
    }
    return 0;
}

static int load(b4c_trainer *t, const b4c_network_options *o, b4c_error *err)
{
    b4c_store *store = t->parts.store;
    b4c_loaded loaded;
    json_t *report = json_object();
    const b4c_load_options lo = { .dtype = o->dtype, .need_head = o->head, .check_numbers = true,
                                  .threads = t->parts.threads, .trained = o,
                                  .list = &t->learner.list };
    int rc = b4c_network_load(&t->learner.net, store, t->parts.spec, &lo, &loaded, report, err);
    if (rc == 0) rc = b4c_mapping_find(&t->map, t->parts.spec, store, err);
    if (rc == 0 && strncmp(b4c_naming_name(t->map.naming), "hub", 3) != 0)
        rc = b4c_fail(err, B4C_E_UNSUPPORTED,
                      "%s: the tensors have the names of layout '%s', and what is trained is "
                      "written in the hub's; convert the model first",
                      t->recipe.from, b4c_naming_name(t->map.naming));
    if (rc == 0 && b4c_task_is_hub_classifier(&t->learner.task, t->parts.spec)) {
        b4c_mapping_done(&t->map); /* whose library finds the classifier by the model's own names */
        rc = b4c_mapping_hub(&t->map, t->parts.spec, err);
    } else if (rc == 0) {
        rc = keep_names(t, store, err);
    }
    b4c_store_close(store);
    json_decref(report);
    return rc;
}

static int make_network(b4c_trainer *t, b4c_error *err)
{
    const b4c_task *k = &t->learner.task;
    const b4c_dtype dtype = t->recipe.dtype;
    const b4c_network_options o = {
        .dtype = dtype == B4C_AUTO ? b4c_kernels_get()->bf16_pays ? B4C_BF16 : B4C_F32 : dtype,
        .pooler = b4c_task_needs_pooler(k),
        .head = b4c_task_needs_head(k) || k->kind == B4C_TASK_DISTIL,
        .classes = k->classes,
        .class_cols = b4c_task_class_cols(k, t->parts.spec),
        .class_bias = !k->two_tasks,
        .trained = true,
    };
    const bool fresh = !t->parts.store;
    if (fresh) {
        B4C_TRY(b4c_mapping_hub(&t->map, t->parts.spec, err));
        B4C_TRY(b4c_network_init(&t->learner.net, t->parts.spec, &o, &t->learner.list, err));
    } else {
        B4C_TRY(load(t, &o, err));
    }
    t->added = b4c_learner_begin(&t->learner.net, &t->learner.list, t->recipe.deviation,
                                 t->recipe.seed, !fresh);
    return t->added < 0 ? b4c_fail(err, B4C_E_MEMORY, "no memory for random weights") : 0;
}

static int make_learner(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    b4c_lora_options lora = r->lora;
    lora.targets = r->lora_targets;
    lora.also = r->lora_also;
    const b4c_learner_options o = {
        .leaf = { .name = name_of, .name_arg = t, .freeze = r->freeze, .n_freeze = r->n_freeze,
                  .no_decay = r->no_decay, .n_no_decay = r->n_no_decay,
                  .layer_rate = r->layer_rate, .lora = lora },
        .optimiser = r->optimiser, .task = t->learner.task, .teacher = t->parts.teacher,
        .clip = r->clip, .adversarial = r->adversarial, .seed = r->seed, .pool = t->pool,
        .ranks = t->parts.ranks,
        .one_batch = t->batches == 1,
    };
    return b4c_learner_init(&t->learner, &o, err);
}

/* ---- data ------------------------------------------------------------------------------------ */

int b4c_trainer_length(const b4c_trainer *t, int wanted)
{
    const int most = t->parts.spec->max_positions;
    return wanted ? wanted : most ? most : 512;
}

static int limit_of(const b4c_trainer *t, int wanted, const char *what, b4c_error *err)
{
    const int most = t->parts.spec->max_positions;
    if (most && wanted > most)
        return b4c_fail(err, B4C_E_ARG, "%s: \"%s\" is %d, the model has %d positions",
                        t->recipe.where, what, wanted, most);
    return b4c_trainer_length(t, wanted);
}

static int open_feed(b4c_trainer *t, bool held_out, b4c_feed **feed, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    const bool by_label = held_out && t->metric == B4C_METRIC_SPEARMAN;
    const int length = limit_of(t, r->max_length, "max_length", err);
    const int target = length < 0 ? length : limit_of(t, r->max_target, "max_target", err);
    if (target < 0) return target;
    const b4c_feed_wish w = {
        .task = by_label ? B4C_TASK_COSENT : r->task,
        .data = held_out && r->evaluate_data ? r->evaluate_data : r->data,
        .folder = ".",
        .tokenizer = t->parts.tokenizer,
        .teacher = t->parts.teacher_tokenizer,
        .encoder_decoder = t->parts.spec->decoder_layers > 0,
        .start = t->parts.start,
        .end = t->parts.end,
        .vocabulary = t->parts.spec->vocabulary,
        .classes = by_label ? 0 : r->classes,
        .max_length = length,
        .max_target = target,
        .batch_tokens = r->batch_tokens,
        .batch_examples = r->batch_examples,
        .seed = r->seed,
        .held_out = held_out && !r->evaluate_data,
        .once = held_out,
    };
    return t->parts.open_feed(feed, &w, err);
}

int b4c_trainer_batch(const b4c_trainer *t, b4c_feed *feed, b4c_batch *b, bool pairs,
                      b4c_error *err)
{
    const b4c_spec *s = t->parts.spec;
    const int rc = feed->next(feed, b, err);
    if (rc <= 0) return rc;
    B4C_TRY(b4c_batch_check(b, s->vocabulary, s->max_positions, err));
    for (int e = 0; pairs && e < b->n_examples; e++)
        if (b->example_off[e + 1] - b->example_off[e] < 2)
            return b4c_fail(err, B4C_E_ARG, "a pair of the held-out data has one text");
    if (!pairs) B4C_TRY(b4c_task_check(&t->learner.task, s, b, err));
    return 1;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int resume(b4c_trainer *t, b4c_error *err)
{
    json_t *old = NULL;
    char *path = b4c_output_path(t->recipe.output, checkpoint_name, err);
    if (!path) return B4C_E_MEMORY;
    int rc = b4c_file_exists(path)
               ? b4c_checkpoint_read(path, &t->learner, &t->standing, &old, err)
               : b4c_fail(err, B4C_E_MISSING, "%s: there is no checkpoint to resume from", path);
    if (rc == 0) rc = b4c_recipe_same(&t->recipe, old, path, err);
    if (rc == 0 && t->standing.batches != t->batches)
        rc = b4c_fail(err, B4C_E_ARG,
                      "%s: a step was of %d batches, and would be of %d now (\"accumulate\" times "
                      "ranks); resume with as many",
                      path, t->standing.batches, t->batches);
    if (rc == 0) rc = t->feed->seek(t->feed, t->standing.place, err);
    json_decref(old);
    free(path);
    return rc;
}

/* Tokens of the longest text that the task asks to be written; 0: it asks for none. */
static int longest_written(const b4c_trainer *t)
{
    const b4c_task *k = &t->learner.task;
    const int length = b4c_trainer_length(t, t->recipe.max_length),
              target = b4c_trainer_length(t, t->recipe.max_target);
    if (k->kind == B4C_TASK_LM) return length;
    if (!b4c_task_has_source(k)) return 0;
    if (k->vectors != B4C_VECTORS_FREE) return length / 2;   /* SimBERT's kind: two halves */
    return target < length ? target : length;
}

/* And of the longest that stands before it. */
static int longest_read(const b4c_trainer *t)
{
    const int length = b4c_trainer_length(t, t->recipe.max_length);
    return t->learner.task.vectors != B4C_VECTORS_FREE ? length / 2 : length;
}

/* The output folder, new; one with a checkpoint in it is somebody's work. */
static int begin_output(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    char *path = b4c_output_path(r->output, checkpoint_name, err);
    if (!path) return B4C_E_MEMORY;
    const bool taken = b4c_file_exists(path);
    free(path);
    if (taken)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: a training has left its checkpoint here; resume it, or name another "
                        "output",
                        r->output);
    const b4c_output_words words = { .spec = t->parts.spec, .task = &t->learner.task,
                                     .fresh = !t->parts.source, .start = t->parts.start,
                                     .end = t->parts.end,
                                     .reading = b4c_trainer_reading(t),
                                     .written = longest_written(t),
                                     .read = longest_read(t),
                                     .labels = json_object_get(r->data, "labels") };
    b4c_output_config(t->parts.config, &words);
    return b4c_output_begin(r->output, t->parts.source, r->tokenizer, t->parts.config, r->json,
                            &t->learner.task, t->parts.spec->width, err);
}

static int open_log(b4c_trainer *t, b4c_error *err)
{
    char *path = b4c_output_path(t->recipe.output, "log.jsonl", err);
    if (!path) return B4C_E_MEMORY;
    int rc = 0;
    t->log = fopen(path, t->parts.resume ? "r+" : "w");
    if (!t->log || ftruncate(fileno(t->log), (off_t)t->standing.log_bytes) < 0 ||
        fseek(t->log, 0, SEEK_END) < 0)
        rc = b4c_fail(err, B4C_E_IO, "%s: cannot open the log for writing", path);
    free(path);
    return rc;
}

static void describe(b4c_trainer *t)
{
    const b4c_recipe *r = &t->recipe;
    const b4c_learner *l = &t->learner;
    int64_t trained = 0;
    for (int i = 0; i < l->leaves.n; i++)
        if (b4c_leaf_learns(&l->leaves.item[i])) trained += (int64_t)l->leaves.item[i].n;
    t->info = (b4c_trainer_info){
        .task = b4c_task_name(r->task), .output = r->output,
        .architecture = t->parts.spec->architecture,
        .optimiser = b4c_optimiser_name(r->optimiser.kind),
        .metric = r->evaluate ? b4c_metric_name(t->metric) : NULL,
        .steps = r->steps, .step = t->standing.step,
        .parameters = l->net.parameters, .trained = trained, .records = t->feed->records,
        .left_out = t->feed->left_out, .unknown = t->feed->unknown,
        .added = t->parts.source ? t->added : 0, .threads = b4c_pool_lanes(t->pool),
        .ranks = b4c_exchange_ranks(&l->exchange),
        .dtype = l->net.dtype,
        .weights = t->footprint.weights,
        .gradients = t->footprint.gradients,
        .state = t->footprint.state,
        .activations = t->footprint.step + t->footprint.plain,
        .rest = t->footprint.rest,
    };
}

static bool writes(const b4c_trainer *t) { return b4c_exchange_rank(&t->learner.exchange) == 0; }

static uint64_t text_digest(const char *text)
{
    return b4c_bytes_hash((b4c_span){ (const unsigned char *)text, strlen(text) });
}

/* Do all ranks train the same? Alone there is nothing to compare. */
static int agree(b4c_trainer *t, b4c_error *err)
{
    if (b4c_exchange_ranks(&t->learner.exchange) == 1) return 0;
    char *recipe = json_dumps(t->recipe.json, JSON_COMPACT | JSON_SORT_KEYS);
    const b4c_common common[] = {
        { "version", text_digest(B4C_VERSION) },
        { "recipe", text_digest(recipe ? recipe : "") },
        { "number of records", (uint64_t)t->feed->records },
        { "set of weights", b4c_exchange_digest(&t->learner.leaves) },
        { "step", (uint64_t)t->standing.step },
    };
    free(recipe);
    return b4c_exchange_agree(&t->learner.exchange, common, sizeof common / sizeof *common, err);
}

static int begin(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    t->standing.best = NAN;
    t->batches = r->accumulate * (t->parts.ranks ? t->parts.ranks->n : 1);
    t->standing.batches = t->batches;
    if (t->batches > r->accumulate && r->adversarial > 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: \"adversarial\" wants the gradients of all ranks before the second "
                        "pass; train on one", r->where);
    B4C_TRY(b4c_task_make(&t->learner.task, r->task, t->parts.spec, r->classes, err));
    B4C_TRY(b4c_recipe_task(r, &t->learner.task, t->parts.spec, err));
    B4C_TRY(b4c_evaluate_begin(t, err));
    B4C_TRY(b4c_samples_begin(t, err));
    if (t->parts.threads > 1) t->pool = b4c_pool_new(t->parts.threads);
    if (t->parts.threads > 1 && !t->pool)
        return b4c_fail(err, B4C_E_MEMORY, "no %d threads to be had", t->parts.threads);
    t->batch = calloc((size_t)t->batches, sizeof *t->batch);
    if (!t->batch) return b4c_fail(err, B4C_E_MEMORY, "no memory for %d batches", t->batches);
    for (int i = 0; i < t->batches; i++) b4c_batch_init(&t->batch[i]);
    b4c_batch_init(&t->measured);
    B4C_TRY(open_feed(t, false, &t->feed, err));
    if (r->evaluate) B4C_TRY(open_feed(t, true, &t->held_out, err));
    const size_t before = b4c_memory_resident();
    B4C_TRY(make_network(t, err));
    B4C_TRY(make_learner(t, err));
    B4C_TRY(b4c_budget_make(t, before, err));
    if (t->parts.resume) B4C_TRY(resume(t, err));
    B4C_TRY(agree(t, err));
    if (!t->parts.resume && writes(t)) B4C_TRY(begin_output(t, err));
    if (writes(t)) B4C_TRY(open_log(t, err));
    describe(t);
    return 0;
}

int b4c_trainer_begin(b4c_trainer *t, b4c_recipe *recipe, const b4c_trainer_parts *parts,
                      b4c_error *err)
{
    *t = (b4c_trainer){ .recipe = *recipe, .parts = *parts };
    *recipe = (b4c_recipe){ 0 };
    const int rc = begin(t, err);
    if (rc < 0) b4c_trainer_done(t);
    return rc;
}

void b4c_trainer_done(b4c_trainer *t)
{
    if (t->log) fclose(t->log);
    if (t->feed) t->feed->free(t->feed);
    if (t->held_out) t->held_out->free(t->held_out);
    for (int i = 0; t->batch && i < t->batches; i++) b4c_batch_done(&t->batch[i]);
    free(t->batch);
    b4c_batch_done(&t->measured);
    b4c_samples_done(&t->samples);
    b4c_learner_done(&t->learner);
    b4c_mapping_done(&t->map);
    free(t->name);
    b4c_pool_free(t->pool);
    b4c_recipe_done(&t->recipe);
    *t = (b4c_trainer){ 0 };
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_model(b4c_trainer *t, b4c_error *err)
{
    if (!writes(t)) return 0;
    char *path = b4c_output_path(t->recipe.output, "model.safetensors", err);
    if (!path) return B4C_E_MEMORY;
    const int rc = b4c_network_save(path, &t->learner.list, &t->map, name_of, t, B4C_STORED_F32,
                                    err);
    free(path);
    return rc;
}

/* A picture that cannot be drawn is no reason to stop. */
static void draw_curve(const b4c_trainer *t)
{
    char *log = b4c_output_path(t->recipe.output, "log.jsonl", NULL);
    char *picture = b4c_output_path(t->recipe.output, "curve.svg", NULL);
    if (log && picture)
        b4c_curve_write(log, t->recipe.evaluate ? b4c_metric_name(t->metric) : NULL, picture, NULL);
    free(log);
    free(picture);
}

static int write_checkpoint(b4c_trainer *t, b4c_error *err)
{
    if (t->learner.halfway)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: the last step failed halfway, so that its weights are no checkpoint; "
                        "resume from the one before",
                        t->recipe.output);
    char *path = b4c_output_path(t->recipe.output, checkpoint_name, err);
    if (!path) return B4C_E_MEMORY;
    int rc = 0;
    if (fflush(t->log) != 0 || ferror(t->log) || fsync(fileno(t->log)) < 0)
        rc = b4c_fail(err, B4C_E_IO, "%s/log.jsonl: cannot write; is the disk full?",
                      t->recipe.output);
    t->standing.log_bytes = (int64_t)ftell(t->log);
    if (rc == 0)
        rc = b4c_checkpoint_write(path, &t->learner, &t->standing, t->recipe.json, err);
    if (rc == 0) draw_curve(t);
    free(path);
    return rc;
}

/* With others only where all of them still have the same weights. */
int b4c_trainer_write_checkpoint(b4c_trainer *t, b4c_error *err)
{
    B4C_TRY(agree(t, err));
    return writes(t) ? write_checkpoint(t, err) : 0;
}

static void keep_bad_batches(const b4c_trainer *t)
{
    json_t *list = json_array();
    for (int i = b4c_exchange_rank(&t->learner.exchange); i < t->batches;
         i += b4c_exchange_ranks(&t->learner.exchange))
        json_array_append_new(list, b4c_output_batch(&t->batch[i]));
    b4c_output_json(t->recipe.output, "bad_batch.json", list, NULL);
    json_decref(list);
}

/* ---- evaluating ------------------------------------------------------------------------------ */

static bool is_better(const b4c_trainer *t, double value)
{
    const double best = t->standing.best;
    if (!isfinite(value)) return false;
    if (!isfinite(best)) return true;
    return b4c_metric_falls(t->metric) ? value < best : value > best;
}

/* The model that is measured and written is the moving average, where there is one. */
static void change_places(b4c_trainer *t)
{
    if (!t->learner.optimiser.ema) return;
    b4c_optimiser_swap_ema(&t->learner.optimiser);
    b4c_lora_sum(&t->learner.leaves.lora, t->pool);
}

/* Where texts were written their other measures cost nothing. */
static void log_evaluation(const b4c_trainer *t, const b4c_evaluation *e, bool best)
{
    if (!isfinite(e->value) || !writes(t)) return;
    fprintf(t->log, "{\"step\":%lld", (long long)t->standing.step);
    if (e->wrote)
        fprintf(t->log, ",\"rouge1\":%.9g,\"rouge2\":%.9g,\"rougeL\":%.9g,\"bleu\":%.9g",
                e->overlap.rouge_1, e->overlap.rouge_2, e->overlap.rouge_l, e->overlap.bleu);
    else fprintf(t->log, ",\"%s\":%.9g", b4c_metric_name(t->metric), e->value);
    fprintf(t->log, ",\"best\":%s}\n", best ? "true" : "false");
}

static int evaluate(b4c_trainer *t, b4c_train_report *r, b4c_error *err)
{
    b4c_evaluation e;
    change_places(t);
    int rc = b4c_evaluate(t, &e, err);
    if (rc == 0) {
        r->measure = e.value;
        r->evaluated = true;
        r->best = is_better(t, r->measure);
        if (r->best) {
            t->standing.best = r->measure;
            t->standing.best_step = t->standing.step;
            rc = write_model(t, err);
        }
        log_evaluation(t, &e, r->best);
    }
    change_places(t);
    return rc;
}

static int write_samples(b4c_trainer *t, b4c_train_report *r, b4c_error *err)
{
    change_places(t);
    const int rc = b4c_samples_write(t, r, err);
    change_places(t);
    return rc;
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void log_step(const b4c_trainer *t, const b4c_train_report *r, const b4c_losses *l)
{
    fprintf(t->log, "{\"step\":%lld,\"loss\":%.9g", (long long)r->step, r->loss);
    if (l->n_tokens && l->tokens != r->loss) fprintf(t->log, ",\"token_loss\":%.9g", l->tokens);
    if (t->learner.task.vectors != B4C_VECTORS_FREE && l->vectors != r->loss)
        fprintf(t->log, ",\"vector_loss\":%.9g", l->vectors);
    if (t->learner.task.rdrop > 0) fprintf(t->log, ",\"apart\":%.9g", l->apart);
    if (l->n_classes) fprintf(t->log, ",\"accuracy\":%.9g", r->accuracy);
    fprintf(t->log, ",\"norm\":%.9g,\"rate\":%.9g,\"tokens\":%d}\n", r->norm, r->rate, r->tokens);
}

static int take_step(b4c_trainer *t, b4c_train_report *r, b4c_error *err)
{
    const b4c_recipe *rp = &t->recipe;
    b4c_step_result result;
    for (int i = 0; i < t->batches; i++) {
        const int rc = b4c_trainer_batch(t, t->feed, &t->batch[i], false, err);
        if (rc < 0) return rc;
        if (rc == 0) return b4c_fail(err, B4C_E_FORMAT, "%s: the data have ended", rp->where);
    }
    r->step = t->standing.step + 1;
    r->rate = rp->rate * b4c_schedule_factor(&rp->schedule, r->step);
    const int rc = b4c_learner_step(&t->learner, t->batch, t->batches, r->step, r->rate,
                                    &result, err);
    if (rc == B4C_E_NUMBER) keep_bad_batches(t);
    if (rc < 0) return rc;
    const b4c_losses *l = &result.losses;
    r->loss = l->total;
    r->token_loss = l->tokens;
    r->vector_loss = l->vectors;
    r->class_loss = l->classes;
    r->accuracy = l->n_classes ? (double)l->right / l->n_classes : NAN;
    r->norm = result.norm;
    r->tokens = result.rows + result.out_rows;
    t->standing.step = r->step;
    t->standing.place = t->batch[t->batches - 1].next;
    t->standing.tokens += r->tokens;
    t->standing.loss = r->loss;
    if (t->feed->records)
        r->epoch = (double)t->standing.place.record / (double)t->feed->records;
    if (writes(t)) log_step(t, r, l);
    double stop = t->stop;
    B4C_TRY(b4c_exchange_add(&t->learner.exchange, &stop, 1, err));
    r->stopping = stop > 0;
    return 0;
}

static bool is_time(int64_t step, int64_t every, int64_t steps)
{
    return (every && step % every == 0) || step == steps;
}

int b4c_trainer_run_step(b4c_trainer *t, b4c_train_report *r, b4c_error *err)
{
    const b4c_recipe *rp = &t->recipe;
    *r = (b4c_train_report){ .step = t->standing.step, .accuracy = NAN, .measure = NAN };
    if (t->standing.step >= rp->steps) return 0;
    B4C_TRY(take_step(t, r, err));
    const bool last = r->step == rp->steps;
    if (rp->evaluate && is_time(r->step, rp->evaluate, rp->steps)) B4C_TRY(evaluate(t, r, err));
    if (rp->samples.every && writes(t) && is_time(r->step, rp->samples.every, rp->steps))
        B4C_TRY(write_samples(t, r, err));
    if (last && !isfinite(t->standing.best)) {
        change_places(t);
        const int rc = write_model(t, err);
        change_places(t);
        if (rc < 0) return rc;
    }
    if (is_time(r->step, rp->save, rp->steps)) {
        B4C_TRY(b4c_trainer_write_checkpoint(t, err));
        r->saved = true;
    }
    t->info.step = r->step;
    return 1;
}
