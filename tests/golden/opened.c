/* opened.c - see opened.h. */
#include "golden/opened.h"

#include "support/test.h"

void open_golden_model(opened *o, const char *name, b4c_dtype dtype, const char *as)
{
    char path[256], own[256];
    b4c_error err = { 0 };
    b4c_model_options options = B4C_MODEL_DEFAULT;
    static const char *const files[] = { "config.json", "generation_config.json", "vocab.txt",
                                         "model.safetensors" };
    bool has_config = false;
    golden_open(&o->g, name);
    snprintf(path, sizeof path, "tests/golden/models/%s/io.json", name);
    o->io = json_load_file(path, 0, NULL);
    assert_non_null(o->io);
    options.dtype = dtype;
    options.need_head = options.weights_only = true;
    options.as = as;
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t n;
        snprintf(path, sizeof path, "tests/golden/models/%s/%s", name, files[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        fclose(f);
        char *bytes = read_file(path, &n);
        snprintf(own, sizeof own, "%s/%s", name, files[i]);
        temp_file(own, bytes, n);
        free(bytes);
        has_config |= i == 1;
        if (i == 2) options.weights_only = false;
    }
    if (!has_config && !strstr(name, "pegasus")) {
        snprintf(own, sizeof own, "%s/generation_config.json", name);
        snprintf(path, sizeof path, "{\"eos_token_id\": %lld}",
                 json_integer_value(json_object_get(o->io, "end")));
        temp_text(own, path);
    }
    o->model = b4c_model_open(temp_path("%s", name), &options, &err);
    if (!o->model) fail_msg("%s", err.message);
    o->session = b4c_session_new(o->model, &(b4c_session_options){ .threads = 2 }, &err);
    if (!o->session) fail_msg("%s", err.message);
}

void close_golden(opened *o)
{
    b4c_session_free(o->session);
    b4c_model_free(o->model);
    json_decref(o->io);
    golden_close(&o->g);
}

void open_unilm(opened *o, int threads)
{
    b4c_error err = { 0 };
    open_golden_model(o, "bert-unilm-beam", B4C_F32, NULL);
    b4c_session_free(o->session);
    o->session = b4c_session_new(o->model, &(b4c_session_options){ .threads = threads }, &err);
    if (!o->session) fail_msg("%s", err.message);
}
