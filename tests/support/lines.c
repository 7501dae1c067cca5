/* lines.c - see lines.h. */
#include "support/lines.h"
#include "support/test.h"

long each_line(const char *path, void (*fn)(const json_t *, long, void *), void *arg)
{
    size_t size;
    char *all = read_file(path, &size), *line = all;
    long number = 0;
    while (line < all + size) {
        char *end = memchr(line, '\n', (size_t)(all + size - line));
        if (!end) end = all + size;
        json_error_t at;   /* texts may hold U+0000, which b4c_json_parse refuses */
        json_t *value = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, &at);
        if (!value) fail_msg("%s: line %ld: %s", path, number + 1, at.text);
        fn(value, ++number, arg);
        json_decref(value);
        line = end + 1;
    }
    assert_true(number > 0);
    free(all);
    return number;
}
