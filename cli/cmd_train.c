/* cmd_train.c - train: a model from a recipe.
 *
 * Ctrl-C and SIGTERM end it behind the step that runs, with a checkpoint; a second one at once. One
 * line a step goes to the log in the output folder; to people, one line now and then.
 */
#include "commands.h"
#include "hub.h"
#include "message.h"
#include "model.h"
#include "number.h"
#include "progress.h"
#include "ranks.h"
#include "signals.h"
#include "path.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 20 }; /* about so many lines tell a whole training, without a terminal's progress */

typedef struct teller {
    b4c_trainer_info info;
    cli_progress progress;
    double start, told;
    long long tokens, steps; /* of this run */
    double loss;             /* of recent steps: moving mean */
} teller;

/* "1.2 GB weights + ..." */
static void say_plan(const b4c_trainer_info *i, long long threads)
{
    char a[32], b[32], c[32], d[32], e[32], sum[32], used[CLI_THREADS_ROOM];
    const long long all =
        (long long)(i->weights + i->gradients + i->state + i->activations + i->rest);
    cli_say("%s: task %s, %s parameters of which %s learn, %s, %s on %s, %s kernels", i->output,
            i->task, cli_count_text(i->parameters, a), cli_count_text(i->trained, b), i->optimiser,
            b4c_dtype_name(i->dtype), cli_threads_text(i->threads, threads, used), b4c_isa_name());
    if (i->ranks > 1)
        cli_say("%d ranks: a step has %d times the batches of the recipe", i->ranks, i->ranks);
    cli_say("memory at most %s: weights %s, gradients %s, optimiser %s, activations %s, else %s",
            cli_bytes_text(all, sum), cli_bytes_text((long long)i->weights, a),
            cli_bytes_text((long long)i->gradients, b), cli_bytes_text((long long)i->state, c),
            cli_bytes_text((long long)i->activations, d), cli_bytes_text((long long)i->rest, e));
    if (i->records)
        cli_say("%s records of data, %s steps", cli_count_text(i->records, a),
                cli_count_text(i->steps, e));
    if (i->left_out)
        cli_say("%s records are of no use for the task and left out",
                cli_count_text(i->left_out, a));
    if (i->unknown > 0.001)
        cli_say("%.1f %% of the tokens are unknown to the vocabulary: what they stand for cannot "
                "be learned; is it the right tokenizer?",
                100 * i->unknown);
    if (i->added)
        cli_say("%d tensors are not in the model's files: they begin as random numbers", i->added);
    if (i->step) cli_say("resumed behind step %lld", (long long)i->step);
}

static void tell_step(teller *t, const b4c_train_report *r)
{
    const double now = cli_clock(), took = now - t->start;
    const double left = (double)(t->info.steps - r->step) * took / (double)t->steps;
    const long long rate = took > 0 ? (long long)((double)t->tokens / took) : 0;
    char what[160], speed[32], time[32];
    snprintf(what, sizeof what, "step %lld of %lld  loss %.4f  %s tokens/s  %s left",
             (long long)r->step, (long long)t->info.steps, t->loss, cli_count_text(rate, speed),
             cli_time_text(left, time));
    const long long every = t->info.steps / LINES ? t->info.steps / LINES : 1;
    if (t->progress.terminal)
        cli_progress_show(&t->progress, what, t->tokens, r->step, t->info.steps);
    else if (r->step % every == 0 || r->step == t->info.steps || now - t->told > 60) {
        cli_say("%s", what);
        t->told = now;
    }
    if (r->evaluated)
        cli_say("step %lld: held-out %s %.4f%s", (long long)r->step, t->info.metric, r->measure,
                r->best ? ", the best so far" : "");
    for (int i = 0; i < r->samples; i++)
        cli_say("step %lld: %s -> %s", (long long)r->step, r->sample[i].source,
                r->sample[i].text);
}

static void count_step(teller *t, const b4c_train_report *r)
{
    t->tokens += r->tokens;
    t->steps++;
    t->loss = t->steps == 1 ? r->loss : 0.95 * t->loss + 0.05 * r->loss;
}

/* All steps; 1: stopped by a signal, with a checkpoint. */
static int train(b4c_trainer *trainer, teller *t, b4c_error *err)
{
    b4c_train_report r;
    int rc;
    for (;;) {
        if (cli_stopped()) b4c_trainer_wish_stop(trainer);
        rc = b4c_trainer_step(trainer, &r, err);
        if (rc <= 0) break;
        count_step(t, &r);
        tell_step(t, &r);
        if (t->info.ranks > 1 ? !r.stopping : !cli_stopped()) continue;
        if (!r.saved) rc = b4c_trainer_save(trainer, err);
        return rc < 0 ? rc : r.step < t->info.steps;
    }
    return rc;
}

/* ---- models by their names on the hub -------------------------------------------------------- */

enum { SETS = 64, MORE_SETS = 8 };

/* The changes of --set, and what is found for names of models. */
typedef struct changes {
    const char *item[SETS + MORE_SETS];
    char *own[MORE_SETS];
    int n, n_own;
} changes;

static void change(changes *c, const char *key, const char *value)
{
    char *text = cli_path("%s=%s", key, value);
    if (text) c->item[c->n++] = c->own[c->n_own++] = text;
}

/* What the recipe and --set say of a key "a" or "a.b"; NULL: nothing, or no text. */
static const char *said(const json_t *recipe, const cli_settings *s, const char *key)
{
    const char *dot = strchr(key, '.');
    char part[32] = "";
    for (int i = s->set.n - 1; i >= 0; i--)
        if (!strncmp(s->set.item[i], key, strlen(key)) && s->set.item[i][strlen(key)] == '=')
            return s->set.item[i] + strlen(key) + 1;
    if (!dot) return json_string_value(json_object_get(recipe, key));
    strncat(part, key, (size_t)(dot - key));
    return json_string_value(json_object_get(json_object_get(recipe, part), dot + 1));
}

/* Names on the hub become the folders where those models are; -m is the model to begin with, or,
 * where the recipe begins with none, the one whose tokenizer is meant. */
static int find_models(changes *c, const cli_settings *s, b4c_error *err)
{
    static const char *const keys[] = { "model.from", "model.tokenizer", "teacher" };
    json_t *recipe = json_load_file(s->text.item[0], 0, NULL); /* its faults are told later */
    int rc = 0;
    for (int i = 0; i < s->set.n; i++) c->item[c->n++] = s->set.item[i];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *name = said(recipe, s, keys[i]);
        char *folder = name && access(name, F_OK) < 0 && cli_hub_is_name(name) ? cli_hub_find(name)
                                                                               : NULL;
        if (folder) change(c, keys[i], folder);
        free(folder);
    }
    if (s->model) {
        char *folder = cli_model_find(s, NULL, err);
        const bool fresh = json_object_get(json_object_get(recipe, "model"), "config") != NULL;
        if (folder) change(c, fresh ? "model.tokenizer" : "model.from", folder);
        else rc = err->code;
        free(folder);
    }
    json_decref(recipe);
    return rc;
}

static void changes_done(changes *c)
{
    for (int i = 0; i < c->n_own; i++) free(c->own[i]);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    teller t = { .start = cli_clock() };
    changes c = { 0 };
    (void)self;
    if (s->text.n != 1 || s->set.n > SETS) {
        cli_fail(&err, B4C_E_ARG, "train: found %d recipes and %d changes, wanted one RECIPE.json "
                                  "and at most %d changes",
                 s->text.n, s->set.n, SETS);
        cli_error(&err);
        return CLI_USAGE;
    }
    cli_catch_signals();
    b4c_trainer *trainer = NULL;
    const b4c_world *ranks;
    if (cli_ranks_open(&ranks, &err) == 0 && find_models(&c, s, &err) == 0) {
        const b4c_trainer_options o = { .threads = (int)s->threads, .resume = s->resume,
                                        .set = c.item, .n_set = c.n, .ranks = ranks };
        if (ranks) cli_catch_user_signal();
        trainer = b4c_trainer_open(s->text.item[0], &o, &err);
    }
    changes_done(&c);
    if (!trainer) {
        cli_error(&err);
        cli_ranks_close(false);
        return CLI_FAILED;
    }
    b4c_trainer_describe(trainer, &t.info);
    say_plan(&t.info, s->threads);
    cli_progress_start(&t.progress, s, "tokens");
    t.start = t.told = cli_clock();
    const int rc = train(trainer, &t, &err);
    cli_progress_end(&t.progress);
    if (rc < 0) cli_error(&err);
    else if (rc == 0) cli_say("%s: the model is complete", t.info.output);
    else cli_say("stopped; go on with: bert4c train %s --resume", s->text.item[0]);
    b4c_trainer_free(trainer);
    cli_ranks_close(rc >= 0);
    return rc < 0 ? CLI_FAILED : rc ? cli_stop_code() : CLI_DONE;
}

const cli_command cli_train = {
    .bit = CLI_TRAIN,
    .name = "train",
    .operands = "RECIPE.json",
    .run = run,
    .summary = "Train a model from a recipe",
    .about = "The recipe, a JSON file, names the model to begin with, the task, the data, the "
             "optimiser and the output folder; docs/training.md explains its keys, and an unknown "
             "one is an error. The output is a model's folder in the hub's layout, which every "
             "other command opens, with log.jsonl and a checkpoint beside the model. A training "
             "that was stopped, by Ctrl-C or by losing power, goes on with --resume to the same "
             "numbers as one that was not.",
    .examples = "bert4c train examples/recipes/lm.json\n"
                "bert4c train examples/recipes/lm.json --set steps=70 --resume\n"
                "bert4c train examples/recipes/cosent.json -m BAAI/bge-small-zh-v1.5 --set "
                "optimiser.rate=1e-5\n",
};
