/* json.h - strict JSON by jansson: duplicate keys refused, positions in messages. */
#ifndef B4C_BASE_JSON_H
#define B4C_BASE_JSON_H
#include "base/error.h"
#include <jansson.h>

/* NULL on failure; the caller owns the value (json_decref). `where`: the source, for messages. */
json_t *b4c_json_file(const char *path, b4c_error *);
json_t *b4c_json_parse(const char *text, size_t bytes, const char *where, b4c_error *);

/* Typed access to an object's key. 1: found and set; 0: absent or null, *out untouched; negative:
 * another type or out of range, with a message that names `where` and key. */
int b4c_json_int(const json_t *, const char *key, long long low, long long high, long long *out,
                 const char *where, b4c_error *);
/* Integers are accepted; NaN and infinity cannot occur. */
int b4c_json_real(const json_t *, const char *key, double *out, const char *where, b4c_error *);
int b4c_json_bool(const json_t *, const char *key, bool *out, const char *where, b4c_error *);
/* The text belongs to the value. */
int b4c_json_text(const json_t *, const char *key, const char **out, const char *where,
                  b4c_error *);

/* Is every key of the object one of the n? The message has the nearest. */
int b4c_json_only(const json_t *object, const char *const *keys, int n, const char *where,
                  b4c_error *);
/* "a.b=value": member b of object a becomes the value, read as JSON where it is JSON, else a
 * string. Objects on the way are made where there are none; in a list the name is an index. */
int b4c_json_assign(json_t *object, const char *assignment, b4c_error *);
#endif
