/* fields.c - reading records; the roles of all tasks are one table. */
#include "train/fields.h"
#include <stdlib.h>

/* Roles as they are spelt; the label, when there is one, is the last. */
typedef struct roles {
    const char *name[B4C_FIELD_ROLES];
    int n, needed; /* the first `needed` must be there */
    bool list;     /* the last is a list, or all columns that are left */
    bool label;
} roles;

static const roles of[B4C_TASKS] = {
    [B4C_TASK_LM] = { { "text" }, 1, 1, false, false },
    [B4C_TASK_MLM] = { { "text" }, 1, 1, false, false },
    [B4C_TASK_DENOISE] = { { "text" }, 1, 1, false, false },
    [B4C_TASK_PSEUDO_SUMMARY] = { { "text" }, 1, 1, false, false },
    [B4C_TASK_SIMCSE] = { { "text" }, 1, 1, false, false },
    [B4C_TASK_SEQ2SEQ] = { { "source", "target" }, 2, 2, false, false },
    [B4C_TASK_SIMBERT] = { { "text", "synonyms" }, 2, 2, true, false },
    [B4C_TASK_ROFORMER_SIM] = { { "text", "synonyms" }, 2, 2, true, false },
    [B4C_TASK_DISTIL] = { { "text", "synonyms" }, 2, 2, true, false },
    [B4C_TASK_INFONCE] = { { "anchor", "positive", "negatives" }, 3, 2, true, false },
    [B4C_TASK_CLASSIFY] = { { "text", "pair", "label" }, 3, 1, false, true },
    [B4C_TASK_ROFORMER_SIM_FT] = { { "a", "b", "label" }, 3, 2, false, true },
    [B4C_TASK_COSENT] = { { "a", "b", "label" }, 3, 2, false, true },
    [B4C_TASK_PAIRS] = { { "a", "b", "label" }, 3, 2, false, true },
};

bool b4c_fields_labelled(b4c_task_kind k) { return of[k].label; }

static bool is_list(const roles *r, int i) { return r->list && i == r->n - 1; }
static bool is_label(const roles *r, int i) { return r->label && i == r->n - 1; }

/* ---- where roles are ------------------------------------------------------------------------- */

/* Nothing said: columns in the order of the roles; the one that may be absent is. */
static void usual(b4c_fields *f, const roles *r)
{
    int column = 0;
    for (int i = 0; i < B4C_FIELD_ROLES; i++) {
        const bool there = i < r->n && (i < r->needed || is_list(r, i) || is_label(r, i));
        f->column[i] = there ? column++ : -1;
        f->key[i] = there ? r->name[i] : NULL;
    }
}

static int say_field(b4c_fields *f, int i, const json_t *v, const char *name, const char *where,
                     b4c_error *err)
{
    if (f->format == B4C_DATA_TSV && json_is_integer(v) && json_integer_value(v) >= 1 &&
        json_integer_value(v) <= 10000) {
        f->column[i] = (int)json_integer_value(v) - 1;
    } else if (f->format == B4C_DATA_TSV && json_is_string(v)) {
        f->by_name = true;
    } else if (f->format == B4C_DATA_JSONL && json_is_string(v)) {
        f->key[i] = json_string_value(v);
    } else {
        return b4c_fail(err, B4C_E_ARG, "%s: fields: \"%s\" wants %s", where, name,
                        f->format == B4C_DATA_TSV ? "a column's number, from 1, or its name"
                                                  : "a key's name");
    }
    return 0;
}

int b4c_fields_init(b4c_fields *f, b4c_task_kind task, b4c_data_format format, const json_t *said,
                    const char *where, b4c_error *err)
{
    const roles *r = &of[task];
    char place[300];
    *f = (b4c_fields){ .task = task, .format = format };
    usual(f, r);
    if (format == B4C_DATA_TEXT && r->needed + r->label > 1)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: task '%s' wants several texts or a label in a record, which a plain "
                        "text has not; give .tsv or .jsonl, or \"format\"",
                        where, b4c_task_name(task));
    if (!said) return 0;
    snprintf(place, sizeof place, "%.250s: fields", where);
    B4C_TRY(b4c_json_only(said, r->name, r->n, place, err));
    if (format == B4C_DATA_TEXT)
        return b4c_fail(err, B4C_E_ARG, "%s: a plain text has no fields", place);
    for (int i = 0; i < r->n; i++) {
        const json_t *v = json_object_get(said, r->name[i]);
        if (v) B4C_TRY(say_field(f, i, v, r->name[i], where, err));
        /* columns said for some roles are no longer the usual ones for others that may be absent */
        else if (is_list(r, i) && r->needed == i && format == B4C_DATA_TSV)
            f->column[i] = -1;
    }
    return 0;
}

int b4c_fields_header(b4c_fields *f, const json_t *said, b4c_span header, const char *where,
                      b4c_error *err)
{
    const roles *r = &of[f->task];
    const int n = b4c_tsv_fields(header);
    for (int i = 0; f->by_name && i < r->n; i++) {
        const char *name = json_string_value(json_object_get(said, r->name[i]));
        int found = 0;
        if (!name) continue;
        while (found < n && !b4c_span_is(b4c_tsv_field(header, found), name)) found++;
        if (found == n)
            return b4c_fail(err, B4C_E_MISSING, "%s: line 1: no column is named \"%s\"", where,
                            name);
        f->column[i] = found;
    }
    return 0;
}

/* ---- reading one ----------------------------------------------------------------------------- */

typedef struct reading {
    b4c_data_record *to;
    const b4c_fields *f;
    const roles *r;
    b4c_where_fn where;
    const void *arg;
    b4c_error *err;
} reading;

static int bad(const reading *x, int code, const char *what, const char *name)
{
    char place[700] = "";
    x->where(x->arg, place, sizeof place);
    return b4c_fail(x->err, code, "%s: %s%s%s%s", place, what, name ? " \"" : "", name ? name : "",
                    name ? "\"" : "");
}

static void add_text(const reading *x, b4c_span s)
{
    if (x->to->n < B4C_FIELD_TEXTS) x->to->text[x->to->n++] = s;
}

/* "0.5" is a number, "entailment" is not. */
static void set_label(const reading *x, b4c_span s)
{
    char copy[64], *end = copy;
    b4c_data_record *to = x->to;
    to->has_label = true;
    to->label_text = s;
    if (s.size > 0 && s.size < sizeof copy) {
        memcpy(copy, s.data, s.size);
        copy[s.size] = 0;
        to->label = strtod(copy, &end);
    }
    to->label_is_text = end == copy || (size_t)(end - copy) != s.size;
}

static int from_tsv(const reading *x, b4c_span line)
{
    const int n = b4c_tsv_fields(line);
    for (int i = 0; i < x->r->n; i++) {
        int c = x->f->column[i];
        if (c < 0) continue;
        if (c >= n && is_list(x->r, i) && i >= x->r->needed) continue;
        if (c >= n) {
            char what[100];
            snprintf(what, sizeof what, "has %d column%s, wanted column %d for", n,
                     n == 1 ? "" : "s", c + 1);
            return bad(x, B4C_E_FORMAT, what, x->r->name[i]);
        }
        if (is_label(x->r, i))
            set_label(x, b4c_tsv_field(line, c));
        else if (is_list(x->r, i))
            for (; c < n; c++) add_text(x, b4c_tsv_field(line, c));
        else
            add_text(x, b4c_tsv_field(line, c));
    }
    return 0;
}

static b4c_span span_of_json(const json_t *v)
{
    return (b4c_span){ (const unsigned char *)json_string_value(v), json_string_length(v) };
}

static int list_of_texts(const reading *x, const json_t *v, const char *name)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *t = json_array_get(v, i);
        if (!json_is_string(t)) return bad(x, B4C_E_FORMAT, "wanted texts in the list", name);
        add_text(x, span_of_json(t));
    }
    return 0;
}

static int label_of_json(const reading *x, const json_t *v, const char *name)
{
    if (json_is_string(v)) {
        set_label(x, span_of_json(v));
    } else if (json_is_number(v)) {
        x->to->has_label = true;
        x->to->label = json_number_value(v);
    } else {
        return bad(x, B4C_E_FORMAT, "wanted a number or a text as", name);
    }
    return 0;
}

static int from_jsonl(const reading *x, b4c_span line)
{
    b4c_data_record *to = x->to;
    to->json = b4c_json_parse((const char *)line.data, line.size, "record", x->err);
    if (!to->json) {
        char place[700] = "";
        x->where(x->arg, place, sizeof place);
        return b4c_fail_in(x->err, "%s", place);
    }
    if (json_is_array(to->json) && x->r->list && !x->r->label)
        return list_of_texts(x, to->json, "list");
    if (!json_is_object(to->json)) return bad(x, B4C_E_FORMAT, "is no JSON object", NULL);
    for (int i = 0; i < x->r->n; i++) {
        const char *key = x->f->key[i];
        const json_t *v = key ? json_object_get(to->json, key) : NULL;
        if (!key || (!v && is_list(x->r, i) && i >= x->r->needed)) continue;
        if (!v) return bad(x, B4C_E_MISSING, "there is no key", key);
        if (is_label(x->r, i))
            B4C_TRY(label_of_json(x, v, key));
        else if (json_is_string(v))
            add_text(x, span_of_json(v));
        else if (is_list(x->r, i) && json_is_array(v))
            B4C_TRY(list_of_texts(x, v, key));
        else
            return bad(x, B4C_E_FORMAT, "wanted a text as", key);
    }
    return 0;
}

int b4c_data_record_read(b4c_data_record *to, const b4c_fields *f, b4c_span line,
                         b4c_where_fn where, const void *arg, b4c_error *err)
{
    const reading x = { to, f, &of[f->task], where, arg, err };
    b4c_data_record_done(to);
    to->n = 0;
    to->has_label = to->label_is_text = false;
    to->label_text = (b4c_span){ 0 };
    switch (f->format) {
    case B4C_DATA_TSV: return from_tsv(&x, line);
    case B4C_DATA_JSONL: return from_jsonl(&x, line);
    default: add_text(&x, line);
    }
    return 0;
}

void b4c_data_record_done(b4c_data_record *r)
{
    json_decref(r->json);
    r->json = NULL;
}
