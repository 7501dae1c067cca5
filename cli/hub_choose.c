/* hub_choose.c - see hub_choose.h.
 *
 * A repository has its weights several times over, for several programs; one kind is taken. They
 * stand at the top, or, with sentence-transformers before version 1, beside their configuration in
 * a module's folder (0_Transformer). Of GGUF files one is one model: which, must be said where
 * there are several.
 */
#include "hub_choose.h"
#include "message.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weights in the order in which they are preferred; the first kind that is there is taken, all of
 * its files. */
static const char *const weights[][2] = {
    { "model.safetensors", NULL },
    { "model.safetensors.index.json", "model-*.safetensors" },
    { "pytorch_model.bin", NULL },
    { "pytorch_model.bin.index.json", "pytorch_model-*.bin" },
    { "bert_model.ckpt.index", "bert_model.ckpt.data-*" },
    { "model.onnx", "model.onnx_data" },
    { "onnx/model.onnx", "onnx/model.onnx_data" },
};
enum { KINDS = sizeof weights / sizeof *weights, NAME = 400 };

/* '*' stands for anything but a slash; at most one in a pattern. */
static bool fits(const char *name, const char *pattern)
{
    const char *star = strchr(pattern, '*');
    if (!star) return !strcmp(name, pattern);
    const size_t head = (size_t)(star - pattern), tail = strlen(star + 1), n = strlen(name);
    return n >= head + tail && !memcmp(name, pattern, head) && !strcmp(name + n - tail, star + 1) &&
           !memchr(name + head, '/', n - head - tail);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end);
}

static void choose(json_t *chosen, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(chosen, i, one) if (!strcmp(json_string_value(one), name)) return;
    json_array_append_new(chosen, json_string(name));
}

/* Weights right in `folder` ("" or "NAME/"), one kind of them. Returns whether there are some. */
static bool choose_weights(const json_t *files, const char *folder, json_t *chosen)
{
    char name[NAME], pattern[NAME];
    const char *one;
    json_t *value;
    for (int k = 0; k < KINDS && !json_array_size(chosen); k++) {
        snprintf(name, sizeof name, "%s%s", folder, weights[k][0]);
        if (!json_object_get(files, name)) continue;
        choose(chosen, name);
        snprintf(pattern, sizeof pattern, "%s%s", folder, weights[k][1] ? weights[k][1] : "");
        json_object_foreach((json_t *)(uintptr_t)files, one, value)
            if (weights[k][1] && fits(one, pattern)) choose(chosen, one);
    }
    return json_array_size(chosen) > 0;
}

/* "0_Transformer/": the one folder of a module that holds a configuration and weights, and in it
 * the vocabulary. folder [NAME] */
static bool find_transformer(const json_t *files, char *folder)
{
    const char *one;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)files, one, value)
    {
        const char *slash = strchr(one, '/');
        if (!slash || !isdigit((unsigned char)*one) || strlen(one) >= NAME ||
            strcmp(slash + 1, "config.json") != 0)
            continue;
        char name[NAME];
        static const char *const vocabularies[] = { "vocab.txt", "tokenizer.json", "spiece.model",
                                                    "sentencepiece.bpe.model", "vocab.json" };
        for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++) {
            snprintf(name, sizeof name, "%.*s%s", (int)(slash + 1 - one), one, vocabularies[i]);
            if (!json_object_get(files, name)) continue;
            snprintf(folder, NAME, "%.*s", (int)(slash + 1 - one), one);
            return true;
        }
    }
    return false;
}

/* ---- GGUF ------------------------------------------------------------------------------------ */

/* Bytes of a GGUF file's name that all of its parts share: up to "-00001-of-00003.gguf". */
static size_t stem_of(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of - name > 6 ? (size_t)(of - 6 - name) : strlen(name);
}

/* All parts of the one GGUF model whose name holds `part` (NULL: of the only one). Returns 1: they
 * are chosen; 0: there is no GGUF file at the top; negative: err says which there are. */
static int choose_gguf(const json_t *files, const char *repo, const char *part, json_t *chosen,
                       b4c_error *err)
{
    char names[500] = "";
    const char *one, *first = NULL;
    json_t *value;
    int all = 0, models = 0;
    json_object_foreach((json_t *)(uintptr_t)files, one, value)
    {
        if (!ends_with(one, ".gguf") || strchr(one, '/')) continue;
        all++;
        cli_add_name(names, sizeof names, -1, one);
        if (part && !strstr(one, part)) continue;
        if (first && stem_of(first) == stem_of(one) && !memcmp(first, one, stem_of(one))) continue;
        models++;
        first = one;
    }
    if (!all) return 0;
    if (models != 1)
        return cli_fail(err, B4C_E_ARG,
                        "%s: %s: found %s, wanted a part of one's name: --weights Q8_0",
                        models ? "several GGUF files" : "no such GGUF file", repo, names);
    json_object_foreach((json_t *)(uintptr_t)files, one, value)
        if (ends_with(one, ".gguf") && stem_of(one) == stem_of(first) &&
            !memcmp(one, first, stem_of(first)))
            choose(chosen, one);
    return 1;
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* Files of a sentence-transformers module: "1_Pooling/config.json", "2_Dense/model.safetensors". */
static bool is_module_file(const char *name, const json_t *files)
{
    const char *slash = strchr(name, '/');
    if (!slash || !isdigit((unsigned char)*name) || strchr(slash + 1, '/')) return false;
    if (!strcmp(slash + 1, "config.json") || !strcmp(slash + 1, "model.safetensors")) return true;
    if (strcmp(slash + 1, "pytorch_model.bin")) return false;
    char better[NAME];
    snprintf(better, sizeof better, "%.*s/model.safetensors", (int)(slash - name), name);
    return !json_object_get(files, better);
}

/* What looks like weights, wherever it stands; "" when nothing does. */
static void find_others(const json_t *files, char *names, size_t room)
{
    static const char *const ends[] = { ".safetensors", ".bin", ".gguf", ".onnx", ".h5", ".msgpack",
                                        ".pt", ".pth", ".ckpt" };
    const char *one;
    json_t *value;
    *names = 0;
    json_object_foreach((json_t *)(uintptr_t)files, one, value)
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            if (ends_with(one, ends[i])) cli_add_name(names, room, -1, one);
}

static int fail_without(const json_t *files, const char *repo, b4c_error *err)
{
    char names[500];
    find_others(files, names, sizeof names);
    if (*names)
        return cli_fail(err, B4C_E_MISSING,
                        "no weights where they are looked for: %s: found %s, wanted "
                        "model.safetensors, pytorch_model.bin, model.onnx, a TF1 checkpoint or a "
                        "GGUF file at the top; get the folder by other means and give it with -m",
                        repo, names);
    return cli_fail(err, B4C_E_MISSING,
                    "no weights: %s: found %d files, none of them weights, wanted "
                    "model.safetensors, pytorch_model.bin, a TF1 checkpoint, model.onnx or a GGUF "
                    "file; is it a model?",
                    repo, (int)json_object_size(files));
}

/* Files beside the weights in `folder`. */
static void choose_small(const json_t *files, const char *folder, json_t *chosen)
{
    char name[NAME];
    const char *one;
    for (int i = 0; (one = b4c_model_file(i)); i++) {
        snprintf(name, sizeof name, "%s%s", folder, one);
        if (json_object_get(files, name) && !strchr(one, '/')) choose(chosen, name);
    }
}

json_t *cli_hub_choose(const json_t *files, const char *repo, const char *part, b4c_error *err)
{
    char folder[NAME] = "";
    const char *name;
    json_t *value, *chosen = json_array();
    int rc = 0;
    if (part || !choose_weights(files, "", chosen)) {
        const bool apart = !part && find_transformer(files, folder) &&
                           choose_weights(files, folder, chosen);
        if (!apart) {
            *folder = 0;
            rc = choose_gguf(files, repo, part, chosen, err);
            if (rc == 0) rc = fail_without(files, repo, err);
        }
    }
    if (rc < 0) {
        json_decref(chosen);
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)files, name, value)
        if (is_module_file(name, files) || fits(name, "additional_chat_templates/*.jinja"))
            choose(chosen, name);
    if (*folder) choose_small(files, folder, chosen);
    choose_small(files, "", chosen);
    return chosen;
}
