/* tokenizer.c - what can be asked of a tokenizer, and its end. See tokenizer.h. */
#include "text/tokenizer.h"

#include <stdlib.h>

void b4c_tokenizer_free(b4c_tokenizer *t)
{
    if (!t) return;
    b4c_vocab_done(&t->vocab);
    b4c_rules_done(&t->rules);
    b4c_words_free(t->words);
    b4c_pieces_done(&t->pieces);
    b4c_bpe_done(&t->bpe);
    b4c_steps_done(&t->normal);
    b4c_steps_done(&t->before);
    b4c_added_done(&t->added);
    b4c_buffer_done(&t->notes);
    json_decref(t->chats);
    free(t->chat_names);
    free(t->prefix);
    free(t->decoder.prefix);
    free(t);
}

void b4c_tokenizer_set_cut(b4c_tokenizer *t, b4c_cut_fn cut, void *arg)
{
    t->cut = cut;
    t->cut_arg = arg;
}

int b4c_tokenizer_count(const b4c_tokenizer *t)
{
    const int own = t->cutter->count(t);
    const int last = t->added.n ? t->added.token[t->added.by_id[t->added.n - 1]].id : -1;
    return last >= own ? last + 1 : own;
}

const char *b4c_tokenizer_token(const b4c_tokenizer *t, int id)
{
    const char *token = t->cutter->token(t, id);
    if (token) return token;
    const int i = b4c_added_find_id(&t->added, id);
    return i < 0 ? NULL : t->added.token[i].text;
}

int b4c_tokenizer_find(const b4c_tokenizer *t, const char *token)
{
    const int id = t->cutter->find(t, token);
    if (id >= 0) return id;
    const int i = b4c_added_find(&t->added, token);
    return i < 0 ? -1 : t->added.token[i].id;
}

const char *b4c_tokenizer_kind_name(b4c_tokenizer_kind kind)
{
    switch (kind) {
    case B4C_TOKENIZER_WORDPIECE: return "WordPiece";
    case B4C_TOKENIZER_UNIGRAM: return "Unigram";
    case B4C_TOKENIZER_BPE: return "BPE";
    case B4C_TOKENIZER_BYTE_BPE: return "byte-level BPE";
    }
    return "unknown";
}

static bool has_step(const b4c_tokenizer *t, b4c_step_kind kind)
{
    for (int i = 0; i < t->normal.n; i++)
        if (t->normal.step[i].kind == kind) return true;
    return false;
}

void b4c_tokenizer_describe(const b4c_tokenizer *t, b4c_tokenizer_info *info)
{
    const bool bert = t->kind == B4C_TOKENIZER_WORDPIECE;
    *info = (b4c_tokenizer_info){
        .dialect = t->flags.dialect, .lower_case = t->flags.lower || has_step(t, B4C_STEP_LOWER),
        .strip_accents = t->flags.strip_accents || has_step(t, B4C_STEP_STRIP_ACCENTS),
        .chinese_chars = t->flags.chinese, .clean_text = t->flags.clean,
        .max_length = t->max_length, .pad = t->pad, .unknown = t->unknown, .cls = t->cls,
        .sep = t->sep, .mask = t->mask, .word_tokens = t->word_tokens, .notes = t->notes.data,
        .kind = t->kind, .words = t->cut != NULL, .bos = t->bos, .eos = t->eos,
        .start = bert ? t->cls : t->bos, .end = bert ? t->sep : t->eos,
        .chat = json_string_value(json_object_get(t->chats, "default")),
        .chat_names = t->chat_names ? t->chat_names : "",
    };
}
