/* chat_files.h - chat templates among a tokenizer's files: which there are, by their names.
 *
 * A model may have several: "default", which messages alone are put to it by, and others, for tools
 * or documents, which are taken where they are asked for by name.
 */
#ifndef B4C_TEXT_CHAT_FILES_H
#define B4C_TEXT_CHAT_FILES_H
#include "base/gguf.h"
#include "text/settings.h"
#include <dirent.h>

#define B4C_CHAT_FOLDER "additional_chat_templates"

/* The entries of the folder's additional_chat_templates that end in .jinja, by name; the caller
 * frees each and the list. Returns how many, 0 where there is none of them; negative: no memory. */
int b4c_chat_list(const char *folder, struct dirent ***, b4c_error *);

/* The folder's additional_chat_templates/NAME.jinja as a JSON object of names and texts, malloc'ed,
 * of *bytes; null where one is not UTF-8. *out NULL: there are none. */
int b4c_chat_gather(const char *folder, char **out, size_t *bytes, b4c_error *);
/* Templates of all sources into s->chats. chat_template.jinja goes before tokenizer_config.json's,
 * and that before chat_template.json's. What cannot be used is noted. */
int b4c_chat_read(b4c_settings *, b4c_error *);
/* The same of tokenizer.chat_template and tokenizer.chat_template.NAME in a GGUF file. */
int b4c_chat_read_gguf(b4c_settings *, const b4c_gguf *, b4c_error *);
/* As tokenizer_config.json has them: a text, or a list of {"name", "template"}; NULL: none. */
json_t *b4c_chat_as_config(const json_t *chats);
#endif
