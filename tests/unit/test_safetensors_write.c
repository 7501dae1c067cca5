/* Writing safetensors: the reference's own bytes, rounding, and files that appear only when whole.
 */
#include "support/test.h"

#include "format_golden.h"
#include "model/format/half.h"
#include "model/format/safetensors_write.h"

#include <math.h>
#include <unistd.h>

/* Tensors of a store, as they are to be written. */
static b4c_tensor_out *list_of(const b4c_store *s, b4c_stored_type type)
{
    b4c_tensor_out *list = calloc((size_t)s->n, sizeof *list);
    assert_non_null(list);
    for (int i = 0; i < s->n; i++) {
        const b4c_stored *t = &s->tensor[i];
        list[i] = (b4c_tensor_out){ .name = t->name, .type = type, .rank = t->rank, .tag = t };
        memcpy(list[i].shape, t->shape, sizeof t->shape);
    }
    return list;
}

/* Every tensor of the store into a file, in pieces of changing size; its path. */
static const char *write_store(const b4c_store *s, const char *name, b4c_stored_type type)
{
    const char *path = temp_path("%s", name);
    b4c_safetensors_out out;
    b4c_error err = { 0 };
    b4c_tensor_out *list = list_of(s, type);
    uint64_t piece = 1;
    assert_ok(b4c_safetensors_begin(&out, path, list, s->n, &err), &err);
    for (int i = 0; i < s->n; i++) {
        const int from = (int)((const b4c_stored *)list[i].tag - s->tensor);
        const uint64_t n = (uint64_t)(b4c_stored_rows(&s->tensor[from]) *
                                      b4c_stored_row(&s->tensor[from]));
        float *x = read_all(s, from);
        for (uint64_t at = 0, k; at < n; at += k) {
            k = piece < n - at ? piece : n - at;
            assert_ok(b4c_safetensors_put(&out, x + at, k, &err), &err);
            piece = piece % 9973 * 3 + 1;
        }
        free(x);
    }
    assert_int_equal(access(path, F_OK), -1); /* not yet */
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    b4c_safetensors_drop(&out);
    free(list);
    return path;
}

/* What the safetensors package wrote, read and written again: the same file. */
static void the_bytes_are_the_references(void **state)
{
    (void)state;
    static const char *const paths[] = { MODELS "bert/model.safetensors",
                                         MODELS "llama/model.safetensors" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        b4c_store s;
        b4c_error err = { 0 };
        assert_ok(b4c_store_open(&s, paths[i], &err), &err);
        const char *again = write_store(&s, i ? "llama.safetensors" : "bert.safetensors",
                                        B4C_STORED_F32);
        size_t n, m;
        char *x = read_file(paths[i], &n), *y = read_file(again, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
        free(x);
        free(y);
        b4c_store_close(&s);
    }
}

/* The framework's bf16 and f16 files are the f32 source rounded to nearest; so are ours, in the
 * same order. (Their headers have no metadata.) */
static void numbers_are_rounded_as_the_frameworks_do(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        b4c_stored_type type;
    } cases[] = { { FORMATS "bf16/model.safetensors", B4C_STORED_BF16 },
                  { FORMATS "f16/model.safetensors", B4C_STORED_F16 } };
    b4c_store s;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&s, MODELS "bert/model.safetensors", &err), &err);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *ours = write_store(&s, i ? "half.safetensors" : "brain.safetensors",
                                       cases[i].type);
        b4c_store a, b;
        assert_ok(b4c_store_open(&a, cases[i].path, &err), &err);
        assert_ok(b4c_store_open(&b, ours, &err), &err);
        assert_int_equal(a.n, b.n);
        for (int k = 0; k < a.n; k++) {
            const b4c_stored *x = &a.tensor[k], *y = &b.tensor[k];
            assert_string_equal(x->name, y->name);
            assert_int_equal(x->type, y->type);
            assert_int_equal(x->bytes, y->bytes);
            assert_memory_equal(x->data, y->data, x->bytes);
            assert_int_equal(x->data - a.tensor[0].data, y->data - b.tensor[0].data);
        }
        b4c_store_close(&a);
        b4c_store_close(&b);
    }
    b4c_store_close(&s);
}

/* Every half survives; between two neighbours the nearer one is taken, in the middle the even. */
static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float x = b4c_from_half((uint16_t)h),
                    next = h == 0x7bff ? 65536 : b4c_from_half((uint16_t)(h + 1));
        const float middle = x + (next - x) / 2;
        const uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        assert_int_equal(b4c_to_half(x), h);
        assert_int_equal(b4c_to_half(-x), h | 0x8000);
        assert_int_equal(b4c_to_half(nextafterf(middle, 0)), h);
        assert_int_equal(b4c_to_half(middle), even);
        assert_int_equal(b4c_to_half(nextafterf(middle, 1e9f)), h + 1);
    }
    assert_int_equal(b4c_to_half(INFINITY), 0x7c00);
    assert_int_equal(b4c_to_half(-1e30f), 0xfc00);
    assert_int_equal(b4c_to_half(1e-30f), 0);
    assert_true(isnan(b4c_from_half(b4c_to_half(NAN))));
}

/* Types side by side, empty and scalar tensors, names that JSON must escape. */
static void every_shape_and_name_comes_back(void **state)
{
    (void)state;
    static const float x[] = { 1, 70000, -3, NAN, INFINITY };
    static const unsigned char bytes[] = { 1, 2, 255 };
    static const int64_t whole[] = { -5, (int64_t)1 << 40 };
    b4c_tensor_out list[] = {
        { "a \"quoted\\\" 名", B4C_STORED_U8, 1, { 3 }, bytes },
        { "half", B4C_STORED_F16, 2, { 1, 4 }, x },
        { "empty", B4C_STORED_F16, 2, { 0, 4 }, x },
        { "scalar", B4C_STORED_F32, 0, { 0 }, x },
        { "brain", B4C_STORED_BF16, 1, { 5 }, x },
        { "brain too", B4C_STORED_BF16, 1, { 0 }, x },
        { "whole", B4C_STORED_I64, 1, { 2 }, whole },
    };
    const char *path = temp_path("shapes.safetensors");
    b4c_safetensors_out out;
    b4c_store s;
    b4c_error err = { 0 };
    float y[8];
    assert_ok(b4c_safetensors_begin(&out, path, list, COUNT(list), &err), &err);
    static const char *const order[] = { "whole", "scalar", "brain", "brain too", "empty", "half" };
    for (size_t i = 0; i < COUNT(list); i++) {
        const b4c_tensor_out *t = &list[i];
        if (i < COUNT(order)) assert_string_equal(t->name, order[i]);
        uint64_t n = 1;
        for (int k = 0; k < t->rank; k++) n *= (uint64_t)t->shape[k];
        if (t->type == B4C_STORED_U8 || t->type == B4C_STORED_I64)
            assert_ok(b4c_safetensors_put_raw(&out, t->tag, n, &err), &err);
        else
            assert_ok(b4c_safetensors_put(&out, t->tag, n, &err), &err);
    }
    assert_int_equal(out.too_large, 1); /* 70000 as a half */
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    assert_ok(b4c_store_open(&s, path, &err), &err);
    assert_int_equal(s.n, COUNT(list));
    const int quoted = b4c_store_find(&s, "a \"quoted\\\" 名"), half = b4c_store_find(&s, "half"),
              brain = b4c_store_find(&s, "brain");
    assert_true(quoted >= 0 && half >= 0 && brain >= 0);
    assert_memory_equal(s.tensor[quoted].data, bytes, sizeof bytes);
    assert_ok(b4c_store_read(&s, half, 0, 1, y, &err), &err);
    assert_true(y[0] == 1 && isinf(y[1]) && y[2] == -3 && isnan(y[3]));
    assert_ok(b4c_store_read(&s, brain, 0, 1, y, &err), &err);
    assert_true(y[0] == 1 && y[1] == 70144 && isnan(y[3]) && isinf(y[4]));
    assert_memory_equal(s.tensor[b4c_store_find(&s, "whole")].data, whole, sizeof whole);
    b4c_store_close(&s);

    /* no tensors at all */
    assert_ok(b4c_safetensors_begin(&out, path, list, 0, &err), &err);
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    assert_ok(b4c_store_open(&s, path, &err), &err);
    assert_int_equal(s.n, 0);
    b4c_store_close(&s);
}

static void what_is_not_finished_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = temp_text("old.safetensors", "the old one");
    b4c_tensor_out list[] = { { "x", B4C_STORED_F32, 1, { 3 }, NULL } };
    const float x[] = { 1, 2, 3 };
    b4c_safetensors_out out;
    b4c_error err = { 0 };
    size_t n;
    assert_ok(b4c_safetensors_begin(&out, path, list, 1, &err), &err);
    assert_ok(b4c_safetensors_put(&out, x, 2, &err), &err);
    b4c_safetensors_drop(&out);
    b4c_safetensors_drop(&out); /* twice is once */
    char *text = read_file(path, &n);
    assert_string_equal(text, "the old one");
    free(text);
    assert_int_equal(access(temp_path("old.safetensors.part"), F_OK), -1);

    assert_ok(b4c_safetensors_begin(&out, path, list, 1, &err), &err);
    assert_ok(b4c_safetensors_put(&out, x, 3, &err), &err);
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    b4c_store s;
    assert_ok(b4c_store_open(&s, path, &err), &err);
    assert_int_equal(s.n, 1);
    b4c_store_close(&s);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    const char *path = temp_path("refused.safetensors");
    b4c_safetensors_out out;
    b4c_error err = { 0 };
    b4c_tensor_out twice[] = { { "x", B4C_STORED_F32, 1, { 3 }, NULL },
                               { "x", B4C_STORED_F16, 1, { 3 }, NULL } };
    assert_fails(b4c_safetensors_begin(&out, path, twice, 2, &err), &err, B4C_E_ARG,
                 "two tensors are to be called 'x'");
    b4c_tensor_out reserved[] = { { "__metadata__", B4C_STORED_F32, 1, { 3 }, NULL } };
    assert_fails(b4c_safetensors_begin(&out, path, reserved, 1, &err), &err, B4C_E_ARG,
                 "__metadata__");
    b4c_tensor_out large[] = { { "x", B4C_STORED_F32, 2, { INT64_MAX, 3 }, NULL } };
    assert_fails(b4c_safetensors_begin(&out, path, large, 1, &err), &err, B4C_E_ARG,
                 "tensor 'x': shape");
    b4c_tensor_out latin[] = { { "caf\xe9", B4C_STORED_F32, 1, { 3 }, NULL } };
    assert_fails(b4c_safetensors_begin(&out, path, latin, 1, &err), &err, B4C_E_ARG, "not UTF-8");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(temp_path("refused.safetensors.part"), F_OK), -1);
    assert_fails(b4c_safetensors_begin(&out, "/nowhere/x.safetensors", large, 0, &err), &err,
                 B4C_E_IO, "/nowhere/x.safetensors");
    b4c_safetensors_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_the_references),
        cmocka_unit_test(numbers_are_rounded_as_the_frameworks_do),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(every_shape_and_name_comes_back),
        cmocka_unit_test(what_is_not_finished_leaves_the_old_file),
        cmocka_unit_test(what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
