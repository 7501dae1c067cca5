/* jinja_lists.c - filters that walk over lists: arguments of any filter, iterators (map, select,
 * reject ...), paths of attributes, order. See jinja_filters.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

typedef b4c_jinja_arguments arguments;

enum { MOST_UNIQUE = 10000 };

/* ---- arguments ------------------------------------------------------------------------------- */

/* The place of a name among "a,b,c"; -1: it is not there. */
static int place_of(const char *names, const char *name)
{
    const size_t n = strlen(name);
    for (int i = 0; *names; i++) {
        const size_t k = strcspn(names, ",");
        if (k == n && !memcmp(names, name, n)) return i;
        names += k + (names[k] != 0);
    }
    return -1;
}

static int count_names(const char *names)
{
    int n = *names != 0;
    for (; *names; names++) n += *names == ',';
    return n;
}

int b4c_jinja_bind(const char *what, const char *names, int needed, const arguments *a,
                   json_t **arg, b4c_error *err)
{
    const int most = count_names(names);
    for (int i = 0; i < most; i++) arg[i] = NULL;
    for (int i = 0; i < a->n; i++) {
        const int at = a->name[i] ? place_of(names, a->name[i]) : i;
        if (at < 0 || at >= most)
            return b4c_fail(err, B4C_E_TEXT, "'%s' takes no argument %s, wanted (%s)", what,
                            a->name[i] ? a->name[i] : "more", names);
        if (!a->item[i]) return b4c_fail(err, B4C_E_TEXT, "'%s' is given what is undefined", what);
        arg[at] = a->item[i];
    }
    for (int i = 0; i < needed; i++)
        if (!arg[i])
            return b4c_fail(err, B4C_E_TEXT, "'%s' lacks an argument, wanted (%s)", what, names);
    return 0;
}

int b4c_jinja_wrong(const char *what, b4c_error *err)
{
    return b4c_fail(err, B4C_E_TEXT, "'%s' of a value of another kind", what);
}

/* ---- iterators ------------------------------------------------------------------------------- */

int b4c_jinja_iterator(json_t *list, json_t **out)
{
    *out = b4c_jinja_marked("iterator");
    json_object_set_new(*out, "list", list);
    return 0;
}

/* item by a path: "a.b", or a number. *out: a new reference, or NULL. */
int b4c_jinja_follow(const json_t *item, const json_t *path, json_t **out, b4c_error *err)
{
    *out = json_incref((json_t *)(uintptr_t)item);
    if (!path || json_is_null(path)) return 0;
    const char *at = json_is_string(path) ? json_string_value(path) : "";
    if (!json_is_string(path) && !json_is_integer(path)) {
        json_decref(*out);
        return b4c_jinja_wrong("attribute", err);
    }
    for (bool more = true; more;) {
        const size_t n = strcspn(at, ".");
        const bool digits = n && strspn(at, "0123456789") >= n;
        json_t *key = json_is_integer(path) ? json_incref((json_t *)(uintptr_t)path)
                    : digits                ? json_integer(strtoll(at, NULL, 10))
                                            : json_stringn(at, n);
        json_t *x = *out;
        *out = NULL;
        const int rc = b4c_jinja_item(x, key, out, err);
        json_decref(x);
        json_decref(key);
        if (rc < 0) return rc;
        more = at[n] == '.';
        at += n + more;
    }
    return 0;
}

static arguments rest_of(const arguments *a, int from)
{
    arguments rest = { .n = 0 };
    for (int i = from; i < a->n; i++) {
        rest.name[rest.n] = a->name[i];
        rest.item[rest.n++] = a->item[i];
    }
    return rest;
}

/* map('filter', ...), map(attribute=..., default=...) of one item. */
static int map_one(const json_t *item, const arguments *a, json_t **out, b4c_error *err)
{
    if (a->n && !a->name[0]) {
        const arguments rest = rest_of(a, 1);
        if (!json_is_string(a->item[0])) return b4c_jinja_wrong("map", err);
        return b4c_jinja_filter(json_string_value(a->item[0]), item, &rest, out, err);
    }
    json_t *arg[2];
    B4C_TRY(b4c_jinja_bind("map", "attribute,default", 1, a, arg, err));
    B4C_TRY(b4c_jinja_follow(item, arg[0], out, err));
    if (!*out && arg[1]) *out = json_incref(arg[1]);
    return 0;
}

/* Is an item kept by select, reject, selectattr or rejectattr? */
static int keeps(const char *name, const json_t *item, const arguments *a, bool *kept,
                 b4c_error *err)
{
    const bool attribute = strstr(name, "attr") != NULL;
    const int at = attribute ? 1 : 0;
    json_t *x = NULL;
    int rc = 0;
    for (int i = 0; i <= at && i < a->n; i++)
        if (a->name[i]) return b4c_fail(err, B4C_E_TEXT, "'%s' takes no names here", name);
    if (attribute && !a->n) return b4c_fail(err, B4C_E_TEXT, "'%s' lacks an attribute", name);
    if (attribute)
        rc = b4c_jinja_follow(item, a->item[0], &x, err);
    else
        x = json_incref((json_t *)(uintptr_t)item);
    if (rc < 0) return rc;
    *kept = b4c_jinja_true(x);
    if (a->n > at) {
        const arguments rest = rest_of(a, at + 1);
        rc = json_is_string(a->item[at])
               ? b4c_jinja_test(json_string_value(a->item[at]), x, &rest, kept, err)
               : b4c_jinja_wrong(name, err);
    }
    json_decref(x);
    if (*name == 'r') *kept = !*kept;
    return rc;
}

/* map, select, reject, selectattr, rejectattr: what comes of each item. */
int b4c_jinja_walk(const char *name, const json_t *x, const arguments *a, json_t **out,
                   b4c_error *err)
{
    json_t *list, *found = json_array(), *item;
    size_t i;
    int rc = b4c_jinja_list(x, &list, err);
    if (rc == 0) {
        json_array_foreach(list, i, item)
        {
            json_t *made = NULL;
            bool kept = true;
            if (*name == 'm')
                rc = map_one(item, a, &made, err);
            else
                rc = keeps(name, item, a, &kept, err);
            if (rc == 0 && *name == 'm' && !made)
                rc = b4c_fail(err, B4C_E_UNSUPPORTED, "'map' makes what is undefined");
            if (rc < 0) break;
            if (*name == 'm')
                json_array_append_new(found, made);
            else if (kept)
                json_array_append(found, item);
        }
        json_decref(list);
    }
    if (rc == 0) return b4c_jinja_iterator(found, out);
    json_decref(found);
    return rc;
}

int b4c_jinja_reverse(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    json_t *list;
    (void)arg;
    if (json_is_string(x)) {
        json_t *const bound[3] = { NULL, NULL, json_integer(-1) };
        const int rc = b4c_jinja_slice(x, bound, out, err);
        json_decref(bound[2]);
        return rc;
    }
    B4C_TRY(b4c_jinja_list(x, &list, err));
    json_t *back = json_array();
    for (size_t i = json_array_size(list); i-- > 0;)
        json_array_append(back, json_array_get(list, i));
    json_decref(list);
    return b4c_jinja_iterator(back, out);
}

/* What a sort or a search goes by: an attribute, in small letters unless `exact`. */
static int key_of(const json_t *item, const json_t *attribute, bool exact, json_t **key,
                  b4c_error *err)
{
    if (json_is_string(attribute) && strchr(json_string_value(attribute), ','))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "sort: several attributes are not done");
    B4C_TRY(b4c_jinja_follow(item, attribute, key, err));
    if (exact || !json_is_string(*key)) return 0;
    json_t *small = b4c_jinja_letters_of(b4c_jinja_part_of(*key), B4C_JINJA_LOWER);
    json_decref(*key);
    *key = small;
    return 0;
}

int b4c_jinja_unique(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    json_t *list, *item, *seen = json_array(), *found = json_array();
    size_t i;
    int rc = b4c_jinja_list(x, &list, err);
    if (rc == 0 && json_array_size(list) > MOST_UNIQUE)
        rc = b4c_fail(err, B4C_E_MEMORY, "unique: a list too long");
    if (rc == 0) {
        json_array_foreach(list, i, item)
        {
            json_t *key;
            if ((rc = key_of(item, arg[1], b4c_jinja_true(arg[0]), &key, err)) < 0) break;
            bool there = false;
            for (size_t k = 0; k < json_array_size(seen) && !there; k++)
                there = b4c_jinja_equal(json_array_get(seen, k), key);
            if (!there) json_array_append(found, item);
            json_array_append_new(seen, key ? key : json_null());
        }
    }
    json_decref(list);
    json_decref(seen);
    if (rc == 0) return b4c_jinja_iterator(found, out);
    json_decref(found);
    return rc;
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct place {
    json_t *item, *key;
    size_t at;
    int sign;
} place;

static int by_key(const void *a, const void *b)
{
    const place *x = a, *y = b;
    int order;
    if (json_is_string(x->key)) {
        order = strcmp(json_string_value(x->key), json_string_value(y->key));
    } else {
        const double p = json_number_value(x->key), q = json_number_value(y->key);
        order = (p > q) - (p < q);
    }
    return order ? order * x->sign : (x->at > y->at) - (x->at < y->at);
}

/* A new list in order; equal ones stay as they were. */
static int sorted(const json_t *list, const json_t *attribute, bool exact, bool falls, json_t **out,
                  b4c_error *err)
{
    const size_t n = json_array_size(list);
    place *all = calloc(n + 1, sizeof *all);
    int rc = all ? 0 : b4c_fail(err, B4C_E_MEMORY, "sort: no memory");
    for (size_t i = 0; i < n && rc == 0; i++) {
        all[i] = (place){ json_array_get(list, i), NULL, i, falls ? -1 : 1 };
        rc = key_of(all[i].item, attribute, exact, &all[i].key, err);
        if (rc == 0 && (json_is_string(all[i].key) != json_is_string(all[0].key) ||
                        (!json_is_string(all[i].key) && !json_is_number(all[i].key))))
            rc = b4c_jinja_wrong("sort", err);
    }
    if (rc == 0) {
        qsort(all, n, sizeof *all, by_key);
        *out = json_array();
        for (size_t i = 0; i < n; i++) json_array_append(*out, all[i].item);
    }
    for (size_t i = 0; all && i < n; i++) json_decref(all[i].key);
    free(all);
    return rc;
}

int b4c_jinja_sort(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    json_t *list;
    B4C_TRY(b4c_jinja_list(x, &list, err));
    const int rc = sorted(list, arg[2], b4c_jinja_true(arg[1]), b4c_jinja_true(arg[0]), out, err);
    json_decref(list);
    return rc;
}

int b4c_jinja_dictsort(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    const char *by = json_string_value(arg[1]);
    if (!json_is_object(x) || b4c_jinja_mark(x) || (by && strcmp(by, "key") && strcmp(by, "value")))
        return b4c_jinja_wrong("dictsort", err);
    json_t *list = b4c_jinja_members(x, true, true), *at = json_integer(by && *by == 'v');
    const int rc = sorted(list, at, b4c_jinja_true(arg[0]), b4c_jinja_true(arg[2]), out, err);
    json_decref(at);
    json_decref(list);
    return rc;
}

int b4c_jinja_extreme(const json_t *x, json_t *const *arg, bool most, json_t **out, b4c_error *err)
{
    json_t *list, *order = NULL;
    B4C_TRY(b4c_jinja_list(x, &list, err));
    const int rc = sorted(list, arg[1], b4c_jinja_true(arg[0]), most, &order, err);
    if (rc == 0) *out = json_incref(json_array_get(order, 0));
    json_decref(order);
    json_decref(list);
    return rc;
}
