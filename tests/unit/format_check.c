/* format_check.c - see format_check.h. */
#include "format_check.h"

#include "support/test.h"

void refused(const char *name, b4c_buffer *file, int code, const char *part)
{
    b4c_store s;
    b4c_error err = { 0 };
    assert_false(file->failed);
    const char *path = temp_file(name, file->data ? file->data : "", file->size);
    assert_fails(b4c_store_open(&s, path, &err), &err, code, part);
    assert_non_null(strstr(err.message, temp_folder())); /* a file is named */
    assert_null(s.tensor);
    assert_int_equal(b4c_store_open(&s, path, NULL), code);
    b4c_buffer_done(file);
}

b4c_store opened(const char *name, b4c_buffer *file)
{
    b4c_store s;
    b4c_error err = { 0 };
    assert_false(file->failed);
    assert_ok(b4c_store_open(&s, temp_file(name, file->data, file->size), &err), &err);
    b4c_buffer_done(file);
    return s;
}

void holds(const b4c_store *s, const char *name, const float *want, int n)
{
    float got[64];
    b4c_error err = { 0 };
    const int i = b4c_store_find(s, name);
    if (i < 0) fail_msg("no tensor '%s'", name);
    const int64_t rows = b4c_stored_rows(&s->tensor[i]);
    assert_int_equal(rows * b4c_stored_row(&s->tensor[i]), n);
    assert_ok(b4c_store_read(s, i, 0, rows, got, &err), &err);
    assert_memory_equal(got, want, (size_t)n * sizeof *got);
}
