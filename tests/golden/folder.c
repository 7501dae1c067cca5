/* folder.c - model folders made for a test; see folder.h. */
#include "golden/folder.h"

#include "base/json.h"
#include "support/test.h"

/* The vocabularies that were made with the TF1 files have the golden models' sizes. */
static const char *vocabulary_of(const char *model)
{
    if (strstr(model, "roformer")) return "tests/golden/formats/tf1-roformer/vocab.txt";
    if (strstr(model, "albert")) return "tests/golden/formats/tf1-albert/vocab.txt";
    return "tests/golden/formats/tf1-bert/vocab.txt";
}

static void put(const char *folder, const char *name, const char *from)
{
    char to[256];
    size_t n;
    char *bytes = read_file(from, &n);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    temp_file(to, bytes, n);
    free(bytes);
}

const char *folder_make(const char *name, const char *golden_model)
{
    char from[256];
    snprintf(from, sizeof from, "tests/golden/models/%s/config.json", golden_model);
    put(name, "config.json", from);
    snprintf(from, sizeof from, "tests/golden/models/%s/model.safetensors", golden_model);
    put(name, "model.safetensors", from);
    put(name, "vocab.txt", vocabulary_of(golden_model));
    return temp_path("%s", name);
}

const char *folder_rename(const char *to, const char *from, rename_fn rename)
{
    size_t n;
    uint64_t size;
    b4c_error err = { 0 };
    char *bytes = read_file(from, &n), room[512];
    memcpy(&size, bytes, sizeof size);
    json_t *header = b4c_json_parse(bytes + 8, size, from, &err), *renamed = json_object(), *entry;
    if (!header) fail_msg("%s", err.message);
    const char *name;
    json_object_foreach(header, name, entry) {
        const char *other = strcmp(name, "__metadata__") ? rename(name, room, sizeof room) : NULL;
        if (other) json_object_set(renamed, other, entry);
    }
    char *text = json_dumps(renamed, JSON_COMPACT);
    const uint64_t written = strlen(text);
    char *out = malloc(8 + written + n);
    memcpy(out, &written, 8);
    memcpy(out + 8, text, written);
    memcpy(out + 8 + written, bytes + 8 + size, n - 8 - size);
    const char *path = temp_file(to, out, 8 + written + n - 8 - size);
    json_decref(header);
    json_decref(renamed);
    free(text);
    free(out);
    free(bytes);
    return path;
}

void folder_fill(const char *path, const char *tensor, float x)
{
    size_t n;
    uint64_t size;
    long long from, to;
    b4c_error err = { 0 };
    char *bytes = read_file(path, &n);
    memcpy(&size, bytes, sizeof size);
    json_t *header = b4c_json_parse(bytes + 8, size, path, &err);
    if (json_unpack(header, "{s:{s:[I,I]}}", tensor, "data_offsets", &from, &to) < 0)
        fail_msg("%s: no tensor '%s'", path, tensor);
    for (char *at = bytes + 8 + size + from; at < bytes + 8 + size + to; at += sizeof x)
        memcpy(at, &x, sizeof x);
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    json_decref(header);
    free(bytes);
}

char *folder_text(int number)
{
    static const char *const pieces[] = { "的", "一", "是", "不", "了", "在", "人", "有",
                                          "我", "他", "这", "中", "大", "a",  "b",  "c",
                                          "0",  "1",  "2",  " ",  "。", ",",  "?",  "鱲" };
    b4c_rng rng;
    b4c_rng_init(&rng, 77, (uint64_t)number, 0);
    const int n = (int)b4c_rng_below(&rng, 20);
    char *text = calloc(1, 512);
    if (number % 7 == 6) random_text(&rng, n, text);
    else
        for (int i = 0; i < n; i++) strcat(text, pieces[b4c_rng_below(&rng, COUNT(pieces))]);
    return text;
}
