/* tokenizer.c - opening a tokenizer by itself: what else a model's files say of text.
 *
 * sentence-transformers may keep the transformer's files in a folder of their own, and its settings
 * may want text lower-cased whatever the tokenizer's files say; here a tokenizer alone, and one of
 * a model, follow both.
 */
#include "api/place.h"

#include "base/error.h"
#include "text/tokenizer.h"

static b4c_tokenizer *read_as_said(const char *path, bool lower_case,
                                   const b4c_tokenizer_options *options, b4c_error *err)
{
    b4c_tokenizer_info info;
    b4c_tokenizer_options o = *options;
    b4c_tokenizer *t = b4c_tokenizer_read(path, &o, err);
    if (!t || !lower_case || o.lower_case >= 0) return t;
    b4c_tokenizer_describe(t, &info);
    if (info.lower_case) return t;
    b4c_tokenizer_free(t);
    /* it stands before the tokenizer, whose accents stay as they were */
    o.lower_case = 1;
    if (info.dialect == B4C_DIALECT_HUB && o.strip_accents < 0)
        o.strip_accents = info.strip_accents;
    return b4c_tokenizer_read(path, &o, err);
}

b4c_tokenizer *b4c_tokenizer_open_with(const char *path, const b4c_tokenizer_options *options,
                                       b4c_error *err)
{
    const b4c_tokenizer_options o = options ? *options : B4C_TOKENIZER_DEFAULT;
    b4c_embed_settings said = { 0 };
    b4c_place place = { 0 };
    b4c_tokenizer *t = NULL;
    if (!path)
        b4c_fail(err, B4C_E_ARG, "tokenizer: no path");
    else if (b4c_place_find(&place, &said, path, err) == 0)
        t = read_as_said(place.is_folder ? place.folder : path, said.lower_case, &o, err);
    b4c_place_done(&place);
    b4c_embed_settings_done(&said);
    return t;
}

b4c_tokenizer *b4c_tokenizer_open(const char *path, b4c_dialect dialect, b4c_error *err)
{
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    o.dialect = dialect;
    return b4c_tokenizer_open_with(path, &o, err);
}
