/* A chat template from anywhere, run on a conversation: a text in UTF-8, or an error with words. */
#include <stdlib.h>
#include <string.h>

#include "text/jinja.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    b4c_error err = { 0 };
    b4c_buffer out = { 0 };
    int rc = 0;
    b4c_jinja *j = b4c_jinja_parse((const char *)data, size, "fuzz", &err);
    json_t *variables = json_pack("{s:[{s:s,s:s},{s:s,s:s}],s:b,s:n,s:s}", "messages", "role",
                                  "system", "content", " Be brief. ", "role", "user", "content",
                                  "你好\n", "add_generation_prompt", 1, "tools", "bos_token",
                                  "<s>");
    if (j) rc = b4c_jinja_run(j, variables, &out, &err);
    if ((!j || rc < 0) && (err.code >= 0 || strlen(err.message) < 8)) abort();
    if (j && rc == 0 && out.size && b4c_utf8_check((const char *)data, size) == size &&
        b4c_utf8_check(out.data, out.size) < out.size)
        abort();
    b4c_buffer_done(&out);
    json_decref(variables);
    b4c_jinja_free(j);
    return 0;
}
