/* classes.c - see classes.h. */
#include "model/classes.h"
#include "base/error.h"
#include "model/config.h"
#include <stdio.h>
#include <string.h>

static const char pooling_key[] = "bert4c_classifier_pooling";

enum { MOST_CLASSES = 1 << 20 };

/* Those that a classifier may read, as they are spelt everywhere. */
static const struct {
    b4c_pooling pooling;
    const char *name;
} poolings[] = {
    { B4C_POOL_CLS, "cls" },
    { B4C_POOL_LINEAR, "linear" },
    { B4C_POOL_TANH, "tanh" },
    { B4C_POOL_MEAN, "mean" },
};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

/* ---- reading --------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int read_pooling(b4c_classes *c, const json_t *config, const char *where, b4c_error *err)
{
    const char *name = NULL;
    B4C_TRY(b4c_json_text(config, pooling_key, &name, where, err));
    if (!name) return 0;
    for (int i = 0; i < POOLINGS; i++)
        if (strcmp(poolings[i].name, name) == 0) {
            c->pooling = poolings[i].pooling;
            c->said = true;
            return 0;
        }
    return b4c_fail(err, B4C_E_FORMAT,
                    "%s: %s is '%s', wanted cls, linear, tanh or mean", where, pooling_key, name);
}

int b4c_classes_read(b4c_classes *c, const json_t *config, const char *where, b4c_error *err)
{
    const json_t *classes = json_object_get(config, "architectures");
    const char *first = json_string_value(json_array_get(classes, 0));
    *c = (b4c_classes){ .said = first && ends_with(first, "ForSequenceClassification") };
    B4C_TRY(read_pooling(c, config, where, err));
    json_t *names = json_object_get(config, "id2label"), *name;
    const char *key;
    if (!c->said || !names || json_is_null(names)) return 0;
    if (!json_is_object(names))
        return b4c_fail(err, B4C_E_FORMAT, "%s: id2label is no object", where);
    json_object_foreach(names, key, name)
        if (!json_is_string(name))
            return b4c_fail(err, B4C_E_FORMAT, "%s: id2label: '%s' is no text", where, key);
    c->name = names;
    return 0;
}

char *b4c_classes_name(const b4c_classes *c, int i)
{
    char key[16];
    snprintf(key, sizeof key, "%d", i);
    const char *name = json_string_value(json_object_get(c->name, key));
    return strdup(name ? name : key);
}

void b4c_classes_find(const b4c_mapping *m, const b4c_store *store, const b4c_spec *s,
                      b4c_network_options *o)
{
    b4c_parameter p = { .role = B4C_ROLE_CLASSIFIER, .kind = B4C_KIND_MATRIX };
    const int i = b4c_mapping_tensor(m, store, &p);
    const b4c_stored *t = i < 0 ? NULL : &store->tensor[i];
    if (!t || t->rank != 2 || t->shape[0] < 1 || t->shape[0] > MOST_CLASSES) return;
    if (t->shape[1] != s->width && t->shape[1] != 3 * (int64_t)s->width) return;
    o->classes = (int)t->shape[0];
    o->class_cols = (int)t->shape[1];
    p.kind = B4C_KIND_BIAS;
    o->class_bias = b4c_mapping_tensor(m, store, &p) >= 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

bool b4c_classes_of_hub(const b4c_spec *s, b4c_pooling pooling)
{
    return pooling == B4C_POOL_TANH && b4c_config_class(s, B4C_CLASS_CLASSIFIES) != NULL;
}

void b4c_classes_write(json_t *config, const b4c_spec *s, int classes, const json_t *labels,
                       bool of_pairs, b4c_pooling pooling)
{
    json_t *names = json_object(), *numbers = json_object();
    char key[16];
    for (int i = 0; i < classes; i++) {
        snprintf(key, sizeof key, "%d", i);
        const char *said = json_string_value(json_array_get(labels, (size_t)i));
        const char *name = said ? said : key;
        json_object_set_new(names, key, json_string(name));
        json_object_set_new(numbers, name, json_integer(i));
    }
    const bool hub = !of_pairs && b4c_classes_of_hub(s, pooling);
    json_object_set_new(
        config, "architectures",
        json_pack("[s]", b4c_config_class(s, hub ? B4C_CLASS_CLASSIFIES : B4C_CLASS_BARE)));
    json_object_set_new(config, "id2label", names);
    json_object_set_new(config, "label2id", numbers);
    for (int i = 0; i < POOLINGS; i++)
        if (poolings[i].pooling == pooling)
            json_object_set_new(config, pooling_key, json_string(poolings[i].name));
    json_object_del(config, "problem_type"); /* the source's */
    json_object_del(config, "num_labels");
}
