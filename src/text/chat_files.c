/* chat_files.c - see chat_files.h. */
#include "text/chat_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "text/utf8.h"

static const char usual[] = "default", end[] = ".jinja", gguf_key[] = "tokenizer.chat_template";
enum { MOST_TEMPLATES = 64, LONGEST_NAME = 100 };

/* ---- a folder of them ------------------------------------------------------------------------ */

static int is_template(const struct dirent *entry)
{
    return b4c_span_ends(b4c_span_of(entry->d_name), end);
}

int b4c_chat_list(const char *folder, struct dirent ***entry, b4c_error *err)
{
    char *path = b4c_path_join(folder, B4C_CHAT_FOLDER);
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for chat templates", folder);
    const int n = b4c_folder_exists(path) ? scandir(path, entry, is_template, alphasort) : 0;
    free(path);
    return n > 0 ? n : 0;
}

static int add_file(json_t *all, const char *folder, const char *name, b4c_error *err)
{
    const size_t n = strlen(name), k = sizeof end - 1;
    char key[LONGEST_NAME + 1];
    if (n <= k || n - k > LONGEST_NAME || *name == '.') return 0;
    if (json_object_size(all) == MOST_TEMPLATES)
        return b4c_fail(err, B4C_E_FORMAT, "%s: more than %d chat templates", folder,
                        MOST_TEMPLATES);
    memcpy(key, name, n - k);
    key[n - k] = 0;
    b4c_file file = { 0 };
    char *path = b4c_path_join(folder, name);
    int rc = path ? b4c_file_map(&file, path, err) : b4c_fail(err, B4C_E_MEMORY, "no memory");
    if (rc == 0) {
        json_t *text = json_stringn((const char *)file.data, file.size);
        json_object_set_new(all, key, text ? text : json_null());
    }
    b4c_file_unmap(&file);
    free(path);
    return rc;
}

int b4c_chat_gather(const char *folder, char **out, size_t *bytes, b4c_error *err)
{
    char *path = b4c_path_join(folder, B4C_CHAT_FOLDER);
    struct dirent **entry = NULL;
    json_t *all = json_object();
    int rc = path && all ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for chat templates");
    const int n = rc == 0 ? b4c_chat_list(folder, &entry, err) : 0;
    if (n < 0) rc = n;
    *out = NULL;
    for (int i = 0; i < n; i++) {
        if (rc == 0) rc = add_file(all, path, entry[i]->d_name, err);
        free(entry[i]);
    }
    free(entry);
    if (rc == 0 && json_object_size(all)) {
        *out = json_dumps(all, JSON_COMPACT);
        if (*out)
            *bytes = strlen(*out);
        else
            rc = b4c_fail(err, B4C_E_MEMORY, "no memory for chat templates");
    }
    json_decref(all);
    free(path);
    return rc;
}

/* ---- of all sources -------------------------------------------------------------------------- */

static void put(b4c_settings *s, const char *name, json_t *text)
{
    if (json_is_string(text)) json_object_set(s->chats, name, text);
}

static int open_chats(b4c_settings *s, b4c_error *err)
{
    if (!s->chats) s->chats = json_object();
    return s->chats ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for chat templates", s->name);
}

/* What a key says: a text, or a list of templates by name. */
static void read_told(b4c_settings *s, json_t *told, const char *file)
{
    size_t i;
    json_t *one;
    if (json_is_string(told))
        put(s, usual, told);
    else if (told && !json_is_null(told) && !json_is_array(told))
        b4c_buffer_print(&s->notes,
                         "%s: chat_template is neither a text nor a list of templates by name: "
                         "passed over\n",
                         file);
    json_array_foreach(told, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name) put(s, name, json_object_get(one, "template"));
    }
}

int b4c_chat_read(b4c_settings *s, b4c_error *err)
{
    const b4c_source *file = &s->source[B4C_SOURCE_CHAT];
    json_t *more = s->root[B4C_SOURCE_CHATS], *text;
    const char *name;
    B4C_TRY(open_chats(s, err));
    read_told(s, json_object_get(s->root[B4C_SOURCE_CHAT_JSON], "chat_template"),
              "chat_template.json");
    read_told(s, json_object_get(s->root[B4C_SOURCE_CONFIG], "chat_template"),
              "tokenizer_config.json");
    if (file->text && b4c_utf8_check(file->text, file->bytes) == file->bytes) {
        json_object_set_new(s->chats, usual, json_stringn(file->text, file->bytes));
    } else if (file->text) {
        json_object_del(s->chats, usual);
        b4c_buffer_text(&s->notes, "chat_template.jinja is not UTF-8: passed over\n");
    }
    json_object_foreach(more, name, text)
    {
        put(s, name, text);
        if (json_is_null(text))
            b4c_buffer_print(
                &s->notes, B4C_CHAT_FOLDER "/%s.jinja is not UTF-8: passed over\n", name);
    }
    if (json_object_size(s->chats) && !json_object_get(s->chats, usual))
        b4c_buffer_print(&s->notes,
                         "chat_template is a list of templates, none of them named '%s': one must "
                         "be chosen by its name\n",
                         usual);
    return 0;
}

/* ---- GGUF ------------------------------------------------------------------------------------ */

int b4c_chat_read_gguf(b4c_settings *s, const b4c_gguf *g, b4c_error *err)
{
    const size_t stem = sizeof gguf_key - 1;
    B4C_TRY(open_chats(s, err));
    for (size_t i = 0; i < g->n; i++) {
        const b4c_span key = g->pair[i].key;
        char name[LONGEST_NAME + 1] = "default", whole[sizeof gguf_key + LONGEST_NAME + 1];
        b4c_span text;
        if (key.size < stem || memcmp(key.data, gguf_key, stem) != 0) continue;
        if (key.size > stem && (key.data[stem] != '.' || key.size - stem - 1 > LONGEST_NAME))
            continue;
        if (key.size > stem) {
            memcpy(name, key.data + stem + 1, key.size - stem - 1);
            name[key.size - stem - 1] = 0;
        }
        memcpy(whole, key.data, key.size);
        whole[key.size] = 0;
        B4C_TRY(b4c_gguf_text(g, whole, &text, err));
        json_t *one = json_stringn((const char *)text.data, text.size);
        if (one && *name)
            json_object_set_new(s->chats, name, one);
        else {
            json_decref(one);
            b4c_buffer_print(&s->notes, "%s: a chat template is not UTF-8: passed over\n", s->name);
        }
    }
    return 0;
}

json_t *b4c_chat_as_config(const json_t *chats)
{
    const char *name;
    json_t *text, *list;
    if (!json_object_size(chats)) return NULL;
    if (json_object_size(chats) == 1 && json_object_get(chats, usual))
        return json_incref(json_object_get(chats, usual));
    list = json_array();
    json_object_foreach((json_t *)(uintptr_t)chats, name, text)
        json_array_append_new(list, json_pack("{s:s,s:O}", "name", name, "template", text));
    return list;
}
