/* jinja_filters.h - what the files of filters and methods share. */
#ifndef B4C_TEXT_JINJA_FILTERS_H
#define B4C_TEXT_JINJA_FILTERS_H
#include "text/jinja.h"

/* Arguments by the names of parameters, "a,b,c": arg [as many]; NULL: not given. What is too many,
 * has another name, is undefined or lacks among the first `needed` is B4C_E_TEXT. */
int b4c_jinja_bind(const char *what, const char *names, int needed, const b4c_jinja_arguments *,
                   json_t **arg, b4c_error *);
/* B4C_E_TEXT: `what` does not go with such a value. */
int b4c_jinja_wrong(const char *what, b4c_error *);

/* The list (handed over) as what is walked over once. Returns 0. */
int b4c_jinja_iterator(json_t *list, json_t **out);
/* A part of an item by a path: "a.b.0", or a number; NULL path: the item. *out: a new reference, or
 * NULL: undefined. */
int b4c_jinja_follow(const json_t *item, const json_t *path, json_t **out, b4c_error *);

/* map, select, reject, selectattr, rejectattr, by name. */
int b4c_jinja_walk(const char *name, const json_t *x, const b4c_jinja_arguments *, json_t **out,
                   b4c_error *);
/* Filters with their arguments in order, as the table of jinja_filters.c names them. */
int b4c_jinja_reverse(const json_t *x, json_t *const *arg, json_t **out, b4c_error *);
int b4c_jinja_unique(const json_t *x, json_t *const *arg, json_t **out, b4c_error *);
int b4c_jinja_sort(const json_t *x, json_t *const *arg, json_t **out, b4c_error *);
int b4c_jinja_dictsort(const json_t *x, json_t *const *arg, json_t **out, b4c_error *);
/* max where `most`, else min; of nothing: undefined. */
int b4c_jinja_extreme(const json_t *x, json_t *const *arg, bool most, json_t **out, b4c_error *);
#endif
