/* gguf_files.c - a GGUF file's tokenizer as the hub's files.
 *
 * The idea: gguf_tokens.c reads settings; here they are spelt again in the files that other readers
 * know. A law holds it: the folder's tokenizer cuts every text as the file's does.
 * Sources: github.com/google/sentencepiece, sentencepiece_model.proto (numbers of fields);
 * github.com/huggingface/tokenizers, the JSON of its components.
 */
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "text/chat_files.h"
#include "text/gguf_tokens.h"

static int no_memory(const b4c_gguf_tokens *r, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to write its tokenizer", r->g->where);
}

static json_t *spelling(const b4c_settings *s, size_t i)
{
    return json_stringn(s->vocabulary.keys[i].text, s->vocabulary.keys[i].bytes);
}

/* ---- tokenizer_config.json --------------------------------------------------------------- */

static json_t *added_token(const b4c_added_token *t, bool with_id)
{
    json_t *o = json_pack("{s:s,s:b,s:b,s:b,s:b,s:b}", "content", t->text, "single_word",
                          t->single_word, "lstrip", t->lstrip, "rstrip", t->rstrip, "normalized",
                          t->normalized, "special", t->special);
    if (with_id) json_object_set_new(o, "id", json_integer(t->id));
    return o;
}

/* A token that the file calls ordinary must not become special by its duty: merges may need it. */
static bool may_be_special(const b4c_gguf_tokens *r, int id)
{
    return r->kind[id] != B4C_PIECE_NORMAL || !b4c_gguf_find(r->g, "tokenizer.ggml.token_type");
}

static int put_config(const b4c_gguf_tokens *r, const char *class, const char *folder,
                      b4c_error *err)
{
    static const char *const key[B4C_DUTIES] = {
        [B4C_DUTY_UNKNOWN] = "unk_token", [B4C_DUTY_PAD] = "pad_token",
        [B4C_DUTY_CLS] = "cls_token",     [B4C_DUTY_SEP] = "sep_token",
        [B4C_DUTY_MASK] = "mask_token",   [B4C_DUTY_BOS] = "bos_token",
        [B4C_DUTY_EOS] = "eos_token",
    };
    const b4c_settings *s = &r->s;
    json_t *o = json_object(), *added = json_object();
    char id[16];
    json_object_set_new(o, "tokenizer_class", json_string(class));
    for (int i = 0; i < s->added.n; i++) {
        snprintf(id, sizeof id, "%d", s->added.token[i].id);
        json_object_set_new(added, id, added_token(&s->added.token[i], false));
    }
    json_object_set_new(o, "added_tokens_decoder", added);
    for (int i = 0; i < B4C_DUTIES; i++)
        if (s->duty_id[i] >= 0 && may_be_special(r, s->duty_id[i]))
            json_object_set_new(o, key[i], spelling(s, (size_t)s->duty_id[i]));
    if (r->bert)
        json_object_set_new(o, "do_lower_case", json_boolean(s->lower > 0));
    else {
        json_object_set_new(o, "add_bos_token", json_boolean(s->add_bos > 0));
        json_object_set_new(o, "add_eos_token", json_boolean(s->add_eos > 0));
        json_object_set_new(o, "clean_up_tokenization_spaces", json_false());
    }
    if (!r->bert && s->kind != B4C_TOKENIZER_BYTE_BPE)
        json_object_set_new(o, "extra_ids", json_integer(0)); /* they are among the pieces */
    json_t *chats = b4c_chat_as_config(s->chats);
    if (chats) json_object_set_new(o, "chat_template", chats);
    const int rc = b4c_folder_put_json(folder, "tokenizer_config.json", o, err);
    json_decref(o);
    return rc;
}

/* ---- vocab.txt --------------------------------------------------------------------------- */

static int put_words(const b4c_gguf_tokens *r, const char *folder, b4c_error *err)
{
    b4c_buffer b = { 0 };
    for (size_t i = 0; i < r->s.vocabulary.n; i++) {
        const b4c_key *k = &r->s.vocabulary.keys[i];
        b4c_buffer_add(&b, k->text, k->bytes);
        b4c_buffer_text(&b, "\n");
    }
    const int rc = b.failed ? no_memory(r, err)
                            : b4c_folder_put(folder, "vocab.txt", b.data, b.size, err);
    b4c_buffer_done(&b);
    return rc < 0 ? rc : put_config(r, "BertTokenizer", folder, err);
}

/* ---- a SentencePiece model --------------------------------------------------------------- */

static void put_varint(b4c_buffer *b, uint64_t x)
{
    do {
        const unsigned char byte = (unsigned char)((x & 0x7f) | (x > 0x7f ? 0x80 : 0));
        b4c_buffer_add(b, &byte, 1);
        x >>= 7;
    } while (x);
}
static void put_number(b4c_buffer *b, unsigned field, int64_t x)
{
    put_varint(b, field << 3);
    put_varint(b, (uint64_t)x);
}
static void put_bytes(b4c_buffer *b, unsigned field, const void *bytes, size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    b4c_buffer_add(b, bytes, n);
}

static void put_piece(b4c_buffer *b, const b4c_gguf_tokens *r, size_t i)
{
    const b4c_key *k = &r->s.vocabulary.keys[i];
    const float score = (float)r->s.vocabulary.score[i];
    b4c_buffer piece = { 0 };
    put_bytes(&piece, 1, k->text, k->bytes);
    put_varint(&piece, 2 << 3 | 5);
    b4c_buffer_add(&piece, &score, sizeof score);
    put_number(&piece, 3, r->kind[i]);
    put_bytes(b, 1, piece.data, piece.size);
    b->failed |= piece.failed;
    b4c_buffer_done(&piece);
}

static int put_pieces(const b4c_gguf_tokens *r, const char *folder, b4c_error *err)
{
    const b4c_settings *s = &r->s;
    const bool unigram = s->kind == B4C_TOKENIZER_UNIGRAM;
    b4c_buffer b = { 0 }, part = { 0 };
    b4c_gguf_value map;
    int bytes = 0;
    for (size_t i = 0; i < s->vocabulary.n; i++) {
        put_piece(&b, r, i);
        bytes += r->kind[i] == B4C_PIECE_BYTE;
    }
    put_number(&part, 3, unigram ? 1 : 2);
    put_number(&part, 35, bytes >= 256); /* it needs all of them */
    put_number(&part, 40, s->duty_id[B4C_DUTY_UNKNOWN]);
    put_number(&part, 41, s->duty_id[B4C_DUTY_BOS]);
    put_number(&part, 42, s->duty_id[B4C_DUTY_EOS]);
    put_number(&part, 43, s->duty_id[B4C_DUTY_PAD]);
    put_bytes(&b, 2, part.data, part.size);
    part.size = 0;
    put_bytes(&part, 1, "identity", 8);
    if (b4c_gguf_array(r->g, "tokenizer.ggml.precompiled_charsmap", B4C_GGUF_I64, &map, NULL) > 0)
        put_bytes(&part, 2, map.bytes.data, map.bytes.size);
    put_number(&part, 3, s->map.dummy_prefix);
    put_number(&part, 4, s->map.squeeze);
    put_number(&part, 5, 1);
    put_bytes(&b, 3, part.data, part.size);
    const char *name = unigram ? "spiece.model" : "tokenizer.model";
    const int rc = b.failed || part.failed ? no_memory(r, err)
                                           : b4c_folder_put(folder, name, b.data, b.size, err);
    b4c_buffer_done(&b);
    b4c_buffer_done(&part);
    return rc < 0 ? rc : put_config(r, unigram ? "T5Tokenizer" : "LlamaTokenizer", folder, err);
}

/* ---- tokenizer.json ---------------------------------------------------------------------- */

static json_t *byte_level(bool pattern)
{
    return json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", pattern);
}

static json_t *cutting(b4c_split split)
{
    const char *pattern = b4c_split_pattern(split);
    if (split == B4C_SPLIT_GPT2) return byte_level(true);
    json_t *first = split == B4C_SPLIT_DIGITS
                        ? json_pack("{s:s,s:b}", "type", "Digits", "individual_digits", 1)
                        : json_pack("{s:s,s:{s:s},s:s,s:b}", "type", "Split", "pattern", "Regex",
                                    pattern, "behavior", "Isolated", "invert", 0);
    return json_pack("{s:s,s:[o,o]}", "type", "Sequence", "pretokenizers", first,
                     byte_level(split == B4C_SPLIT_DIGITS));
}

/* One text, or two, each with what stands around it. */
static json_t *template_of(const b4c_settings *s, int texts)
{
    static const char *const name[] = { "A", "B" };
    json_t *list = json_array();
    for (int i = 0; i < texts; i++) {
        if (s->add_bos > 0)
            json_array_append_new(list, json_pack("{s:{s:o,s:i}}", "SpecialToken", "id",
                                                  spelling(s, (size_t)s->duty_id[B4C_DUTY_BOS]),
                                                  "type_id", i));
        json_array_append_new(list, json_pack("{s:{s:s,s:i}}", "Sequence", "id", name[i],
                                              "type_id", i));
        if (s->add_eos > 0)
            json_array_append_new(list, json_pack("{s:{s:o,s:i}}", "SpecialToken", "id",
                                                  spelling(s, (size_t)s->duty_id[B4C_DUTY_EOS]),
                                                  "type_id", i));
    }
    return list;
}

static json_t *surrounding(const b4c_settings *s)
{
    const b4c_duty around[] = { B4C_DUTY_BOS, B4C_DUTY_EOS };
    const int wanted[] = { s->add_bos, s->add_eos };
    json_t *tokens = json_object();
    for (int i = 0; i < 2; i++) {
        const int id = s->duty_id[around[i]];
        if (wanted[i] <= 0 || id < 0) continue;
        json_t *text = spelling(s, (size_t)id);
        json_object_set_new(tokens, json_string_value(text),
                            json_pack("{s:O,s:[i],s:[O]}", "id", text, "ids", id, "tokens", text));
        json_decref(text);
    }
    if (json_object_size(tokens) == 0) {
        json_decref(tokens);
        return byte_level(true);
    }
    return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", template_of(s, 1),
                     "pair", template_of(s, 2), "special_tokens", tokens);
}

static json_t *model_of(const b4c_gguf_tokens *r, bool *twice)
{
    const b4c_settings *s = &r->s;
    json_t *vocab = json_object(), *merges = json_array();
    b4c_gguf_value list;
    b4c_span line;
    for (size_t i = 0; i < s->vocabulary.n; i++) {
        json_t *text = spelling(s, i);
        json_object_set_new(vocab, json_string_value(text), json_integer((json_int_t)i));
        json_decref(text);
    }
    *twice = json_object_size(vocab) != s->vocabulary.n;
    if (b4c_gguf_array(r->g, "tokenizer.ggml.merges", B4C_GGUF_STRING, &list, NULL) > 0)
        while (b4c_gguf_next_text(&list, &line))
            json_array_append_new(merges, json_stringn((const char *)line.data, line.size));
    return json_pack("{s:s,s:n,s:n,s:s,s:s,s:b,s:b,s:b,s:o,s:o}", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "", "end_of_word_suffix", "",
                     "fuse_unk", 0, "byte_fallback", 0, "ignore_merges", s->whole_first, "vocab",
                     vocab, "merges", merges);
}

static int put_json(const b4c_gguf_tokens *r, const char *folder, b4c_error *err)
{
    const b4c_settings *s = &r->s;
    json_t *added = json_array();
    bool twice = false;
    for (int i = 0; i < s->added.n; i++)
        json_array_append_new(added, added_token(&s->added.token[i], true));
    json_t *o = json_pack("{s:s,s:n,s:n,s:o,s:o,s:o,s:o,s:o,s:o}", "version", "1.0", "truncation",
                          "padding", "added_tokens", added, "normalizer",
                          s->split == B4C_SPLIT_QWEN2 ? json_pack("{s:s}", "type", "NFC")
                                                      : json_null(),
                          "pre_tokenizer", cutting(s->split), "post_processor", surrounding(s),
                          "decoder", byte_level(true), "model", model_of(r, &twice));
    int rc = !o      ? no_memory(r, err)
             : twice ? b4c_fail(err, B4C_E_UNSUPPORTED,
                                "%s: tokenizer.ggml.tokens has a token twice, which no "
                                "tokenizer.json can hold",
                                r->g->where)
                     : b4c_folder_put_json(folder, "tokenizer.json", o, err);
    json_decref(o);
    return rc < 0 ? rc : put_config(r, "PreTrainedTokenizerFast", folder, err);
}

int b4c_gguf_tokens_write(const b4c_gguf *g, const char *folder, b4c_error *err)
{
    b4c_gguf_tokens r;
    int rc = b4c_gguf_tokens_read(&r, g, err);
    const bool bos = r.s.add_bos <= 0 || r.s.duty_id[B4C_DUTY_BOS] >= 0,
               eos = r.s.add_eos <= 0 || r.s.duty_id[B4C_DUTY_EOS] >= 0;
    if (rc == 0 && !r.bert && !(bos && eos))
        rc = b4c_fail(err, B4C_E_MISSING, "%s: tokenizer.ggml.add_%s_token is on, but no such "
                      "token is named", g->where, bos ? "eos" : "bos");
    if (rc == 0)
        rc = r.bert                                ? put_words(&r, folder, err)
             : r.s.kind == B4C_TOKENIZER_BYTE_BPE ? put_json(&r, folder, err)
                                                  : put_pieces(&r, folder, err);
    b4c_gguf_tokens_done(&r);
    return rc;
}
