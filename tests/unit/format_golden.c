/* format_golden.c - see format_golden.h. */
#include "format_golden.h"

#include "support/test.h"

#include <math.h>

/* ---- the source ----------------------------------------------------------------------------- */

reference reference_open(const char *path)
{
    size_t n;
    b4c_error err = { 0 };
    reference r = { .bytes = read_file(path, &n) };
    uint64_t size;
    memcpy(&size, r.bytes, sizeof size);
    assert_true(size <= n - 8);
    r.header = b4c_json_parse(r.bytes + 8, size, path, &err);
    if (!r.header) fail_msg("%s", err.message);
    json_object_del(r.header, "__metadata__");
    return r;
}

void reference_close(reference *r)
{
    json_decref(r->header);
    free(r->bytes);
}

int64_t axis(const json_t *entry, size_t i)
{
    const json_t *shape = json_object_get(entry, "shape");
    return i < json_array_size(shape) ? json_integer_value(json_array_get(shape, i)) : 1;
}

const char *data_of(const reference *r, const json_t *entry)
{
    uint64_t size;
    memcpy(&size, r->bytes, sizeof size);
    assert_string_equal(json_string_value(json_object_get(entry, "dtype")), "F32");
    return r->bytes + 8 + size +
           json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 0));
}

/* ---- names ---------------------------------------------------------------------------------- */

/* TF1 to hub, first the long ones. */
const rename_rule tf_bert[] = {
    { "cls/seq_relationship/output_weights", "cls.seq_relationship.weight" },
    { "cls/seq_relationship/output_bias", "cls.seq_relationship.bias" },
    { "cls/predictions/output_bias", "cls.predictions.bias" },
    { "_embeddings", "_embeddings.weight" },
    { "layer_0", "layer.0" },
    { "layer_1", "layer.1" },
    { "layer_2", "layer.2" },
    { "kernel", "weight" },
    { "gamma", "weight" },
    { "beta", "bias" },
    { "/", "." },
    { NULL, NULL },
};
static void rename_all(char name[300], const rename_rule *rule)
{
    for (; rule && rule->from; rule++) {
        char *at = name;
        while ((at = strstr(at, rule->from))) {
            char rest[300];
            snprintf(rest, sizeof rest, "%s", at + strlen(rule->from));
            snprintf(at, 300 - (size_t)(at - name), "%s%s", rule->to, rest);
            at += strlen(rule->to);
        }
    }
}

bool is_listed(const char *name, const json_t *patterns)
{
    size_t i;
    const json_t *item;
    json_array_foreach(patterns, i, item)
    {
        const char *p = json_string_value(item);
        const size_t n = strcspn(p, "* ");
        if (strncmp(name, p, n) == 0 && (p[n] == '*' || name[n] == 0)) return true;
    }
    return false;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* x is `source` rounded to nearest: no farther than half a step, and a number of the type. */
static bool is_rounded(float x, float source, precision p)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (p == EXACT) return memcmp(&x, &source, sizeof x) == 0;
    const double step = p == HALF ? fmax(ldexp(1, ilogb(source) - 10), 0x1p-24)
                                  : ldexp(1, ilogb(source) - 7);
    return (bits & (p == HALF ? 0x1fff : 0xffff)) == 0 && fabs((double)x - source) <= step / 2;
}

float *read_all(const b4c_store *s, int i)
{
    b4c_error err = { 0 };
    const b4c_stored *t = &s->tensor[i];
    const int64_t rows = b4c_stored_rows(t), row = b4c_stored_row(t);
    float *x = malloc((size_t)(rows * row + 1) * sizeof *x);
    assert_non_null(x);
    x[rows * row] = 12345;
    for (int64_t at = 0, n = 1; at < rows; at += n, n = n % 19 + 3) {
        if (n > rows - at) n = rows - at;
        assert_ok(b4c_store_read(s, i, at, n, x + at * row, &err), &err);
    }
    assert_true(x[rows * row] == 12345);
    return x;
}

/* Stored tensor i holds the source's numbers; `turned`: it is [in, out], the source [out, in]. */
void compare(const b4c_store *s, int i, const reference *r, const json_t *entry, bool turned,
             precision p)
{
    const b4c_stored *t = &s->tensor[i];
    const int64_t rows = axis(entry, 0), cols = axis(entry, 1);
    const char *data = data_of(r, entry);
    if (p == BY_TYPE)
        p = t->type == B4C_STORED_F16 ? HALF : t->type == B4C_STORED_BF16 ? BRAIN : EXACT;
    assert_int_equal(t->rank, json_array_size(json_object_get(entry, "shape")));
    assert_true(t->rank <= 2);
    if (t->rank > 0) assert_int_equal(t->shape[0], turned ? cols : rows);
    if (t->rank > 1) assert_int_equal(t->shape[1], turned ? rows : cols);
    float *x = read_all(s, i);
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++) {
            float want;
            memcpy(&want, data + (a * cols + b) * 4, sizeof want);
            const float got = turned ? x[b * rows + a] : x[a * cols + b];
            if (!is_rounded(got, want, p) && !(isnan(got) && isnan(want)))
                fail_msg("%s: '%s' [%d, %d] is %.9g, the source has %.9g", s->file_name[t->file],
                         t->name, (int)a, (int)b, got, want);
        }
    free(x);
}

static bool is_kernel(const char *name)
{
    const size_t n = strlen(name);
    return n > 7 && strcmp(name + n - 7, "/kernel") == 0;
}

void check_golden(const golden *g)
{
    char path[400];
    b4c_error err = { 0 };
    b4c_store s;
    json_t *expected = NULL;
    snprintf(path, sizeof path, FORMATS "%s/expected.json", g->folder);
    if (b4c_file_exists(path)) assert_non_null(expected = b4c_json_file(path, &err));
    snprintf(path, sizeof path, "%s%s", strncmp(g->source, "./", 2) ? MODELS : FORMATS, g->source);
    reference r = reference_open(path);
    json_t *left = json_copy(r.header);
    snprintf(path, sizeof path, FORMATS "%s%s%s", g->folder, g->file ? "/" : "",
             g->file ? g->file : "");
    assert_ok(b4c_store_open(&s, path, &err), &err);
    assert_string_equal(s.layout, g->layout);
    if (g->files) assert_int_equal(s.n_files, g->files);
    if (g->prepare) g->prepare(&s);

    for (int i = 0; i < s.n; i++) {
        const char *name = s.tensor[i].name;
        assert_int_equal(b4c_store_find(&s, name), i);
        char hub[300];
        snprintf(hub, sizeof hub, "%s%s", g->strip ? g->strip : "", name);
        rename_all(hub, g->first);
        rename_all(hub, g->then);
        const json_t *entry = json_object_get(r.header, hub);
        if (!entry) {
            const bool known = is_listed(name, json_object_get(expected, "unexpected")) ||
                               (g->extra[0] && strcmp(name, g->extra[0]) == 0) ||
                               (g->extra[1] && strcmp(name, g->extra[1]) == 0);
            if (!known) fail_msg("%s: '%s' (%s) is not in the source", path, name, hub);
            continue;
        }
        compare(&s, i, &r, entry, (g->turned ? g->turned : is_kernel)(name), g->precision);
        json_object_del(left, hub);
    }
    const char *name;
    json_t *entry;
    json_object_foreach(left, name, entry)
    {
        if (!is_listed(name, json_object_get(expected, "missing_in_file")))
            fail_msg("%s lacks the source's '%s'", path, name);
    }
    assert_int_equal(b4c_store_find(&s, "no such tensor"), -1);
    b4c_store_close(&s);
    json_decref(left);
    json_decref(expected);
    reference_close(&r);
}
