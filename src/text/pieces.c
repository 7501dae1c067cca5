/* pieces.c - a SentencePiece model: reading it, and encoding around its algorithm. See pieces.h. */
#include "text/pieces.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/proto.h"
#include "text/utf8.h"

/* Every piece takes two bytes of a file at least; this is for models put together by hand. */
enum { MOST_PIECES = 1 << 24 };

/* ---- putting a model together ------------------------------------------------------------ */

int b4c_pieces_add(b4c_pieces *m, const char *text, size_t bytes, double score, b4c_piece_kind kind,
                   b4c_error *err)
{
    if (m->n == m->room) {
        const int room = m->room ? 2 * m->room : 1024;
        b4c_piece *piece = room <= MOST_PIECES ? realloc(m->piece, (size_t)room * sizeof *piece)
                                               : NULL;
        if (!piece) return b4c_fail(err, B4C_E_MEMORY, "pieces: no memory for %d", room);
        m->piece = piece;
        m->room = room;
    }
    char *copy = malloc(bytes + 1);
    if (!copy) return b4c_fail(err, B4C_E_MEMORY, "pieces: no memory");
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    m->piece[m->n++] = (b4c_piece){ copy, bytes, score, kind };
    return 0;
}

static uint32_t join_hash(const b4c_pieces *m, uint32_t a, uint32_t b)
{
    return (a * 0x9e3779b1u ^ b * 0x85ebca6bu) * 0xc2b2ae35u >> 4 & m->join_mask;
}

bool b4c_pieces_may_join(const b4c_pieces *m, uint32_t a, uint32_t b)
{
    const uint32_t hash = join_hash(m, a, b);
    return m->join[hash >> 6] >> (hash & 63) & 1;
}

/* The set of neighbours, sixteen bits and more for each of its members. */
static int learn_neighbours(b4c_pieces *m)
{
    size_t characters = 0;
    for (int i = 0; i < m->n; i++)
        characters += b4c_utf8_count(m->piece[i].text, m->piece[i].bytes);
    uint32_t bits = 1 << 12;
    while (bits < 16 * characters && bits < 1u << 27) bits *= 2;
    m->join_mask = bits - 1;
    m->join = calloc(bits / 64, sizeof *m->join);
    if (!m->join) return B4C_E_MEMORY;
    for (int i = 0; i < m->n; i++) {
        if (m->piece[i].kind != B4C_PIECE_NORMAL && m->piece[i].kind != B4C_PIECE_UNUSED) continue;
        const uint8_t *p = (const uint8_t *)m->piece[i].text, *end = p + m->piece[i].bytes, *next;
        for (uint32_t before = 0; p < end; p = next) {
            const bool first = p == (const uint8_t *)m->piece[i].text;
            const uint32_t c = b4c_utf8_read(p, end, &next), hash = join_hash(m, before, c);
            if (!first) m->join[hash >> 6] |= (uint64_t)1 << (hash & 63);
            before = c;
        }
    }
    return 0;
}

int b4c_piece_byte(const b4c_piece *p)
{
    static const char digits[] = "0123456789ABCDEF";
    if (p->bytes != 6 || memcmp(p->text, "<0x", 3) || p->text[5] != '>') return -1;
    const char *high = strchr(digits, p->text[3]), *low = strchr(digits, p->text[4]);
    return high && low && *high && *low ? (int)(high - digits) << 4 | (int)(low - digits) : -1;
}

static int index_pieces(b4c_pieces *m, const char *where, b4c_error *err)
{
    b4c_key *all = malloc(3 * (size_t)m->n * sizeof *all), *user = all ? all + m->n : NULL;
    if (!all) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d pieces", where, m->n);
    b4c_key *other = user + m->n;
    size_t n = 0, users = 0, others = 0;
    for (int i = 0; i < m->n; i++) {
        const b4c_piece *p = &m->piece[i];
        const b4c_key key = { p->text, p->bytes, i };
        if (p->kind != B4C_PIECE_NORMAL && p->kind != B4C_PIECE_USER &&
            p->kind != B4C_PIECE_UNUSED) {
            other[others++] = key;
            continue;
        }
        all[n++] = key;
        if (p->kind != B4C_PIECE_USER) continue;
        user[users++] = key;
        m->map.keep_first[(uint8_t)p->text[0]] = 1;
    }
    int32_t twice[2];
    int rc = b4c_trie_build(&m->trie, all, n, twice);
    if (rc == 0) rc = b4c_trie_build(&m->other, other, others, twice);
    if (rc == B4C_E_FORMAT)
        b4c_fail(err, rc, "%s: pieces %d and %d are both \"%s\"; wanted every piece once", where,
                 twice[0], twice[1], m->piece[twice[0]].text);
    if (rc == 0) rc = b4c_trie_build(&m->map.keep, user, users, NULL);
    if (rc == 0) rc = learn_neighbours(m);
    free(all);
    return rc == B4C_E_MEMORY ? b4c_fail(err, rc, "%s: no memory for %d pieces", where, m->n) : rc;
}

int b4c_pieces_ready(b4c_pieces *m, const char *where, b4c_error *err)
{
    bool any = false;
    m->highest = FLT_MIN; /* the reference's, so that user-defined pieces cost next to nothing */
    m->unknown = -1;
    for (int i = 0; i < 256; i++) m->byte_id[i] = -1;
    for (int i = 0; i < m->n; i++) {
        const b4c_piece *p = &m->piece[i];
        if (!p->bytes) return b4c_fail(err, B4C_E_FORMAT, "%s: piece %d is empty", where, i);
        if (!(p->score - p->score == 0))
            return b4c_fail(err, B4C_E_NUMBER, "%s: piece %d \"%s\": its score is not a number",
                            where, i, p->text);
        if (p->kind == B4C_PIECE_UNKNOWN) {
            if (m->unknown >= 0)
                return b4c_fail(err, B4C_E_FORMAT, "%s: pieces %d and %d are both the unknown one",
                                where, m->unknown, i);
            m->unknown = i;
        } else if (p->kind == B4C_PIECE_BYTE) {
            const int byte = b4c_piece_byte(p);
            if (byte < 0)
                return b4c_fail(err, B4C_E_FORMAT,
                                "%s: piece %d: found byte piece \"%s\", wanted <0x00> .. <0xFF>",
                                where, i, p->text);
            m->byte_id[byte] = i;
        } else if (p->kind == B4C_PIECE_NORMAL) {
            if (!any || p->score < m->lowest) m->lowest = p->score;
            if (p->score > m->highest) m->highest = p->score;
            any = true;
        }
    }
    if (m->unknown < 0)
        return b4c_fail(err, B4C_E_FORMAT, "%s: found no unknown piece among %d, wanted one", where,
                        m->n);
    for (int i = 0; i < 256 && m->byte_fallback; i++)
        if (m->byte_id[i] < 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: byte fallback, but no piece <0x%02X>", where,
                            i);
    return index_pieces(m, where, err);
}

void b4c_pieces_done(b4c_pieces *m)
{
    for (int i = 0; i < m->n; i++) free(m->piece[i].text);
    free(m->piece);
    free(m->unknown_text);
    free(m->join);
    b4c_trie_done(&m->trie);
    b4c_trie_done(&m->other);
    b4c_charsmap_done(&m->map);
    *m = (b4c_pieces){ 0 };
}

int b4c_pieces_find(const b4c_pieces *m, const char *text)
{
    const int32_t id = b4c_trie_find(&m->trie, text, strlen(text));
    return id >= 0 ? id : b4c_trie_find(&m->other, text, strlen(text));
}

/* ---- the .model file (sentencepiece_model.proto) ----------------------------------------- */

static int read_piece(b4c_pieces *m, b4c_span message, const char *where, b4c_error *err)
{
    b4c_proto p = { message };
    b4c_field f;
    b4c_span text = { (const unsigned char *)"", 0 };
    int64_t kind = B4C_PIECE_NORMAL;
    float score = 0;
    int rc;
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        b4c_field_bytes(&f, 1, &text);
        if (f.number == 2 && f.wire == B4C_WIRE_4) score = b4c_field_float(&f);
        b4c_field_int(&f, 3, &kind);
    }
    if (rc < 0 || kind < B4C_PIECE_NORMAL || kind > B4C_PIECE_BYTE)
        return b4c_fail(err, B4C_E_FORMAT, "%s: piece %d: malformed, or of the unknown kind %lld",
                        where, m->n, (long long)kind);
    if (b4c_utf8_check((const char *)text.data, text.size) < text.size ||
        memchr(text.data, 0, text.size))
        return b4c_fail(err, B4C_E_FORMAT, "%s: piece %d: not UTF-8, or with a zero byte", where,
                        m->n);
    return b4c_pieces_add(m, (const char *)text.data, text.size, score, (b4c_piece_kind)kind, err);
}

static int read_trainer(b4c_pieces *m, b4c_span message, const char *where, b4c_error *err)
{
    b4c_proto p = { message };
    b4c_field f;
    int64_t model = B4C_PIECES_UNIGRAM, suffix = 0, fallback = 0, bos = 1, eos = 2, pad = -1;
    b4c_span unknown = { 0 };
    int rc;
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        b4c_field_int(&f, 3, &model);
        b4c_field_int(&f, 24, &suffix);
        b4c_field_int(&f, 35, &fallback);
        b4c_field_int(&f, 41, &bos);
        b4c_field_int(&f, 42, &eos);
        b4c_field_int(&f, 43, &pad);
        b4c_field_bytes(&f, 44, &unknown);
    }
    if (rc < 0) return b4c_fail(err, B4C_E_FORMAT, "%s: trainer_spec is malformed", where);
    if (model != B4C_PIECES_UNIGRAM && model != B4C_PIECES_BPE)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: found model type %lld, wanted unigram (1) or BPE (2)", where,
                        (long long)model);
    m->model = (b4c_piece_model)model;
    m->map.suffix = suffix != 0;
    m->byte_fallback = fallback != 0;
    m->bos = (int)(int32_t)bos;
    m->eos = (int)(int32_t)eos;
    m->pad = (int)(int32_t)pad;
    if (unknown.data) {
        free(m->unknown_text);
        m->unknown_text = strndup((const char *)unknown.data, unknown.size);
    }
    return 0;
}

static int read_normalizer(b4c_pieces *m, b4c_span message, const char *where, b4c_error *err)
{
    b4c_proto p = { message };
    b4c_field f;
    b4c_span table = { 0 };
    int64_t dummy = 1, squeeze = 1, mark = 1;
    int rc;
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        b4c_field_bytes(&f, 2, &table);
        b4c_field_int(&f, 3, &dummy);
        b4c_field_int(&f, 4, &squeeze);
        b4c_field_int(&f, 5, &mark);
    }
    if (rc < 0) return b4c_fail(err, B4C_E_FORMAT, "%s: normalizer_spec is malformed", where);
    m->map.dummy_prefix = dummy != 0;
    m->map.squeeze = squeeze != 0;
    m->map.mark_blanks = mark != 0;
    return b4c_charsmap_read(&m->map, table.data, table.size, where, err);
}

int b4c_pieces_read(b4c_pieces *m, const void *model, size_t bytes, const char *where,
                    b4c_error *err)
{
    *m = (b4c_pieces){ .model = B4C_PIECES_UNIGRAM, .bos = 1, .eos = 2, .pad = -1 };
    m->map.dummy_prefix = m->map.squeeze = m->map.mark_blanks = true;
    m->unknown_text = strdup(" \xe2\x81\x87 ");
    b4c_proto p = { { model, bytes } };
    b4c_field f;
    b4c_span trainer = { 0 }, normalizer = { 0 }, piece;
    int rc = 0, more;
    while (rc == 0 && (more = b4c_proto_next(&p, &f)) != 0) {
        if (more < 0)
            rc = b4c_fail(err, B4C_E_FORMAT, "%s: not a SentencePiece model, or cut", where);
        else if (b4c_field_bytes(&f, 1, &piece))
            rc = read_piece(m, piece, where, err);
        b4c_field_bytes(&f, 2, &trainer);
        b4c_field_bytes(&f, 3, &normalizer);
    }
    if (rc == 0 && !m->n)
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: found no pieces, wanted a SentencePiece model",
                      where);
    if (rc == 0 && trainer.data) rc = read_trainer(m, trainer, where, err);
    if (rc == 0 && normalizer.data) rc = read_normalizer(m, normalizer, where, err);
    if (rc == 0) rc = b4c_pieces_ready(m, where, err);
    if (rc == 0 && !m->unknown_text) rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory", where);
    if (rc < 0) b4c_pieces_done(m);
    return rc;
}

/* ---- encoding ---------------------------------------------------------------------------- */

void *b4c_piece_list_work(b4c_piece_list *l, size_t bytes)
{
    if (bytes <= l->work_bytes) return l->work;
    void *work = realloc(l->work, bytes);
    if (!work) return NULL;
    l->work = work;
    l->work_bytes = bytes;
    return work;
}

void b4c_piece_list_done(b4c_piece_list *l)
{
    b4c_token_list_done(&l->tokens);
    free(l->work);
    b4c_mapped_done(&l->mapped);
    *l = (b4c_piece_list){ 0 };
}

/* Tokens without an id become their bytes, each with the places of all. That needs more entries
 * than there were, so it works from the back of a list that is made longer first. */
static bool fall_back(const b4c_pieces *m, b4c_token_list *l, int first, const char *text)
{
    size_t more = 0;
    bool any = false;
    for (int i = first; i < l->n; i++) {
        if (l->id[i] >= 0) continue;
        any = true;
        more += l->end[i] - l->begin[i] - 1;
    }
    if (!any) return true;
    if (!b4c_token_list_reserve(l, more)) return false;
    int to = l->n + (int)more;
    for (int i = l->n - 1; i >= first; i--) {
        const uint32_t begin = l->begin[i], end = l->end[i];
        const int id = l->id[i];
        for (uint32_t k = id < 0 ? end : begin + 1; k > begin; k--) {
            to--;
            l->id[to] = id < 0 ? m->byte_id[(uint8_t)text[k - 1]] : id;
            l->begin[to] = begin;
            l->end[to] = end;
        }
    }
    l->n += (int)more;
    return true;
}

static bool cut(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *l)
{
    const int first = l->tokens.n;
    const bool unigram = m->model == B4C_PIECES_UNIGRAM;
    if (!(unigram ? b4c_unigram_cut : b4c_merges_cut)(m, text, bytes, l)) return false;
    if (m->byte_fallback) return fall_back(m, &l->tokens, first, text);
    b4c_token_list_fuse(&l->tokens, first, -1, m->unknown);
    return true;
}

/* Each word alone: what the algorithm calls a text begins at every mark. */
static bool cut_words(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *l)
{
    const char *const end = text + bytes;
    for (const char *word = text, *stop; word < end; word = stop) {
        const int first = l->tokens.n;
        stop = memmem(word + 1, (size_t)(end - word) - 1, B4C_BLANK_MARK, 3);
        if (!stop) stop = end;
        if (!cut(m, word, (size_t)(stop - word), l)) return false;
        for (int i = first; i < l->tokens.n; i++) {
            l->tokens.begin[i] += (uint32_t)(word - text);
            l->tokens.end[i] += (uint32_t)(word - text);
        }
    }
    return true;
}

int b4c_pieces_cut(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *l,
                   b4c_error *err)
{
    l->tokens.n = 0;
    if (bytes > UINT32_MAX / 4)
        return b4c_fail(
            err, B4C_E_TEXT,
            "pieces: found a text of %zu bytes, wanted at most 1 GiB; cut it into lines", bytes);
    const bool ok = (m->words_apart ? cut_words : cut)(m, text, bytes, l);
    return ok ? 0 : b4c_fail(err, B4C_E_MEMORY, "pieces: no memory for a text of %zu bytes", bytes);
}

int b4c_pieces_encode(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *l,
                      b4c_error *err)
{
    if (bytes > UINT32_MAX / 4) return b4c_pieces_cut(m, text, bytes, l, err);
    if (b4c_charsmap_apply(&m->map, text, bytes, true, &l->mapped) < 0)
        return b4c_fail(err, B4C_E_MEMORY, "pieces: no memory for a text of %zu bytes", bytes);
    B4C_TRY(b4c_pieces_cut(m, l->mapped.text, l->mapped.bytes, l, err));
    for (int i = 0; i < l->tokens.n; i++) {
        l->tokens.begin[i] = l->mapped.from[l->tokens.begin[i]];
        l->tokens.end[i] = l->mapped.from[l->tokens.end[i]];
    }
    return 0;
}
