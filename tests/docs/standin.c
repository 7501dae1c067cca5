/* standin.c - see standin.h. What has a row for each token, or for each position, gets more rows:
 * those it has, again and again, a little changed so that no two are equal. */
#include "docs/standin.h"

#include "base/json.h"
#include "base/rng.h"
#include "support/test.h"

enum { POSITIONS = 512 };

/* ---- vocabulary ----------------------------------------------------------------------------- */

typedef struct words {
    char *text;
    size_t n, room;
    json_t *seen;
} words;

static void put_word(words *w, const char *word, size_t n)
{
    char one[200];
    if (n == 0 || n >= sizeof one) return;
    memcpy(one, word, n);
    one[n] = 0;
    if (json_object_get(w->seen, one)) return;
    json_object_set_new(w->seen, one, json_true());
    if (w->n + n + 2 > w->room) {
        w->text = realloc(w->text, w->room = 2 * (w->n + n + 2));
        assert_non_null(w->text);
    }
    memcpy(w->text + w->n, one, n);
    strcpy(w->text + w->n + n, "\n");
    w->n += n + 1;
}

static size_t character_bytes(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool is_word(const char *word, size_t n)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    if (n > 2 && word[0] == '#' && word[1] == '#') word += 2, n -= 2;
    return n > 1 && strspn(word, small) >= n;
}

char *standin_vocabulary(const char *const *texts, int n)
{
    static const char *const special[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
    words w = { .seen = json_object() };
    for (size_t i = 0; i < COUNT(special); i++) put_word(&w, special[i], strlen(special[i]));
    for (char c = '!'; c <= '~'; c++) {
        const char continued[] = { '#', '#', c };
        if (c >= 'A' && c <= 'Z') continue;
        put_word(&w, &c, 1);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) put_word(&w, continued, 3);
    }
    for (int i = 0; i < n; i++)
        for (const char *p = texts[i]; *p;) {
            const size_t word = strcspn(p, " \t\n"), one = character_bytes((unsigned char)*p);
            if (is_word(p, word)) put_word(&w, p, word);
            if (one > 1) put_word(&w, p, one);
            p += one;
        }
    json_decref(w.seen);
    return w.text;
}

/* ---- weights -------------------------------------------------------------------------------- */

/* What is asked of a golden model. */
typedef struct plan {
    const char *golden;
    int tokens;
    bool no_head, no_pooler;
} plan;

static bool is_left_out(const plan *p, const char *name)
{
    return !strcmp(name, "__metadata__") || (p->no_head && strstr(name, "cls.")) ||
           (p->no_pooler && strstr(name, "pooler."));
}

/* Rows that the tensor gets in place of those it has. */
static json_int_t rows_for(const plan *p, const char *name, json_int_t rows, json_int_t old_tokens)
{
    if (rows == old_tokens) return p->tokens;
    return strstr(name, "position_embeddings.weight") || strstr(name, "wpe.weight") ? POSITIONS
                                                                                    : rows;
}

static void write_rows(FILE *out, const float *x, size_t old_rows, size_t rows, size_t width)
{
    b4c_rng rng;
    b4c_rng_init(&rng, 5, 0, 0);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < width; c++) {
            float value = x[r % old_rows * width + c];
            if (r >= old_rows) value += 0.05f * b4c_rng_normal(&rng);
            fwrite(&value, sizeof value, 1, out);
        }
}

/* The golden model's safetensors with more rows, as a file of the temporary folder. */
static void write_weights(const char *to, const plan *p, json_int_t old_tokens)
{
    char from[256];
    b4c_error err = { 0 };
    uint64_t size;
    snprintf(from, sizeof from, "tests/golden/models/%s/model.safetensors", p->golden);
    char *bytes = read_file(from, NULL), *body = NULL;
    size_t body_size = 0;
    memcpy(&size, bytes, sizeof size);
    json_t *header = b4c_json_parse(bytes + 8, size, from, &err), *made = json_object(), *entry;
    if (!header) fail_msg("%s", err.message);
    FILE *out = open_memstream(&body, &body_size);
    assert_non_null(out);
    const char *name;
    json_int_t at = 0;
    json_object_foreach(header, name, entry)
    {
        if (is_left_out(p, name)) continue;
        json_t *shape = json_object_get(entry, "shape");
        const json_int_t rows = json_integer_value(json_array_get(shape, 0)),
                         more = rows_for(p, name, rows, old_tokens);
        json_int_t width = 1;
        for (size_t i = 1; i < json_array_size(shape); i++)
            width *= json_integer_value(json_array_get(shape, i));
        if (strcmp(json_string_value(json_object_get(entry, "dtype")), "F32") != 0) continue;
        const json_int_t begin = json_integer_value(
            json_array_get(json_object_get(entry, "data_offsets"), 0));
        write_rows(out, (const float *)(const void *)(bytes + 8 + size + begin), (size_t)rows,
                   (size_t)more, (size_t)width);
        json_array_set_new(shape, 0, json_integer(more));
        json_object_set_new(made, name,
                            json_pack("{s:s, s:O, s:[I, I]}", "dtype", "F32", "shape", shape,
                                      "data_offsets", at, at + 4 * more * width));
        at += 4 * more * width;
    }
    assert_int_equal(fclose(out), 0);
    char *text = json_dumps(made, JSON_COMPACT), *whole;
    const size_t padded = (strlen(text) + 7) / 8 * 8;
    whole = malloc(8 + padded + body_size);
    assert_non_null(whole);
    memcpy(whole, &(uint64_t){ padded }, 8);
    memset(whole + 8, ' ', padded);
    memcpy(whole + 8, text, strlen(text));
    memcpy(whole + 8 + padded, body, body_size);
    temp_file(to, whole, 8 + padded + body_size);
    json_decref(header);
    json_decref(made);
    free(whole);
    free(text);
    free(body);
    free(bytes);
}

/* ---- folders -------------------------------------------------------------------------------- */

static int count_lines(const char *text)
{
    int n = 0;
    for (; (text = strchr(text, '\n')); text++) n++;
    return n;
}

static plan plan_for(const char *model)
{
    if (strstr(model, "bge") || strstr(model, "MiniLM"))
        return (plan){ .golden = "bert", .no_head = true, .no_pooler = true };
    if (strstr(model, "gpt")) return (plan){ .golden = "gpt2" };
    if (strstr(model, "t5")) return (plan){ .golden = "t5-pegasus" };
    return (plan){ .golden = "bert" };
}

/* "FOLDER/FILE" */
static const char *in(const char *folder, const char *file)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return path;
}

const char *standin_model(const char *folder, const char *model, const char *vocabulary)
{
    plan p = plan_for(model);
    char path[256];
    b4c_error err = { 0 };
    p.tokens = count_lines(vocabulary);
    snprintf(path, sizeof path, "tests/golden/models/%s/config.json", p.golden);
    json_t *config = b4c_json_file(path, &err);
    if (!config) fail_msg("%s", err.message);
    write_weights(in(folder, "model.safetensors"), &p,
                  json_integer_value(json_object_get(config, "vocab_size")));

    json_object_set_new(config, "vocab_size", json_integer(p.tokens));
    if (!strcmp(p.golden, "bert"))
        json_object_set_new(config, "max_position_embeddings", json_integer(POSITIONS));
    if (json_object_get(config, "n_positions"))
        json_object_set_new(config, "n_positions", json_integer(POSITIONS));
    char *text = json_dumps(config, 0);
    temp_text(in(folder, "config.json"), text);
    free(text);
    json_decref(config);

    temp_text(in(folder, "vocab.txt"), vocabulary);
    temp_text(in(folder, "tokenizer_config.json"),
              "{\"do_lower_case\": false, \"chat_template\": "
              "\"[CLS]{% for m in messages %}{{ m.content }}[SEP]{% endfor %}\"}");
    if (p.no_head) {
        temp_text(in(folder, "modules.json"),
                  "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers."
                  "models.Transformer\"},"
                  "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_"
                  "transformers.models.Pooling\"},"
                  "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\",\"type\":\"sentence_"
                  "transformers.models.Normalize\"}]");
        temp_text(in(folder, "1_Pooling/config.json"), "{\"pooling_mode_cls_token\":true}");
    }
    return temp_path("%s", folder);
}
