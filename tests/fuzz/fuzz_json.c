/* JSON from anywhere: a value that can be asked for every key, or an error with words. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    b4c_error err = { 0 };
    json_t *value = b4c_json_parse((const char *)data, size, "fuzz", &err);
    if (!value) {
        if (err.code >= 0 || strlen(err.message) < 8) abort();
        return 0;
    }
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        long long n = 0;
        double x = 0;
        bool b = false;
        const char *text = NULL;
        const int found = b4c_json_int(value, key, -100, 100, &n, "fuzz", &err);
        if (found == 1 && (n < -100 || n > 100)) abort();
        (void)b4c_json_real(value, key, &x, "fuzz", &err);
        (void)b4c_json_bool(value, key, &b, "fuzz", &err);
        if (b4c_json_text(value, key, &text, "fuzz", &err) == 1 && !text) abort();
    }
    json_decref(value);
    return 0;
}
