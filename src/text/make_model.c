/* make_model.c - a vocabulary of pieces or by merges, from what the settings say.
 *
 * Pieces come from a SentencePiece model, which says nearly all itself, or from a list with scores
 * (a tokenizer.json's Unigram, GGUF). BPE comes from tokens and merges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/settings.h"
#include "text/utf8.h"

static int no_memory(const b4c_settings *s, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the vocabulary", s->name);
}

/* Is the token one that texts do not become: special, or of a kind that is never cut? */
static bool is_apart(const b4c_settings *s, size_t i, const char *text)
{
    const uint8_t *kind = s->piece_kind;
    if (kind && kind[i] != B4C_PIECE_NORMAL && kind[i] != B4C_PIECE_BYTE) return true;
    const int found = b4c_added_find(&s->added, text);
    return found >= 0 && s->added.token[found].special;
}

/* ---- pieces from a list ------------------------------------------------------------------ */

static b4c_piece_kind kind_of(const b4c_settings *s, size_t i, const char *text, size_t bytes)
{
    if ((long long)i == s->unknown_id) return B4C_PIECE_UNKNOWN;
    if (s->piece_kind) return (b4c_piece_kind)s->piece_kind[i];
    const b4c_piece piece = { .text = (char *)(uintptr_t)text, .bytes = bytes };
    if (s->byte_fallback && b4c_piece_byte(&piece) >= 0) return B4C_PIECE_BYTE;
    return is_apart(s, i, text) ? B4C_PIECE_CONTROL : B4C_PIECE_NORMAL;
}

static int add_list(b4c_pieces *m, const b4c_settings *s, b4c_error *err)
{
    const b4c_lifted *v = &s->vocabulary;
    b4c_buffer text = { 0 };
    int rc = 0, bytes = 0;
    for (size_t i = 0; rc == 0 && i < v->n; i++) {
        text.size = 0;
        b4c_buffer_add(&text, v->keys[i].text, v->keys[i].bytes); /* with a NUL behind */
        if (text.failed) rc = no_memory(s, err);
        const b4c_piece_kind kind = rc == 0 ? kind_of(s, i, text.data, text.size)
                                            : B4C_PIECE_NORMAL;
        bytes += kind == B4C_PIECE_BYTE;
        if (rc == 0) rc = b4c_pieces_add(m, text.data, text.size, v->score[i], kind, err);
    }
    b4c_buffer_done(&text);
    /* as the hub: where bytes lack, unknown characters are the unknown piece */
    m->byte_fallback = bytes == 256;
    return rc;
}

/* Does cutting at marks change anything? Where no piece goes on behind one, it does not. */
static bool goes_on_behind_marks(const b4c_pieces *m)
{
    for (int i = 0; i < m->n; i++) {
        const b4c_piece *p = &m->piece[i];
        if (p->kind == B4C_PIECE_NORMAL && p->bytes > 1 && strstr(p->text + 1, B4C_BLANK_MARK))
            return true;
    }
    return b4c_pieces_find(m, B4C_BLANK_MARK) < 0;
}

static int make_listed_pieces(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    b4c_pieces *m = &t->pieces;
    if (s->unknown_id < 0 && !s->piece_kind)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: the model has no unk_id, wanted one", s->name);
    *m = (b4c_pieces){ .bos = -1, .eos = -1, .pad = -1, .exact_sums = !s->own_map };
    m->model = s->kind == B4C_TOKENIZER_UNIGRAM ? B4C_PIECES_UNIGRAM : B4C_PIECES_BPE;
    m->map = s->map;
    s->map = (b4c_charsmap){ 0 }; /* handed over */
    m->unknown_text = strdup(s->own_map ? " \xe2\x81\x87 " : "<unk>");
    if (!m->unknown_text) return no_memory(s, err);
    B4C_TRY(add_list(m, s, err));
    B4C_TRY(b4c_pieces_ready(m, s->name, err));
    m->words_apart = s->words_apart && goes_on_behind_marks(m);
    return 0;
}

/* ---- pieces from a SentencePiece model --------------------------------------------------- */

static int copy_piece(b4c_pieces *to, const b4c_piece *p, b4c_error *err)
{
    return b4c_pieces_add(to, p->text, p->bytes, p->score, p->kind, err);
}

static int add_control(b4c_pieces *to, const char *text, b4c_error *err)
{
    return b4c_pieces_add(to, text, strlen(text), 0, B4C_PIECE_CONTROL, err);
}

/* The pieces in the order of fairseq: its four special ones are the model's first three and a
 * <pad>. */
static int order_fairseq(b4c_pieces *to, const b4c_pieces *from, b4c_error *err)
{
    B4C_TRY(add_control(to, "<s>", err));
    B4C_TRY(add_control(to, "<pad>", err));
    B4C_TRY(add_control(to, "</s>", err));
    B4C_TRY(copy_piece(to, &from->piece[from->unknown], err));
    for (int i = 3; i < from->n; i++) B4C_TRY(copy_piece(to, &from->piece[i], err));
    return add_control(to, "<mask>", err);
}

static int order_pegasus(b4c_pieces *to, const b4c_pieces *from, b4c_error *err)
{
    char name[20];
    B4C_TRY(add_control(to, "<pad>", err));
    B4C_TRY(add_control(to, "</s>", err));
    B4C_TRY(add_control(to, "<mask_1>", err));
    B4C_TRY(add_control(to, "<mask_2>", err));
    for (int i = 2; i <= 102; i++) {
        snprintf(name, sizeof name, "<unk_%d>", i);
        B4C_TRY(add_control(to, name, err));
    }
    B4C_TRY(copy_piece(to, &from->piece[from->unknown], err));
    for (int i = 0; i < from->n; i++) {
        const b4c_piece_kind kind = from->piece[i].kind;
        if (i != from->unknown && kind != B4C_PIECE_CONTROL)
            B4C_TRY(copy_piece(to, &from->piece[i], err));
    }
    return 0;
}

/* Another order of the same pieces, made ready. */
static int reorder(b4c_pieces *m, const b4c_settings *s, b4c_error *err)
{
    const bool fairseq = s->order == B4C_ORDER_FAIRSEQ;
    if (s->order == B4C_ORDER_FILE) return 0;
    if (m->n < 3 || m->unknown > 2)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: the unknown piece is %d of %d, wanted one of the first three", s->name,
                        m->unknown, m->n);
    b4c_pieces to = *m;
    to.piece = NULL;
    to.n = to.room = 0;
    to.join = NULL;
    to.trie = to.other = (b4c_trie){ 0 };
    b4c_trie_done(&m->map.keep); /* it is made again */
    to.map.keep = (b4c_trie){ 0 };
    to.bos = to.eos = to.pad = -1;
    m->map = (b4c_charsmap){ 0 }; /* handed over */
    m->unknown_text = NULL;
    int rc = fairseq ? order_fairseq(&to, m, err) : order_pegasus(&to, m, err);
    if (rc == 0) rc = b4c_pieces_ready(&to, s->name, err);
    b4c_pieces_done(m);
    *m = to;
    return rc;
}

/* <extra_id_0> is the last token of all. */
static int add_extra_ids(b4c_settings *s, int n, b4c_error *err)
{
    for (int i = 0; i < s->extra_ids; i++) {
        char text[40];
        snprintf(text, sizeof text, "<extra_id_%d>", i);
        const int known = b4c_added_find(&s->added, text);
        const int id = n + (int)s->extra_ids - 1 - i;
        if (known >= 0) {
            if (s->added.token[known].id < 0) s->added.token[known].id = id;
            continue;
        }
        const b4c_added_token token = { .text = text, .id = id, .special = true };
        if (b4c_added_put(&s->added, &token) < 0) return no_memory(s, err);
    }
    return 0;
}

static int make_own_pieces(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    const b4c_source *file = &s->source[B4C_SOURCE_PIECES];
    b4c_pieces *m = &t->pieces;
    B4C_TRY(b4c_pieces_read(m, file->text, file->bytes, file->name, err));
    B4C_TRY(reorder(m, s, err));
    t->kind = m->model == B4C_PIECES_UNIGRAM ? B4C_TOKENIZER_UNIGRAM : B4C_TOKENIZER_BPE;
    const struct { b4c_duty duty; int id; } own[] = {
        { B4C_DUTY_BOS, m->bos }, { B4C_DUTY_EOS, m->eos }, { B4C_DUTY_PAD, m->pad },
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!s->duty[own[i].duty] && own[i].id >= 0 && own[i].id < m->n)
            s->duty_id[own[i].duty] = own[i].id;
    for (int i = 0; i < s->added.n; i++) s->added.token[i].normalized = false;
    if (b4c_pieces_find(m, "<extra_id_0>") >= 0) s->extra_ids = 0;
    return add_extra_ids(s, m->n, err);
}

/* Decoding of a model that normalises by itself, as the reference decodes. */
static b4c_decoder own_decoder(const b4c_charsmap *map)
{
    return (b4c_decoder){ .as = B4C_DECODE_JOINED, .marks = map->mark_blanks, .byte_pieces = true,
                          .front = map->squeeze         ? B4C_FRONT_EMPTY_MARKS
                                   : map->dummy_prefix ? B4C_FRONT_MARK
                                                       : B4C_FRONT_NOTHING };
}

/* ---- BPE --------------------------------------------------------------------------------- */

/* The lines of merges.txt. */
static int read_merges(b4c_settings *s, b4c_error *err)
{
    const b4c_source *file = &s->source[B4C_SOURCE_MERGES];
    const char *line = file->text, *const end = line + file->bytes, *stop;
    for (; line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        const char *last = stop > line && stop[-1] == '\r' ? stop - 1 : stop;
        const bool comment = last - line >= 8 && memcmp(line, "#version", 8) == 0;
        if (last > line && !comment)
            B4C_TRY(b4c_lifted_merge(&s->vocabulary, line, (size_t)(last - line), file->name, err));
    }
    return 0;
}

/* vocab.json. */
static int read_vocabulary(b4c_settings *s, b4c_error *err)
{
    const b4c_source *file = &s->source[B4C_SOURCE_BPE];
    if (!b4c_vocab_lift_all(&s->vocabulary, file->text, file->bytes)) {
        s->root[B4C_SOURCE_BPE] = b4c_json_parse(file->text, file->bytes, file->name, err);
        if (!s->root[B4C_SOURCE_BPE]) return err ? err->code : B4C_E_FORMAT;
        B4C_TRY(b4c_vocab_take(&s->vocabulary, s->root[B4C_SOURCE_BPE], file->name, err));
    }
    for (size_t i = 0; i < s->vocabulary.n; i++) {
        const b4c_key *k = &s->vocabulary.keys[i];
        if (k->bytes > 4 && memcmp(k->text + k->bytes - 4, "</w>", 4) == 0)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: token '%.*s' ends a word by </w>, as OpenAI GPT and CLIP have it; "
                            "wanted byte-level BPE",
                            file->name, k->bytes < 60 ? (int)k->bytes : 60, k->text);
    }
    if (!s->source[B4C_SOURCE_MERGES].text)
        return b4c_fail(err, B4C_E_MISSING, "%s: there is no merges.txt beside it", file->name);
    B4C_TRY(read_merges(s, err));
    if (s->front_blank > 0)
        s->before.step[s->before.n++] = (b4c_step){ .kind = B4C_STEP_BLANK_IN_FRONT };
    s->decoder = (b4c_decoder){ .as = B4C_DECODE_JOINED };
    for (int i = 0; i < s->added.n; i++) s->added.token[i].normalized = false;
    return 0;
}

/* [highest id + 1] 1 for the ids of tokens that are apart; NULL: no memory. */
static uint8_t *find_apart(const b4c_settings *s)
{
    const b4c_lifted *v = &s->vocabulary;
    int most = 0;
    for (size_t i = 0; i < v->n; i++)
        if (v->keys[i].value > most) most = v->keys[i].value;
    uint8_t *apart = calloc((size_t)most + 1, 1);
    b4c_buffer text = { 0 };
    for (size_t i = 0; apart && i < v->n; i++) {
        text.size = 0;
        b4c_buffer_add(&text, v->keys[i].text, v->keys[i].bytes);
        if (text.failed) break;
        apart[v->keys[i].value] = is_apart(s, i, text.data);
    }
    if (text.failed) {
        free(apart);
        apart = NULL;
    }
    b4c_buffer_done(&text);
    return apart;
}

static int make_bpe(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    b4c_bpe *m = &t->bpe;
    const b4c_lifted *v = &s->vocabulary;
    uint8_t *apart = find_apart(s);
    if (!apart) return no_memory(s, err);
    const b4c_bpe_source source = {
        .token = v->keys, .n = v->n, .pair = v->pair, .pairs = v->pairs, .apart = apart,
        .split = s->split, .characters = s->characters, .whole_first = s->whole_first,
        .fuse_unknown = s->fuse_unknown, .byte_fallback = s->byte_fallback,
        .unknown = s->model_unknown,
    };
    const int rc = b4c_bpe_make(m, &source, s->name, err);
    free(apart);
    return rc;
}

/* ---- all --------------------------------------------------------------------------------- */

int b4c_make_model(b4c_tokenizer *t, b4c_settings *s, b4c_error *err)
{
    const bool file = s->source[B4C_SOURCE_PIECES].text != NULL;
    t->kind = s->kind;
    t->own_map = file || s->own_map;
    if (file || s->vocabulary.score) {
        t->cutter = &b4c_pieces_cutter;
        B4C_TRY(file ? make_own_pieces(t, s, err) : make_listed_pieces(t, s, err));
        if (t->own_map) s->decoder = own_decoder(&t->pieces.map);
        t->front = s->front_blank == 0 ? B4C_PREFIX_NEVER
                   : s->legacy == 0    ? B4C_PREFIX_FIRST
                                       : B4C_PREFIX_ALWAYS;
    } else {
        t->cutter = &b4c_bpe_cutter;
        if (s->source[B4C_SOURCE_BPE].text) B4C_TRY(read_vocabulary(s, err));
        B4C_TRY(make_bpe(t, s, err));
    }
    t->normal = s->normal;
    t->before = s->before;
    s->normal.n = s->before.n = 0; /* handed over */
    return 0;
}
