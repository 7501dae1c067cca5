/* maker.c - one small function a task, over what they share: a text's tokens between the special
 * tokens that its tokenizer puts around a text.
 */
#include "train/maker.h"
#include "text/utf8.h"
#include "train/windows.h"
#include <stdlib.h>

/* bert4keras' scripts for RoFormer-Sim: the first segment stands for a text. */
static const char separators[] = "\n。！？!?；;，, ", strips[] = "；;，, ";

typedef struct making {
    b4c_maker *m;
    const b4c_data_record *r;
    int part;
    bool fresh; /* the maker holds nothing of this record yet */
    b4c_rng rng;
    b4c_batch *b;
    b4c_error *err;
} making;

static int no_memory(b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "no memory for an example");
}

/* ---- texts ----------------------------------------------------------------------------------- */

static b4c_span first_segment(making *x, b4c_span s, int *rc)
{
    b4c_maker *m = x->m;
    if (m->o.first_segment == 0) return s;
    m->sentences.n = 0;
    *rc = b4c_segmentate((const char *)s.data, s.size, (size_t)m->o.first_segment, separators,
                         strips, &m->sentences, x->err);
    if (*rc < 0 || m->sentences.n == 0) return s;
    const b4c_segment *g = m->sentences.segment;
    return (b4c_span){ s.data + g->begin, g->end - g->begin };
}

/* Tokens of a text, without special ones around it. */
static int read_text(making *x, b4c_span s, b4c_encoding *e)
{
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    how.no_special = true;
    B4C_TRY(
        b4c_tokenize(x->m->o.tokenizer, (const char *)s.data, s.size, NULL, 0, &how, e, x->err));
    x->m->tokens += e->n;
    x->m->unknown += e->unknown;
    return e->n;
}

static int cut_words(making *x, b4c_span s)
{
    return b4c_words_cut(x->m->words, (const char *)s.data, s.size, true, &x->m->cuts, x->err);
}

static int *units_for(making *x, int n)
{
    b4c_maker *m = x->m;
    if (n + 1 > m->room_units) {
        int *p = realloc(m->units, ((size_t)n + 1) * sizeof *p);
        if (!p) return NULL;
        m->units = p;
        m->room_units = n + 1;
    }
    return m->units;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void add_ids(b4c_buffer *to, const int32_t *ids, int n)
{
    b4c_buffer_add(to, ids, (size_t)n * sizeof *ids);
}
static int32_t *ids_in(const b4c_buffer *b) { return (int32_t *)(void *)b->data; }
static int count_in(const b4c_buffer *b) { return (int)(b->size / sizeof(int32_t)); }

/* The tokens between the special ones that stand around a text. */
static void add_framed(const b4c_maker *m, b4c_buffer *to, const int32_t *ids, int n)
{
    const b4c_encoding *f = &m->front;
    add_ids(to, f->ids, m->n_front);
    add_ids(to, ids, n);
    add_ids(to, f->ids + f->n - m->n_back, m->n_back);
}

static int frame_of(const b4c_maker *m) { return m->n_front + m->n_back; }

/* A sequence that is read only. */
static void put_plain(b4c_batch *b, const int32_t *ids, int n)
{
    b4c_batch_sequence(b);
    for (int i = 0; i < n; i++) b4c_batch_row(b, ids[i], 0, -1);
}

/* Source [n] and target [k] of a prefix model: a row that a target's token follows is asked for it;
 * the last token is read by nobody, so it has no row. */
static void put_prefix(b4c_batch *b, const int32_t *source, int n, const int32_t *target, int k)
{
    b4c_batch_sequence(b);
    for (int i = 0; i < n; i++) b4c_batch_row(b, source[i], 0, i + 1 < n ? -1 : target[0]);
    for (int i = 0; i + 1 < k; i++) b4c_batch_row(b, target[i], 1, target[i + 1]);
}

static void put_seq2seq(const b4c_maker *m, b4c_batch *b, const int32_t *source, int n,
                        const int32_t *target, int k)
{
    if (!m->o.encoder_decoder) {
        put_prefix(b, source, n, target, k);
        return;
    }
    put_plain(b, source, n);
    for (int i = 0; i < k; i++) b4c_batch_out(b, i ? target[i - 1] : m->o.start, target[i]);
}

static int least(int a, int b) { return a < b ? a : b; }

/* A text that is cut to max_length, alone in a sequence. Returns its rows. */
static int put_text(making *x, b4c_span s)
{
    b4c_maker *m = x->m;
    int rc = 0;
    s = first_segment(x, s, &rc);
    if (rc < 0) return rc;
    B4C_TRY(read_text(x, s, &m->second));
    m->ids.size = 0;
    add_framed(m, &m->ids, m->second.ids, least(m->second.n, m->o.max_length - frame_of(m)));
    if (m->ids.failed) return no_memory(x->err);
    put_plain(x->b, ids_in(&m->ids), count_in(&m->ids));
    return count_in(&m->ids);
}

/* ---- one text -------------------------------------------------------------------------------- */

/* Bounds of a language model's windows into m->units. */
static int cut_windows(making *x)
{
    b4c_maker *m = x->m;
    const b4c_windows_wish w = { .rows = count_in(&m->ids) - 1, .most = m->o.max_length,
                                 .sentences = m->o.sentences, .text = x->r->text[0],
                                 .tokens = &m->content, .before = m->n_front };
    int *bound = units_for(x, b4c_windows_room(&w));
    if (!bound) return no_memory(x->err);
    m->windows = b4c_windows_cut(&w, bound);
    return 0;
}

static int make_lm(making *x)
{
    b4c_maker *m = x->m;
    if (x->fresh) {
        B4C_TRY(read_text(x, x->r->text[0], &m->content));
        m->ids.size = 0;
        add_ids(&m->ids, m->front.ids, m->n_front);
        add_ids(&m->ids, m->content.ids, m->content.n);
        if (m->o.end >= 0) add_ids(&m->ids, &(int32_t){ m->o.end }, 1);
        if (m->ids.failed) return no_memory(x->err);
    }
    /* every token but the first is asked once; the last row of a window by the next one's first */
    if (m->content.n == 0) return 0;
    if (x->fresh) B4C_TRY(cut_windows(x));
    const int parts = m->windows;
    if (x->part >= parts) return parts;
    const int from = m->units[x->part], upto = m->units[x->part + 1];
    const int32_t *ids = ids_in(&m->ids);
    b4c_batch_example(x->b, 0);
    b4c_batch_sequence(x->b);
    for (int i = from; i < upto; i++) b4c_batch_row(x->b, ids[i], 0, ids[i + 1]);
    return parts;
}

static int make_mlm(making *x)
{
    b4c_maker *m = x->m;
    const int l = m->o.max_length - frame_of(m);
    if (x->fresh) {
        B4C_TRY(read_text(x, x->r->text[0], &m->content));
        if (m->o.whole_words) B4C_TRY(cut_words(x, x->r->text[0]));
    }
    const int n = m->content.n, parts = (n + l - 1) / l;
    if (x->part >= parts) return parts;
    const int from = x->part * l, upto = least(from + l, n), rows = upto - from;
    int *first = units_for(x, rows);
    if (!first) return no_memory(x->err);
    const int units = b4c_units(&m->content, from, upto, m->o.whole_words ? &m->cuts : NULL, first);
    m->ids.size = 0;
    add_ids(&m->ids, m->content.ids + from, rows);
    add_ids(&m->ids, m->content.ids + from, rows); /* its second half becomes the targets */
    if (m->ids.failed) return no_memory(x->err);
    for (int u = 0; u <= units; u++) first[u] -= from;
    const b4c_masking how = { m->o.mask_rate, m->mask, m->o.vocabulary };
    int32_t *ids = ids_in(&m->ids), *targets = ids + rows;
    b4c_mask_some(&x->rng, &how, first, units, ids, targets);
    const b4c_encoding *f = &m->front;
    b4c_batch_example(x->b, 0);
    b4c_batch_sequence(x->b);
    for (int i = 0; i < m->n_front; i++) b4c_batch_row(x->b, f->ids[i], 0, -1);
    for (int i = 0; i < rows; i++) b4c_batch_row(x->b, ids[i], 0, targets[i]);
    for (int i = f->n - m->n_back; i < f->n; i++) b4c_batch_row(x->b, f->ids[i], 0, -1);
    return parts;
}

static int make_simcse(making *x)
{
    b4c_maker *m = x->m;
    B4C_TRY(read_text(x, x->r->text[0], &m->content));
    if (m->content.n == 0) return 0;
    b4c_batch_example(x->b, 0);
    B4C_TRY(put_text(x, x->r->text[0]));
    put_plain(x->b, ids_in(&m->ids), count_in(&m->ids));
    return 1;
}

/* ---- a source and its target ----------------------------------------------------------------- */

/* A source's tokens [all], not framed yet, and a target's; both are cut: the target to max_target;
 * for a prefix model both together to max_length, from the longer one first (bert4keras'
 * truncate_sequences). */
static int put_cut(making *x, const int32_t *source, int all, const b4c_encoding *target)
{
    b4c_maker *m = x->m;
    const bool ends = m->o.end >= 0;
    int n = all + frame_of(m), k = least(target->n + ends, m->o.max_target);
    if (all == 0 || target->n == 0) return 0;
    if (m->o.encoder_decoder)
        n = least(n, m->o.max_length);
    else
        while (n + k - 1 > m->o.max_length) *(n >= k ? &n : &k) -= 1;
    m->ids.size = 0;
    add_framed(m, &m->ids, source, n - frame_of(m));
    add_ids(&m->ids, target->ids, k - ends);
    if (ends) add_ids(&m->ids, &(int32_t){ m->o.end }, 1);
    if (m->ids.failed) return no_memory(x->err);
    b4c_batch_example(x->b, 0);
    put_seq2seq(m, x->b, ids_in(&m->ids), n, ids_in(&m->ids) + n, k);
    return 1;
}

static int make_seq2seq(making *x)
{
    b4c_maker *m = x->m;
    B4C_TRY(read_text(x, x->r->text[0], &m->content));
    B4C_TRY(read_text(x, x->r->text[1], &m->second));
    return put_cut(x, m->content.ids, m->content.n, &m->second);
}

/* The sentences of a piece in another order, in m->text. */
static int permute(making *x, b4c_span piece)
{
    b4c_maker *m = x->m;
    m->sentences.n = 0;
    m->text.size = 0;
    B4C_TRY(b4c_segmentate((const char *)piece.data, piece.size, 1, "\n。！？!?", NULL,
                           &m->sentences, x->err));
    int *order = units_for(x, (int)m->sentences.n);
    if (!order) return no_memory(x->err);
    b4c_shuffle(&x->rng, order, (int)m->sentences.n);
    for (size_t i = 0; i < m->sentences.n; i++) {
        const b4c_segment *g = &m->sentences.segment[order[i]];
        b4c_buffer_add(&m->text, piece.data + g->begin, g->end - g->begin);
    }
    return m->text.failed ? no_memory(x->err) : 0;
}

/* Content that a source and its target may both have. */
static int denoise_room(const b4c_maker_options *o, int frame)
{
    const int both = o->encoder_decoder ? least(o->max_length - frame, o->max_target - 1)
                                        : least((o->max_length - frame) / 2, o->max_target - 1);
    return both < 1 ? 1 : both;
}

static int make_denoise(making *x)
{
    b4c_maker *m = x->m;
    const b4c_span all = x->r->text[0];
    const int most = denoise_room(&m->o, frame_of(m));
    if (x->fresh) {
        m->segments.n = 0;
        B4C_TRY(b4c_segmentate((const char *)all.data, all.size, (size_t)most, separators, NULL,
                               &m->segments, x->err));
    }
    const int parts = (int)m->segments.n;
    if (x->part >= parts) return parts;
    const b4c_segment *g = &m->segments.segment[x->part];
    b4c_span piece = { all.data + g->begin, g->end - g->begin };
    B4C_TRY(read_text(x, piece, &m->second));
    if (m->o.permute) {
        B4C_TRY(permute(x, piece));
        piece = (b4c_span){ (const unsigned char *)m->text.data, m->text.size };
    }
    B4C_TRY(read_text(x, piece, &m->content));
    const int n = least(m->content.n, most);
    if (n == 0 || m->second.n == 0) return parts;
    int *out = units_for(x, 2 * n + 1);
    if (!out) return no_memory(x->err);
    const int k = b4c_infill(&x->rng, m->o.mask_rate, m->mask, m->content.ids, n, out);
    if (k < 0) return no_memory(x->err);
    if (m->second.n > most) m->second.n = most;
    B4C_TRY(put_cut(x, out, k, &m->second));
    return parts;
}

/* Pieces of 32 characters and how long they are; then how they fall into examples. */
static int cut_pieces(making *x, b4c_span all)
{
    b4c_maker *m = x->m;
    m->segments.n = 0;
    B4C_TRY(
        b4c_segmentate((const char *)all.data, all.size, 32, "\n。", NULL, &m->segments, x->err));
    const int n = (int)m->segments.n;
    if (n > m->room_counts) {
        int *counts = realloc(m->counts, (size_t)n * sizeof *counts);
        if (counts) m->counts = counts;
        bool *chosen = realloc(m->chosen, (size_t)n * sizeof *chosen);
        if (chosen) m->chosen = chosen;
        if (!counts || !chosen) return no_memory(x->err);
        m->room_counts = n;
    }
    for (int i = 0; i < n; i++) {
        const b4c_segment *g = &m->segments.segment[i];
        m->counts[i] = (int)b4c_utf8_count((const char *)all.data + g->begin, g->end - g->begin);
    }
    return 0;
}

static int join_side(making *x, const b4c_span *piece, int n, bool target, b4c_encoding *e)
{
    b4c_maker *m = x->m;
    m->text.size = 0;
    for (int i = 0; i < n; i++)
        if (m->chosen[i] == target) b4c_buffer_add(&m->text, piece[i].data, piece[i].size);
    if (m->text.failed) return no_memory(x->err);
    return read_text(x, (b4c_span){ (const unsigned char *)m->text.data, m->text.size }, e);
}

static int make_pseudo(making *x)
{
    b4c_maker *m = x->m;
    const b4c_span all = x->r->text[0];
    int parts = 0, from = 0, n = 0;
    if (x->fresh) B4C_TRY(cut_pieces(x, all));
    for (int next = 0, begin = 0; next < (int)m->segments.n; begin = next) {
        const int k = b4c_pseudo_pack(m->counts, (int)m->segments.n, m->o.summary_chars, &next);
        if (k > 0 && parts++ == x->part) from = begin, n = k;
    }
    if (n == 0) return parts;
    b4c_span *piece = malloc((size_t)n * sizeof *piece);
    if (!piece) return no_memory(x->err);
    for (int i = 0; i < n; i++) {
        const b4c_segment *g = &m->segments.segment[from + i];
        piece[i] = (b4c_span){ all.data + g->begin, g->end - g->begin };
    }
    int rc = b4c_pseudo_choose(&m->pseudo, piece, n, m->chosen, x->err);
    if (rc >= 0) rc = join_side(x, piece, n, true, &m->second);
    if (rc >= 0) rc = join_side(x, piece, n, false, &m->content);
    free(piece);
    if (rc < 0) return rc;
    B4C_TRY(put_cut(x, m->content.ids, m->content.n, &m->second));
    return parts;
}

/* ---- texts side by side ---------------------------------------------------------------------- */

/* The teacher reads the clean source by its own rules. */
static int put_teacher(making *x, b4c_span s)
{
    b4c_maker *m = x->m;
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    how.max_length = m->o.max_length / 2;
    B4C_TRY(b4c_tokenize(m->o.teacher, (const char *)s.data, s.size, NULL, 0, &how, &m->second,
                         x->err));
    for (int i = 0; i < m->second.n; i++) b4c_batch_teacher(x->b, m->second.ids[i]);
    return 0;
}

/* One direction: a, noisy as often as that is wanted, gives b. Each has half of max_length. */
static int put_direction(making *x, b4c_span a, b4c_span b)
{
    b4c_maker *m = x->m;
    const int most = m->o.max_length / 2 - frame_of(m);
    B4C_TRY(read_text(x, a, &m->content));
    B4C_TRY(read_text(x, b, &m->second));
    const bool noisy = m->o.noise > 0 && (double)b4c_rng_uniform(&x->rng) < m->o.noise;
    const int n = m->content.n;
    m->ids.size = 0;
    if (noisy) {
        int *first = units_for(x, n);
        if (!first) return no_memory(x->err);
        B4C_TRY(cut_words(x, a));
        const b4c_masking how = { m->o.mask_rate, m->mask, m->o.vocabulary };
        const int units = b4c_units(&m->content, 0, n, &m->cuts, first);
        b4c_mask_units(&x->rng, &how, first, units, m->content.ids, NULL);
    }
    add_framed(m, &m->ids, m->content.ids, least(n, most));
    const int source = count_in(&m->ids);
    add_ids(&m->ids, m->second.ids, least(m->second.n, most));
    if (m->o.end >= 0) add_ids(&m->ids, &(int32_t){ m->o.end }, 1);
    if (m->ids.failed) return no_memory(x->err);
    const int32_t *ids = ids_in(&m->ids);
    put_prefix(x->b, ids, source, ids + source, count_in(&m->ids) - source);
    return m->o.teacher ? put_teacher(x, a) : 0;
}

static int make_simbert(making *x)
{
    const b4c_data_record *r = x->r;
    if (r->n < 2) return 0;
    int rc = 0, i = (int)b4c_rng_below(&x->rng, (uint32_t)r->n);
    int k = (int)b4c_rng_below(&x->rng, (uint32_t)r->n - 1);
    k += k >= i;
    const b4c_span a = first_segment(x, r->text[i], &rc), b = first_segment(x, r->text[k], &rc);
    if (rc < 0) return rc;
    B4C_TRY(read_text(x, a, &x->m->content));
    B4C_TRY(read_text(x, b, &x->m->second));
    if (x->m->content.n == 0 || x->m->second.n == 0) return 0;
    b4c_batch_example(x->b, 0);
    B4C_TRY(put_direction(x, a, b));
    B4C_TRY(put_direction(x, b, a));
    return 1;
}

/* Each text in its own sequence: pairs, an anchor with its positive and negatives. */
static int make_texts(making *x)
{
    const b4c_data_record *r = x->r;
    const int n = least(r->n, 2 + x->m->o.negatives);
    for (int i = 0; i < n; i++) {
        const int rows = put_text(x, r->text[i]);
        if (rows <= 0) return rows;
    }
    return 1;
}

static int make_classify(making *x)
{
    b4c_maker *m = x->m;
    const b4c_span *t = x->r->text;
    const bool pair = x->r->n > 1;
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    how.max_length = m->o.max_length;
    B4C_TRY(b4c_tokenize(m->o.tokenizer, (const char *)t[0].data, t[0].size,
                         pair ? (const char *)t[1].data : NULL, pair ? t[1].size : 0, &how,
                         &m->content, x->err));
    m->tokens += m->content.n;
    m->unknown += m->content.unknown;
    if (m->content.n == 0) return 0;
    b4c_batch_sequence(x->b);
    for (int i = 0; i < m->content.n; i++)
        b4c_batch_row(x->b, m->content.ids[i], m->content.segments[i], -1);
    return 1;
}

/* ---- the maker ------------------------------------------------------------------------------- */

typedef struct task_making {
    int (*make)(making *);
    int sequences;     /* of at most max_length each; 0: 2 + negatives */
    bool target, mask; /* has decoder rows with an encoder-decoder; needs a mask token */
    bool labelled;     /* make only adds sequences: the example begins before it */
} task_making;

static const task_making makings[B4C_TASKS] = {
    [B4C_TASK_LM] = { make_lm, 1, false, false, false },
    [B4C_TASK_MLM] = { make_mlm, 1, false, true, false },
    [B4C_TASK_SEQ2SEQ] = { make_seq2seq, 1, true, false, false },
    [B4C_TASK_DENOISE] = { make_denoise, 1, true, true, false },
    [B4C_TASK_PSEUDO_SUMMARY] = { make_pseudo, 1, true, false, false },
    [B4C_TASK_SIMBERT] = { make_simbert, 2, false, false, false },
    [B4C_TASK_ROFORMER_SIM] = { make_simbert, 2, false, true, false },
    [B4C_TASK_DISTIL] = { make_simbert, 2, false, true, false },
    [B4C_TASK_ROFORMER_SIM_FT] = { make_texts, 2, false, false, true },
    [B4C_TASK_COSENT] = { make_texts, 2, false, false, true },
    [B4C_TASK_SIMCSE] = { make_simcse, 2, false, false, false },
    [B4C_TASK_INFONCE] = { make_texts, 0, false, false, true },
    [B4C_TASK_CLASSIFY] = { make_classify, 1, false, false, true },
    [B4C_TASK_PAIRS] = { make_texts, 2, false, false, true },
};

int b4c_maker_most_rows(const b4c_maker_options *o)
{
    const task_making *k = &makings[o->task];
    const int sequences = k->sequences ? k->sequences : 2 + o->negatives;
    return sequences * o->max_length + (k->target && o->encoder_decoder ? o->max_target : 0);
}

/* The special tokens around a text, seen on one. */
static int find_frame(b4c_maker *m, b4c_error *err)
{
    const b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    b4c_encoding *f = &m->front;
    B4C_TRY(b4c_tokenize(m->o.tokenizer, "1", 1, NULL, 0, &how, f, err));
    while (m->n_front < f->n && f->added[m->n_front]) m->n_front++;
    while (m->n_back < f->n - m->n_front && f->added[f->n - 1 - m->n_back]) m->n_back++;
    return 0;
}

static int check(b4c_maker *m, b4c_error *err)
{
    const b4c_maker_options *o = &m->o;
    const char *task = b4c_task_name(o->task);
    const bool halves = o->task == B4C_TASK_SIMBERT || o->task == B4C_TASK_ROFORMER_SIM ||
                        o->task == B4C_TASK_DISTIL;
    const int needed = (frame_of(m) + 1) * (halves ? 2 : 1);
    if (o->max_length < needed)
        return b4c_fail(
            err, B4C_E_ARG,
            "task '%s': max_length is %d, wanted at least %d: special tokens and one of "
            "the text",
            task, o->max_length, needed);
    if (makings[o->task].target && o->max_target < 2)
        return b4c_fail(err, B4C_E_ARG, "task '%s': max_target is %d, wanted at least 2", task,
                        o->max_target);
    if (makings[o->task].mask && m->mask < 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "task '%s': the tokenizer has no mask token; name one in its files "
                        "(mask_token), or take another task",
                        task);
    return 0;
}

int b4c_maker_init(b4c_maker *m, const b4c_maker_options *o, b4c_error *err)
{
    b4c_tokenizer_info info;
    *m = (b4c_maker){ .o = *o };
    b4c_tokenizer_describe(o->tokenizer, &info);
    m->mask = info.mask;
    /* a prefix model's target needs an end; BERT's is [SEP] */
    if (!o->encoder_decoder && m->o.end < 0) m->o.end = info.end;
    int rc = find_frame(m, err);
    if (rc == 0) rc = check(m, err);
    if (rc == 0 && (o->whole_words || o->noise > 0)) {
        m->words = b4c_words_default(err);
        if (!m->words) rc = B4C_E_MEMORY;
    }
    if (rc < 0) b4c_maker_done(m);
    return rc;
}

void b4c_maker_done(b4c_maker *m)
{
    b4c_encoding_free(&m->front);
    b4c_encoding_free(&m->content);
    b4c_encoding_free(&m->second);
    b4c_words_free(m->words);
    b4c_cuts_free(&m->cuts);
    b4c_segments_free(&m->segments);
    b4c_segments_free(&m->sentences);
    b4c_buffer_done(&m->ids);
    b4c_buffer_done(&m->text);
    free(m->units);
    free(m->counts);
    free(m->chosen);
    b4c_pseudo_done(&m->pseudo);
    *m = (b4c_maker){ 0 };
}

int b4c_maker_make(b4c_maker *m, const b4c_data_record *r, float label, const b4c_example_place *at,
                   b4c_batch *b, b4c_error *err)
{
    const task_making *k = &makings[m->o.task];
    const int before = b->n_examples;
    making x = { .m = m, .r = r, .part = (int)at->place.inside, .b = b, .err = err };
    /* "data", so that the model's own draws from this seed are others; parts apart by a big odd
     * number */
    b4c_rng_init(&x.rng, m->o.seed ^ 0x64617461u,
                 at->visit->key + at->place.inside * 0x9e3779b97f4a7c15u, at->visit->epoch);
    x.fresh = m->held != at->place.record + 1;
    m->held = 0;
    if (k->labelled) b4c_batch_example(b, label);
    const int parts = k->make(&x);
    if (k->labelled && parts <= 0) b4c_batch_cut(b, before);
    if (parts < 0) return parts;
    if (b->failed) return no_memory(err);
    m->held = at->place.record + 1;
    return parts;
}
