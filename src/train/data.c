/* data.c - reading the recipe's "data", and every record of its files once. */
#include "train/data.h"
#include <stdlib.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- what the recipe says -------------------------------------------------------------------- */

static const char *const file_keys[] = { "file",   "format", "records",   "header",
                                         "fields", "weight", "threshold", "pool" };
static const char *const data_keys[] = { "files",   "format",        "records",       "header",
                                         "fields",  "threshold",     "labels",        "held_out",
                                         "turns",   "mask_rate",     "whole_words",   "noise",
                                         "permute", "first_segment", "summary_chars", "negatives",
                                         "windows" };

typedef struct opening {
    b4c_data *to;
    const b4c_feed_wish *wish;
    double held_out;
    b4c_error *err;
} opening;

/* A number of `data` in low .. high. */
static int real(const json_t *o, const char *key, double low, double high, double *out,
                const char *where, b4c_error *err)
{
    double x = *out;
    B4C_TRY(b4c_json_real(o, key, &x, where, err));
    if (!(x >= low && x <= high))
        return b4c_fail(err, B4C_E_ARG, "%s: \"%s\" is %g, wanted %g to %g", where, key, x, low,
                        high);
    *out = x;
    return 0;
}

static int count(const json_t *o, const char *key, int low, int *out, const char *where,
                 b4c_error *err)
{
    long long x = *out;
    B4C_TRY(b4c_json_int(o, key, low, 1 << 20, &x, where, err));
    *out = (int)x;
    return 0;
}

/* One of n words. */
static int choice(const json_t *v, const char *key, const char *const *words, int n, int *out,
                  b4c_error *err)
{
    if (!v) return 0;
    const char *text = json_string_value(v);
    for (int i = 0; text && i < n; i++)
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return 0;
        }
    return b4c_fail(err, B4C_E_ARG, "data: \"%s\" wants \"%s\", \"%s\"%s%s%s", key, words[0],
                    words[1], n > 2 ? " or \"" : "", n > 2 ? words[2] : "", n > 2 ? "\"" : "");
}

/* Defaults are those of each task's source: SimBERT, RoFormer-Sim, BART, T5 PEGASUS. */
static b4c_maker_options usual(const b4c_feed_wish *w)
{
    const bool sim = w->task == B4C_TASK_ROFORMER_SIM || w->task == B4C_TASK_DISTIL;
    b4c_maker_options o = { .task = w->task,
                            .tokenizer = w->tokenizer,
                            .teacher = w->task == B4C_TASK_DISTIL ? w->teacher : NULL,
                            .encoder_decoder = w->encoder_decoder,
                            .start = w->start,
                            .end = w->end,
                            .vocabulary = w->vocabulary,
                            .max_length = w->max_length,
                            .max_target = w->max_target,
                            .seed = w->seed,
                            .mask_rate = w->task == B4C_TASK_DENOISE ? 0.3 : 0.15,
                            .noise = sim ? 0.5 : 0,
                            /* a vocabulary of words has each as a token already */
                            .whole_words = w->task == B4C_TASK_MLM && !w->tokenizer->cut,
                            .permute = true,
                            .sentences = true,
                            .summary_chars = 768,
                            .negatives = 7 };
    if (sim) o.first_segment = (int)(0.6 * w->max_length);
    if (w->task == B4C_TASK_SIMBERT) o.first_segment = w->max_length / 2 - 2;
    if (w->task == B4C_TASK_ROFORMER_SIM_FT) o.first_segment = (int)(1.2 * w->max_length);
    if (o.first_segment < 0) o.first_segment = 0;
    return o;
}

static int read_maker(opening *x, const json_t *o)
{
    static const char where[] = "data";
    b4c_maker_options *m = &x->to->maker;
    b4c_error *err = x->err;
    *m = usual(x->wish);
    B4C_TRY(real(o, "mask_rate", 0.001, 0.999, &m->mask_rate, where, err));
    B4C_TRY(real(o, "noise", 0, 1, &m->noise, where, err));
    B4C_TRY(real(o, "held_out", 0, 0.9, &x->held_out, where, err));
    B4C_TRY(b4c_json_bool(o, "whole_words", &m->whole_words, where, err));
    B4C_TRY(b4c_json_bool(o, "permute", &m->permute, where, err));
    B4C_TRY(count(o, "first_segment", 0, &m->first_segment, where, err));
    B4C_TRY(count(o, "summary_chars", 3, &m->summary_chars, where, err));
    B4C_TRY(count(o, "negatives", 0, &m->negatives, where, err));
    if (m->negatives > B4C_FIELD_TEXTS - 2) m->negatives = B4C_FIELD_TEXTS - 2;
    if (x->wish->task != B4C_TASK_ROFORMER_SIM && x->wish->task != B4C_TASK_DISTIL) m->noise = 0;
    if (x->wish->once) m->noise = 0;
    if (x->wish->task != B4C_TASK_MLM) m->whole_words = false;
    static const char *const windows[] = { "plain", "sentences" };
    int sentences = m->sentences;
    B4C_TRY(choice(json_object_get(o, "windows"), "windows", windows, 2, &sentences, err));
    m->sentences = sentences;
    const json_t *labels = json_object_get(o, "labels");
    for (size_t i = 0; labels && (i == 0 || i < json_array_size(labels)); i++)
        if (!json_is_string(json_array_get(labels, i)))
            return b4c_fail(err, B4C_E_ARG, "%s: \"labels\" is no list of texts", where);
    if (x->wish->held_out && x->held_out <= 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: nothing is held out to evaluate on; set \"held_out\" to a share such "
                        "as 0.01, or evaluate.data",
                        where);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* What a file's object says, or else `data`. */
static const json_t *said(const json_t *own, const json_t *data, const char *key)
{
    const json_t *v = json_object_get(own, key);
    return v ? v : json_object_get(data, key);
}

static b4c_data_format format_of(const char *path)
{
    const b4c_span s = b4c_span_of(path);
    return b4c_span_ends(s, ".tsv")                                  ? B4C_DATA_TSV
         : b4c_span_ends(s, ".jsonl") || b4c_span_ends(s, ".ndjson") ? B4C_DATA_JSONL
                                                                     : B4C_DATA_TEXT;
}

static char *path_of(const opening *x, const char *name)
{
    const char *folder = x->wish->folder;
    return name[0] == '/' || !folder || strcmp(folder, ".") == 0 ? strdup(name)
                                                                 : b4c_path_join(folder, name);
}

static int open_corpus(opening *x, b4c_data_file *f, const json_t *own, const json_t *data,
                       const char *path)
{
    static const char *const formats[] = { "text", "tsv", "jsonl" };
    static const char *const records[] = { "lines", "blank_lines" };
    int format = (int)format_of(path), split = 0;
    const json_t *fields = said(own, data, "fields"), *header = said(own, data, "header");
    B4C_TRY(choice(said(own, data, "format"), "format", formats, 3, &format, x->err));
    B4C_TRY(choice(said(own, data, "records"), "records", records, 2, &split, x->err));
    if (header && !json_is_boolean(header))
        return b4c_fail(x->err, B4C_E_ARG, "data: \"header\" wants true or false");
    B4C_TRY(
        b4c_fields_init(&f->fields, x->wish->task, (b4c_data_format)format, fields, path, x->err));
    const b4c_corpus_options o = { .format = (b4c_data_format)format,
                                   .blank_lines = split == 1,
                                   .header = json_is_true(header) || f->fields.by_name,
                                   .held_out = x->held_out,
                                   .side = x->wish->held_out,
                                   .both = x->held_out <= 0 };
    B4C_TRY(b4c_corpus_open(&f->corpus, path, &o, x->err));
    return b4c_fields_header(&f->fields, fields, f->corpus.header, path, x->err);
}

static int open_file(opening *x, const json_t *entry, const json_t *data)
{
    const json_t *own = json_is_object(entry) ? entry : NULL;
    const char *name = own ? json_string_value(json_object_get(own, "file"))
                           : json_string_value(entry);
    const int i = x->to->n;
    double weight = 1;
    if (own) B4C_TRY(b4c_json_only(own, file_keys, COUNT(file_keys), "data: files", x->err));
    if (!name || !*name)
        return b4c_fail(x->err, B4C_E_MISSING,
                        "data: files: element %d names no file; wanted a path or {\"file\": PATH}",
                        i);
    if (i == B4C_ORDER_FILES)
        return b4c_fail(x->err, B4C_E_ARG, "data: files: more than %d", B4C_ORDER_FILES);
    b4c_data_file *f = &x->to->file[i];
    f->rule = (b4c_label_rule){ x->wish->task, 0.5, json_object_get(data, "labels") };
    B4C_TRY(real(data, "threshold", -1e9, 1e9, &f->rule.threshold, "data", x->err));
    if (own) B4C_TRY(real(own, "threshold", -1e9, 1e9, &f->rule.threshold, name, x->err));
    if (own) B4C_TRY(real(own, "weight", 1e-6, 1e6, &weight, name, x->err));
    if (own) B4C_TRY(b4c_json_text(own, "pool", &f->pool, name, x->err));
    char *path = path_of(x, name);
    if (!path) return b4c_fail(x->err, B4C_E_MEMORY, "no memory for a path");
    const int rc = open_corpus(x, f, own, data, path);
    free(path);
    if (f->corpus.path) x->to->n++;
    x->to->order.file[i].weight = weight;
    return rc;
}

/* ---- records --------------------------------------------------------------------------------- */

typedef struct place {
    const b4c_data *d;
    int f;
    int64_t i;
} place;

static void write_place(const void *arg, char *text, size_t size)
{
    const place *p = arg;
    const b4c_corpus *c = &p->d->file[p->f].corpus;
    snprintf(text, size, "%.500s: line %lld", c->path, (long long)b4c_corpus_line(c, p->i));
}

int b4c_data_fail_in(const b4c_data *d, int f, int64_t i, b4c_error *err)
{
    char where[600];
    write_place(&(place){ d, f, i }, where, sizeof where);
    return b4c_fail_in(err, "%s", where);
}

int b4c_data_read(const b4c_data *d, int f, int64_t i, b4c_data_record *r, float *label,
                  b4c_error *err)
{
    const b4c_data_file *x = &d->file[f];
    const place here = { d, f, i };
    const char *why = "";
    *label = 0;
    B4C_TRY(b4c_data_record_read(r, &x->fields, b4c_corpus_record(&x->corpus, i), write_place,
                                 &here, err));
    if (!b4c_fields_labelled(x->fields.task)) return 1;
    const int rc = b4c_label_of(&x->rule, r, label, &why);
    if (rc >= 0) return rc;
    if (r->label_is_text) b4c_fail(err, rc, "%s: found '%.*s'", why, B4C_SPAN_ARG(r->label_text));
    else b4c_fail(err, rc, "%s: found %g", why, r->label);
    return b4c_data_fail_in(d, f, i, err);
}

/* A label, and as many texts as the task compares? */
static bool is_useful(const b4c_data_record *r, b4c_task_kind task)
{
    const bool groups = task == B4C_TASK_SIMBERT || task == B4C_TASK_ROFORMER_SIM ||
                        task == B4C_TASK_DISTIL || task == B4C_TASK_INFONCE;
    for (int i = 0; i < r->n; i++)
        if (r->text[i].size == 0) return false;
    return r->n >= (groups ? 2 : 1);
}

/* Read all records of a file, and drop those that are no examples from its index. */
static int check_records(opening *x, int f, b4c_data_record *r)
{
    b4c_data *d = x->to;
    b4c_corpus *c = &d->file[f].corpus;
    const int classes = x->wish->classes;
    int64_t kept = 0;
    for (int64_t i = 0; i < c->n; i++) {
        float label;
        const int rc = b4c_data_read(d, f, i, r, &label, x->err);
        if (rc < 0) return rc;
        if (classes && b4c_fields_labelled(x->wish->task) && label >= (float)classes) {
            b4c_fail(x->err, B4C_E_FORMAT, "the label is %g, wanted 0 to %d, as task.classes says",
                     (double)label, classes - 1);
            return b4c_data_fail_in(d, f, i, x->err);
        }
        if (i == 0) d->file[f].inference = b4c_label_is_inference(r);
        if (rc > 0 && is_useful(r, x->wish->task)) c->begin[kept++] = c->begin[i];
    }
    d->left_out += c->n - kept;
    c->n = kept;
    if (kept > 0) return 0;
    return b4c_fail(x->err, B4C_E_TEXT,
                    "%s: no record can be used for task '%s': all have empty texts, no label, or "
                    "one text where several belong together",
                    c->path, b4c_task_name(x->wish->task));
}

static int check_all(opening *x)
{
    /* plain lines need no second look: the index has checked their encoding */
    b4c_data_record *r = calloc(1, sizeof *r);
    int rc = r ? 0 : b4c_fail(x->err, B4C_E_MEMORY, "no memory for a record");
    for (int f = 0; rc == 0 && f < x->to->n; f++)
        if (x->to->file[f].fields.format != B4C_DATA_TEXT) rc = check_records(x, f, r);
    if (r) b4c_data_record_done(r);
    free(r);
    return rc;
}

/* ---- pools ----------------------------------------------------------------------------------- */

static const char *pool_name(const opening *x, const b4c_data_file *f)
{
    if (f->pool) return f->pool;
    return x->wish->task == B4C_TASK_ROFORMER_SIM_FT && f->inference ? "inference" : "";
}

static int find_pool(const char *const *name, int n, const char *wanted)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name[i], wanted) == 0) return i;
    return -1;
}

static int read_turns(opening *x, const json_t *turns, const char *const *pool)
{
    b4c_order *o = &x->to->order;
    bool used[B4C_ORDER_TURNS] = { false };
    o->n_turns = turns ? (int)json_array_size(turns) : o->n_pools;
    if (o->n_turns < 1 || o->n_turns > B4C_ORDER_TURNS)
        return b4c_fail(x->err, B4C_E_ARG, "data: \"turns\" is no list of 1 to %d names of pools",
                        B4C_ORDER_TURNS);
    for (int i = 0; i < o->n_turns; i++) {
        const char *name = json_string_value(json_array_get(turns, (size_t)i));
        o->turn[i] = !turns ? i : name ? find_pool(pool, o->n_pools, name) : -1;
        if (o->turn[i] < 0)
            return b4c_fail(x->err, B4C_E_ARG, "data: turns: no file is of pool \"%.100s\"",
                            name ? name : "");
        used[o->turn[i]] = true;
    }
    for (int i = 0; i < o->n_pools; i++)
        if (!used[i])
            return b4c_fail(x->err, B4C_E_ARG, "data: turns: pool \"%.100s\" has no turn", pool[i]);
    return 0;
}

static int make_order(opening *x, const json_t *data)
{
    b4c_order *o = &x->to->order;
    const char *pool[B4C_ORDER_TURNS];
    for (int f = 0; f < x->to->n; f++) {
        const char *name = pool_name(x, &x->to->file[f]);
        int k = find_pool(pool, o->n_pools, name);
        if (k < 0 && o->n_pools == B4C_ORDER_TURNS)
            return b4c_fail(x->err, B4C_E_ARG, "data: more than %d pools", B4C_ORDER_TURNS);
        if (k < 0) pool[k = o->n_pools++] = name;
        o->file[f].pool = k;
        o->file[f].n = x->to->file[f].corpus.n;
    }
    o->n_files = x->to->n;
    o->in_order = x->wish->once;
    o->seed = x->wish->seed;
    B4C_TRY(read_turns(x, json_object_get(data, "turns"), pool));
    b4c_order_begin(o);
    return 0;
}

/* ---- all together ---------------------------------------------------------------------------- */

int b4c_data_open(b4c_data *d, const b4c_feed_wish *w, b4c_error *err)
{
    opening x = { d, w, 0, err };
    const json_t *files = json_object_get(w->data, "files");
    *d = (b4c_data){ 0 };
    B4C_TRY(b4c_json_only(w->data, data_keys, COUNT(data_keys), "data", err));
    if (!json_is_array(files) || json_array_size(files) == 0)
        return b4c_fail(err, B4C_E_MISSING, "data: there is no \"files\", a list of paths");
    B4C_TRY(read_maker(&x, w->data));
    d->file = calloc(json_array_size(files), sizeof *d->file);
    int rc = d->file ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for the data's files");
    for (size_t i = 0; rc == 0 && i < json_array_size(files); i++)
        rc = open_file(&x, json_array_get(files, i), w->data);
    if (rc == 0) rc = check_all(&x);
    if (rc == 0) rc = make_order(&x, w->data);
    if (rc < 0) b4c_data_close(d);
    return rc;
}

void b4c_data_close(b4c_data *d)
{
    for (int i = 0; i < d->n; i++) b4c_corpus_close(&d->file[i].corpus);
    free(d->file);
    *d = (b4c_data){ 0 };
}
