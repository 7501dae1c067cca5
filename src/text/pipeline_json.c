/* pipeline_json.c - what a tokenizer.json puts around a Unigram or BPE model: normalizer,
 * pre_tokenizer and decoder.
 *
 * Idea: parts become steps (steps.h), a way of cutting (split.h) and a way of decoding. A regular
 * expression is known by its text or not at all: bert4c has the few that vocabularies use, written
 * out, and no engine for others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/settings.h"

static const char *where(const b4c_settings *s) { return s->name; }

static bool is(const json_t *part, const char *type)
{
    return strcmp(b4c_settings_type(part), type) == 0;
}

static int no_memory(const b4c_settings *s, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", where(s));
}

/* ---- steps ------------------------------------------------------------------------------- */

/* A new last step; NULL: too many. */
static b4c_step *add_step(b4c_settings *s, b4c_steps *list, b4c_step_kind kind, b4c_error *err)
{
    if (list->n == B4C_STEPS_MOST) {
        b4c_fail(err, B4C_E_UNSUPPORTED, "%s: more than %d normalizers or pre_tokenizers",
                 where(s), B4C_STEPS_MOST);
        return NULL;
    }
    b4c_step *step = &list->step[list->n++];
    *step = (b4c_step){ .kind = kind };
    return step;
}

static int copy_text(const b4c_settings *s, char **out, const char *text, b4c_error *err)
{
    *out = strdup(text);
    return *out ? 0 : no_memory(s, err);
}

/* {"String": "..."} or {"Regex": "..."}: 1 and 2; 0: neither. */
static int read_pattern(const json_t *part, const char **text)
{
    const json_t *pattern = json_object_get(part, "pattern");
    *text = json_string_value(json_object_get(pattern, "String"));
    if (*text) return 1;
    *text = json_string_value(json_object_get(pattern, "Regex"));
    return *text ? 2 : 0;
}

static int read_replace(b4c_settings *s, const json_t *part, b4c_error *err)
{
    const char *pattern, *content = json_string_value(json_object_get(part, "content"));
    const int kind = read_pattern(part, &pattern);
    if (!kind || !content || !*pattern)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: normalizer: Replace without a \"pattern\" or a \"content\"", where(s));
    if (kind == 2 && strcmp(pattern, " {2,}") != 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: normalizer: Replace by the regular expression '%.200s', wanted ' "
                        "{2,}' or a string",
                        where(s), pattern);
    b4c_step *step = add_step(s, &s->normal, kind == 2 ? B4C_STEP_SQUEEZE : B4C_STEP_REPLACE, err);
    if (!step) return B4C_E_UNSUPPORTED;
    B4C_TRY(copy_text(s, &step->from, pattern, err));
    return copy_text(s, &step->to, content, err);
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Bytes of base64 text, written over it; SIZE_MAX: it is none. */
static size_t decode_base64(char *text)
{
    size_t n = 0;
    uint32_t bits = 0;
    int have = 0;
    const char *p = text;
    for (int digit; (digit = base64_digit(*p)) >= 0; p++) {
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        text[n++] = (char)(bits >> have);
    }
    while (*p == '=') p++;
    return *p ? SIZE_MAX : n;
}

static int read_charsmap(b4c_settings *s, const json_t *part, b4c_error *err)
{
    const json_t *value = json_object_get(part, "precompiled_charsmap");
    if (!b4c_settings_is_part(value) || json_string_length(value) == 0) return 0;
    char *bytes = NULL;
    B4C_TRY(copy_text(s, &bytes, json_string_value(value), err));
    const size_t n = decode_base64(bytes);
    b4c_step *step = NULL;
    int rc = 0;
    if (n == SIZE_MAX)
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: normalizer: precompiled_charsmap is not base64",
                      where(s));
    if (rc == 0 && !(step = add_step(s, &s->normal, B4C_STEP_CHARSMAP, err)))
        rc = B4C_E_UNSUPPORTED;
    if (rc == 0) rc = b4c_charsmap_read(&step->map, bytes, n, where(s), err);
    if (rc == 0 && !step->map.unit) s->normal.n--; /* it replaces nothing */
    free(bytes);
    return rc;
}

static int read_normalizer(b4c_settings *s, const json_t *part, b4c_error *err)
{
    static const struct { const char *type; b4c_step step; } plain[] = {
        { "NFC", { .kind = B4C_STEP_FORM, .compose = true } },
        { "NFD", { .kind = B4C_STEP_FORM } },
        { "NFKC", { .kind = B4C_STEP_FORM, .compose = true, .compatible = true } },
        { "NFKD", { .kind = B4C_STEP_FORM, .compatible = true } },
        { "Lowercase", { .kind = B4C_STEP_LOWER } },
        { "StripAccents", { .kind = B4C_STEP_STRIP_ACCENTS } },
    };
    if (!b4c_settings_is_part(part)) return 0;
    if (is(part, "Sequence")) {
        const json_t *list = json_object_get(part, "normalizers"), *item;
        size_t i;
        if (!json_is_array(list))
            return b4c_fail(err, B4C_E_FORMAT, "%s: normalizer: \"normalizers\" is not a list",
                            where(s));
        json_array_foreach(list, i, item) B4C_TRY(read_normalizer(s, item, err));
        return 0;
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!is(part, plain[i].type)) continue;
        b4c_step *step = add_step(s, &s->normal, plain[i].step.kind, err);
        if (!step) return B4C_E_UNSUPPORTED;
        *step = plain[i].step;
        return 0;
    }
    if (is(part, "Replace")) return read_replace(s, part, err);
    if (is(part, "Precompiled")) return read_charsmap(s, part, err);
    const bool strip = is(part, "Strip");
    if (!strip && !is(part, "Prepend"))
        return b4c_settings_unsupported(
            s, "a normalizer", part,
            "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace or Precompiled",
            err);
    b4c_step *step = add_step(s, &s->normal, strip ? B4C_STEP_STRIP : B4C_STEP_PREPEND, err);
    if (!step) return B4C_E_UNSUPPORTED;
    if (!strip) {
        const char *text = "";
        B4C_TRY(b4c_json_text(part, "prepend", &text, where(s), err));
        return copy_text(s, &step->to, text, err);
    }
    step->left = step->right = true;
    B4C_TRY(b4c_json_bool(part, "strip_left", &step->left, where(s), err));
    const int told = b4c_json_bool(part, "strip_right", &step->right, where(s), err);
    return told < 0 ? told : 0;
}

/* ---- pre-tokenizers ---------------------------------------------------------------------- */

/* What was met on the way through them. */
typedef struct met {
    bool bytes, marks, words, digits, pattern;
    b4c_split split;         /* of the pattern */
    bool own_pattern;        /* ByteLevel uses GPT-2's */
} met;

static const struct { const char *regex; b4c_split split; } known_pattern[] = {
    { "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
      B4C_SPLIT_GPT2 },
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      B4C_SPLIT_LLAMA3 },
    /* cl100k, which matches the same */
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      B4C_SPLIT_LLAMA3 },
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      B4C_SPLIT_QWEN2 },
};

const char *b4c_split_pattern(b4c_split split)
{
    for (size_t i = 0; i < sizeof known_pattern / sizeof *known_pattern; i++)
        if (known_pattern[i].split == split) return known_pattern[i].regex;
    return NULL;
}

/* Does an earlier step leave no blank in the text? */
static bool blanks_are_replaced(const b4c_settings *s)
{
    for (int i = 0; i < s->normal.n; i++)
        if (s->normal.step[i].kind == B4C_STEP_REPLACE && !strcmp(s->normal.step[i].from, " "))
            return !strchr(s->normal.step[i].to, ' ');
    return false;
}

static int read_split(b4c_settings *s, const json_t *part, met *seen, b4c_error *err)
{
    const char *pattern, *behavior = "";
    bool invert = false;
    const int kind = read_pattern(part, &pattern);
    B4C_TRY(b4c_json_text(part, "behavior", &behavior, where(s), err));
    B4C_TRY(b4c_json_bool(part, "invert", &invert, where(s), err));
    if (kind == 1 && !strcmp(pattern, " ") && blanks_are_replaced(s)) return 0;
    const bool whole = invert ? !strcmp(behavior, "Removed") : !strcmp(behavior, "Isolated");
    for (size_t i = 0; kind && whole && i < sizeof known_pattern / sizeof *known_pattern; i++) {
        if (strcmp(pattern, known_pattern[i].regex) != 0) continue;
        if (seen->pattern || seen->digits || seen->bytes) break;
        seen->pattern = true;
        seen->split = known_pattern[i].split;
        return 0;
    }
    return b4c_fail(err, B4C_E_UNSUPPORTED,
                    "%s: pre_tokenizer: Split by '%.300s' (%.40s%s), wanted the pattern of GPT-2, "
                    "LLaMA 3 or Qwen2 before ByteLevel",
                    where(s), kind ? pattern : "?", behavior, invert ? ", inverted" : "");
}

static int read_metaspace(b4c_settings *s, const json_t *part, b4c_prefix *front, bool *apart,
                          b4c_error *err)
{
    const char *mark = B4C_BLANK_MARK, *scheme = NULL;
    bool prefix = true;
    B4C_TRY(b4c_json_text(part, "replacement", &mark, where(s), err));
    B4C_TRY(b4c_json_text(part, "prepend_scheme", &scheme, where(s), err));
    B4C_TRY(b4c_json_bool(part, "add_prefix_space", &prefix, where(s), err));
    *apart = true;
    B4C_TRY(b4c_json_bool(part, "split", apart, where(s), err));
    if (strcmp(mark, B4C_BLANK_MARK) != 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: Metaspace: the replacement is '%.40s', wanted '%s'", where(s), mark,
                        B4C_BLANK_MARK);
    if (!scheme) scheme = prefix ? "always" : "never";
    *front = !strcmp(scheme, "first")   ? B4C_PREFIX_FIRST
             : !strcmp(scheme, "never") ? B4C_PREFIX_NEVER
                                        : B4C_PREFIX_ALWAYS;
    if (*front == B4C_PREFIX_ALWAYS && strcmp(scheme, "always") != 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: Metaspace: prepend_scheme is '%.40s', wanted always, first or never",
                        where(s), scheme);
    return 0;
}

static int add_metaspace(b4c_settings *s, const json_t *part, met *seen, b4c_error *err)
{
    b4c_prefix front;
    B4C_TRY(read_metaspace(s, part, &front, &s->words_apart, err));
    if (seen->words && front != B4C_PREFIX_ALWAYS)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: WhitespaceSplit before a Metaspace that does not put a "
                        "blank before each word",
                        where(s));
    b4c_step *step = add_step(s, &s->before, seen->words ? B4C_STEP_WORDS : B4C_STEP_MARKS, err);
    if (!step) return B4C_E_UNSUPPORTED;
    step->front = front;
    seen->marks = true;
    return 0;
}

static int add_byte_level(b4c_settings *s, const json_t *part, met *seen, b4c_error *err)
{
    bool front = true;
    seen->own_pattern = seen->bytes = true;
    B4C_TRY(b4c_json_bool(part, "add_prefix_space", &front, where(s), err));
    B4C_TRY(b4c_json_bool(part, "use_regex", &seen->own_pattern, where(s), err));
    if (!front) return 0;
    if (seen->digits || seen->pattern)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: ByteLevel puts a blank before each part that another "
                        "pre_tokenizer cut (add_prefix_space)",
                        where(s));
    return add_step(s, &s->before, B4C_STEP_BLANK_IN_FRONT, err) ? 0 : B4C_E_UNSUPPORTED;
}

static int read_pre_tokenizer(b4c_settings *s, const json_t *part, met *seen, b4c_error *err)
{
    if (!b4c_settings_is_part(part)) return 0;
    if (is(part, "Sequence")) {
        const json_t *list = json_object_get(part, "pretokenizers"), *item;
        size_t i;
        if (!json_is_array(list))
            return b4c_fail(err, B4C_E_FORMAT, "%s: pre_tokenizer: \"pretokenizers\" is not a list",
                            where(s));
        json_array_foreach(list, i, item) B4C_TRY(read_pre_tokenizer(s, item, seen, err));
        return 0;
    }
    const bool last = seen->bytes || seen->marks; /* after these nothing may come */
    if (is(part, "Split")) return read_split(s, part, seen, err);
    if (is(part, "ByteLevel") && !last && !seen->words) return add_byte_level(s, part, seen, err);
    if (is(part, "Metaspace") && !last && !seen->pattern && !seen->digits)
        return add_metaspace(s, part, seen, err);
    if (is(part, "WhitespaceSplit") && !last) {
        seen->words = true;
        return 0;
    }
    bool single = false;
    B4C_TRY(b4c_json_bool(part, "individual_digits", &single, where(s), err));
    if (is(part, "Digits") && single && !last && !seen->pattern) {
        seen->digits = true;
        return 0;
    }
    return b4c_settings_unsupported(
        s, "a pre_tokenizer", part,
        "Metaspace, WhitespaceSplit and Metaspace, ByteLevel, or Split or Digits (each alone) and "
        "ByteLevel",
        err);
}

static int choose_split(b4c_settings *s, const met *seen, b4c_error *err)
{
    s->characters = !seen->bytes;
    s->split = s->words_apart ? B4C_SPLIT_MARKS : B4C_SPLIT_NONE;
    if (seen->words && !seen->marks)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: WhitespaceSplit, wanted Metaspace after it", where(s));
    if ((seen->digits || seen->pattern) && !seen->bytes)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: %s, wanted ByteLevel after it", where(s),
                        seen->digits ? "Digits" : "Split");
    if (seen->bytes && s->kind == B4C_TOKENIZER_UNIGRAM)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: a Unigram model over ByteLevel, wanted BPE",
                        where(s));
    if (!seen->bytes) return 0;
    if (seen->pattern && seen->own_pattern && seen->split != B4C_SPLIT_GPT2)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: Split by one pattern and ByteLevel by another "
                        "(use_regex)",
                        where(s));
    if (seen->digits && !seen->own_pattern)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: pre_tokenizer: Digits before a ByteLevel without its pattern",
                        where(s));
    s->split = seen->digits        ? B4C_SPLIT_DIGITS
               : seen->pattern     ? seen->split
               : seen->own_pattern ? B4C_SPLIT_GPT2
                                   : B4C_SPLIT_NONE;
    return 0;
}

/* ---- decoder ----------------------------------------------------------------------------- */

/* 0: not known. */
static int add_decoder(b4c_settings *s, const json_t *part, b4c_error *err)
{
    b4c_decoder *d = &s->decoder;
    if (is(part, "Sequence")) {
        const json_t *list = json_object_get(part, "decoders"), *item;
        size_t i;
        int known = json_is_array(list);
        json_array_foreach(list, i, item) if (known > 0) known = add_decoder(s, item, err);
        return known;
    }
    if (is(part, "ByteLevel") || is(part, "Fuse")) return 1;
    if (is(part, "ByteFallback")) return d->byte_pieces = true;
    if (is(part, "Metaspace")) {
        b4c_prefix front;
        bool apart;
        B4C_TRY(read_metaspace(s, part, &front, &apart, err));
        d->marks = true;
        d->front = front == B4C_PREFIX_NEVER ? B4C_FRONT_NOTHING : B4C_FRONT_MARKS;
        return 1;
    }
    const char *pattern, *content = json_string_value(json_object_get(part, "content"));
    if (!content) return 0;
    if (is(part, "Replace"))
        return d->marks = read_pattern(part, &pattern) == 1 && !strcmp(pattern, B4C_BLANK_MARK) &&
                          !strcmp(content, " ");
    long long start = 0, stop = 0;
    B4C_TRY(b4c_json_int(part, "start", 0, 1 << 30, &start, where(s), err));
    B4C_TRY(b4c_json_int(part, "stop", 0, 1 << 30, &stop, where(s), err));
    if (!is(part, "Strip") || strcmp(content, " ") != 0 || start > 1 || stop) return 0;
    if (start) d->front = B4C_FRONT_BLANK;
    return 1;
}

int b4c_settings_pipeline(b4c_settings *s, const json_t *root, b4c_error *err)
{
    met seen = { 0 };
    B4C_TRY(read_normalizer(s, json_object_get(root, "normalizer"), err));
    B4C_TRY(read_pre_tokenizer(s, json_object_get(root, "pre_tokenizer"), &seen, err));
    B4C_TRY(choose_split(s, &seen, err));
    const json_t *decoder = json_object_get(root, "decoder");
    s->decoder = (b4c_decoder){ .as = B4C_DECODE_JOINED };
    const int known = b4c_settings_is_part(decoder) ? add_decoder(s, decoder, err) : 0;
    if (known < 0) return known;
    if (known == 0) { /* what most of its kind have */
        s->decoder = (b4c_decoder){ .as = B4C_DECODE_JOINED, .marks = s->characters,
                                    .byte_pieces = s->byte_fallback && s->characters,
                                    .front = s->characters ? B4C_FRONT_BLANK : B4C_FRONT_NOTHING };
        b4c_buffer_print(&s->notes, "%s: decoder '%.60s' is read as %s\n", where(s),
                         b4c_settings_is_part(decoder) ? b4c_settings_type(decoder) : "null",
                         s->characters ? "Metaspace" : "ByteLevel");
    }
    return 0;
}
