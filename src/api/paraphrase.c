/* paraphrase.c - other ways to say a text: sample, drop repeats, encode again, rank.
 *
 * The idea: SimBERT and RoFormer-Sim write under UniLM's mask and measure by the same weights
 * (SPEC 3.1, 3.5: gen_synonyms). All texts' samples come from one engine run, all candidates'
 * vectors from one call.
 */
#include "api/writing.h"

#include "base/error.h"
#include "text/spell.h"
#include <stdlib.h>
#include <string.h>

struct b4c_paraphrases_own {
    b4c_generation generation;       /* whose texts the candidates are */
    b4c_paraphrase *candidate;       /* of all texts, end to end */
    const b4c_paraphrase **first;    /* [n] */
    int *count;                      /* [n] */
};

/* ---- same or another ------------------------------------------------------------------------- */

/* Bytes of a blank that stands at p, 0: none. Of Unicode's, those that text comes with. */
static size_t blank(const char *p)
{
    if (*p == ' ' || (*p >= '\t' && *p <= '\r')) return 1;
    if (!strncmp(p, "\xc2\xa0", 2)) return 2;                    /* no-break space */
    if (!strncmp(p, "\xe3\x80\x80", 3)) return 3;                /* ideographic space */
    return 0;
}

/* The text without its blanks, malloc'ed. */
static char *key_of(const char *text, size_t n)
{
    char *key = malloc(n + 1), *to = key;
    if (!key) return NULL;
    for (size_t i = 0; i < n && text[i];) {
        const size_t skip = blank(text + i);
        if (!skip) *to++ = text[i];
        i += skip ? skip : 1;
    }
    *to = 0;
    return key;
}

/* ---- candidates of one text ------------------------------------------------------------------ */

typedef struct gathering {
    const b4c_model *model;
    const b4c_paraphrase_options *o;
    b4c_paraphrases *p;
    /* of the text, of the text as its tokens spell it, of its candidates */
    char **key;
    int n_key;
} gathering;

static bool known(const gathering *g, const char *key)
{
    for (int i = 0; i < g->n_key; i++)
        if (!strcmp(g->key[i], key)) return true;
    return false;
}

static void forget_keys(gathering *g)
{
    while (g->n_key) free(g->key[--g->n_key]);
}

/* The distinct results of text i, appended from `at` on. Returns how many, or no memory. */
static int distinct(gathering *g, int i, const char *text, size_t bytes, const char *spelt,
                    b4c_paraphrase *at)
{
    const b4c_generation *all = &g->p->own->generation;
    int n = 0;
    g->key[g->n_key++] = key_of(text, bytes);
    g->key[g->n_key++] = key_of(spelt, strlen(spelt));
    if (!g->key[0] || !g->key[1]) return B4C_E_MEMORY;
    for (int k = 0; k < all->count[i]; k++) {
        const b4c_result *x = &all->result[i][k];
        char *key = key_of(x->text, strlen(x->text));
        if (!key) return B4C_E_MEMORY;
        if (!*key || known(g, key)) {
            free(key);
            g->p->repeats++;
            continue;
        }
        g->key[g->n_key++] = key;
        at[n++] = (b4c_paraphrase){ .text = x->text, .logprob = x->logprob, .finish = x->finish };
    }
    return n;
}

static int falling(const void *a, const void *b)
{
    const b4c_paraphrase *x = a, *y = b;
    if (x->cosine < y->cosine || x->cosine > y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* Cosines to the text, then order, floor and number. v: the text's vector, then the candidates'.
 * Returns how many stay. */
static int rank(gathering *g, b4c_paraphrase *c, int n, const float *v, int width)
{
    int kept = 0;
    for (int k = 0; k < n; k++)
        c[k].cosine = (float)b4c_cosine(v, v + (size_t)(k + 1) * (size_t)width, width);
    qsort(c, (size_t)n, sizeof *c, falling);
    while (kept < n && c[kept].cosine >= g->o->floor) kept++;
    g->p->below += n - kept;
    return g->o->keep && kept > g->o->keep ? g->o->keep : kept;
}

/* ---- all texts ------------------------------------------------------------------------------- */

static int mask_tokens(const b4c_model *m, b4c_sources *s, const b4c_paraphrase_options *o,
                       b4c_error *err)
{
    if (o->n_mask && m->tokens.mask < 0)
        return b4c_fail(err, B4C_E_MISSING, "the tokenizer has no mask token");
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < o->n_mask; k++) {
            if (o->mask[k] < 1 || o->mask[k] > s->length[i] - 2) {
                const int rc = b4c_fail(err, B4C_E_ARG,
                                        "mask: found position %d, wanted 1 to %d: [CLS], which is "
                                        "0, and [SEP] stay",
                                        o->mask[k], s->length[i] - 2);
                return s->n > 1 ? b4c_fail_in(err, "text %d", i + 1) : rc;
            }
            b4c_source_ids(s, i)[o->mask[k]] = m->tokens.mask;
        }
    return 0;
}

/* What the source's tokens spell, before masking: case and accents as the model knows them. */
static char **spell(const b4c_model *m, const b4c_sources *s, b4c_error *err)
{
    char **spelt = calloc((size_t)s->n + 1, sizeof *spelt);
    for (int i = 0; spelt && i < s->n; i++)
        spelt[i] = b4c_spell(m->tokenizer, b4c_source_ids(s, i), s->length[i], err);
    return spelt;
}

/* How candidates are measured. */
static b4c_encode_options measure(const b4c_model *m, b4c_pooling pooling)
{
    b4c_encode_options e = B4C_ENCODE_DEFAULT;
    e.normalize = 1;
    e.pooling = pooling != B4C_POOL_AUTO || !m->net.has_pooler ? pooling : B4C_POOL_LINEAR;
    return e;
}

/* Vectors of the texts and of their candidates: each text's stand together, its own first. */
static int encode_all(b4c_session *s, const gathering *g, const char *const *texts,
                      const size_t *lens, const int *found, int total, float **out, int *width,
                      b4c_error *err)
{
    const struct b4c_paraphrases_own *own = g->p->own;
    const int n = g->p->n;
    const b4c_encode_options e = measure(s->model, g->o->pooling);
    B4C_TRY(*width = b4c_encode_width(s, &e, err));
    const size_t rows = (size_t)n + (size_t)total;
    const char **text = malloc((rows + 1) * sizeof *text);
    size_t *size = malloc((rows + 1) * sizeof *size), row = 0;
    *out = malloc((rows * (size_t)*width + 1) * sizeof **out);
    int rc = text && size && *out
               ? 0
               : b4c_fail(err, B4C_E_MEMORY, "no memory for %zu candidates", rows);
    for (int i = 0; i < n && rc == 0; i++) {
        size[row] = lens ? lens[i] : strlen(texts[i]);
        text[row++] = texts[i];
        for (int k = 0; k < found[i]; k++, row++) {
            text[row] = own->first[i][k].text;
            size[row] = strlen(text[row]);
        }
    }
    if (rc == 0) rc = b4c_encode(s, text, size, (int)rows, &e, *out, err);
    free(text);
    free(size);
    return rc;
}

static int gather_all(b4c_session *s, gathering *g, const char *const *texts, const size_t *lens,
                      char **spelt, b4c_error *err)
{
    struct b4c_paraphrases_own *own = g->p->own;
    const int n = g->p->n;
    int total = 0, rc = 0, width = 0;
    float *v = NULL;
    const b4c_encode_stats read = s->stats;
    for (int i = 0; i < n && rc >= 0; i++) {
        own->first[i] = own->candidate + total;
        rc = distinct(g, i, texts[i], lens ? lens[i] : strlen(texts[i]), spelt[i] ? spelt[i] : "",
                      own->candidate + total);
        if (rc >= 0) total += own->count[i] = rc;
        forget_keys(g);
    }
    if (rc < 0) return b4c_fail(err, rc, "no memory for the candidates");
    rc = encode_all(s, g, texts, lens, own->count, total, &v, &width, err);
    size_t row = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const int found = own->count[i];
        own->count[i] = rank(g, own->candidate + (own->first[i] - own->candidate), found,
                             v + row * (size_t)width, width);
        row += (size_t)found + 1;
    }
    free(v);
    s->stats = read;         /* of the sources, not of what was encoded again */
    return rc;
}

static int make(b4c_session *s, const b4c_paraphrase_options *o, b4c_sources *sources,
                const char *const *texts, const size_t *lens, b4c_paraphrases *p, b4c_error *err)
{
    struct b4c_paraphrases_own *own = p->own;
    gathering g = { .model = s->model, .o = o, .p = p };
    char **spelt = spell(s->model, sources, err);
    int rc = spelt ? mask_tokens(s->model, sources, o, err)
                   : b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", p->n);
    if (rc == 0) rc = b4c_write(s, B4C_READ_PREFIX, sources, &o->generate, &own->generation, err);
    int most = 0;
    size_t all = 0;
    for (int i = 0; i < p->n && rc == 0; i++) {
        if (own->generation.count[i] > most) most = own->generation.count[i];
        all += (size_t)own->generation.count[i];
    }
    own->candidate = malloc((all + 1) * sizeof *own->candidate);
    own->first = calloc((size_t)p->n + 1, sizeof *own->first);
    own->count = calloc((size_t)p->n + 1, sizeof *own->count);
    g.key = calloc((size_t)most + 2, sizeof *g.key);
    if (rc == 0 && (!own->candidate || !own->first || !own->count || !g.key))
        rc = b4c_fail(err, B4C_E_MEMORY, "no memory for %zu candidates", all);
    if (rc == 0) rc = gather_all(s, &g, texts, lens, spelt, err);
    p->count = own->count;
    p->candidate = own->first;
    p->tokens_read = own->generation.tokens_read;
    p->tokens_written = own->generation.tokens_written;
    p->texts_cut = own->generation.texts_cut;
    p->cut = own->generation.cut;
    p->unfamiliar = own->generation.unfamiliar;
    for (int i = 0; spelt && i < p->n; i++) free(spelt[i]);
    free(spelt);
    free(g.key);
    return rc;
}

int b4c_paraphrase_texts(b4c_session *s, const char *const *texts, const size_t *lens, int n,
                         const b4c_paraphrase_options *options, b4c_paraphrases *p, b4c_error *err)
{
    const b4c_paraphrase_options o = options ? *options : B4C_PARAPHRASE_DEFAULT;
    b4c_sources sources = { 0 };
    b4c_reading r;
    b4c_error own = { 0 };
    if (!err) err = &own;
    *p = (b4c_paraphrases){ 0 };
    if (o.keep < 0 || o.n_mask < 0 || !(o.floor >= -1 && o.floor <= 1))
        return b4c_fail(err, B4C_E_ARG,
                        "keep is %d and floor %g, wanted 0 or more, and -1 to 1", o.keep,
                        (double)o.floor);
    B4C_TRY(b4c_reading_resolve(s->model, B4C_READ_PREFIX, &r, err));
    B4C_TRY(b4c_writing_check(s->model, &o.generate, err));
    const b4c_encode_options e = measure(s->model, o.pooling);
    B4C_TRY(b4c_encode_width(s, &e, err));       /* before the long part */
    int rc = b4c_sources_read(s, &sources, r, texts, lens, n, &o.generate, err);
    if (rc == 0) {
        *p = (b4c_paraphrases){ .n = n, .own = calloc(1, sizeof *p->own) };
        rc = p->own ? make(s, &o, &sources, texts, lens, p, err)
                    : b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
    }
    b4c_sources_done(&sources);
    if (rc < 0) b4c_paraphrases_free(p);
    return rc;
}

void b4c_paraphrases_free(b4c_paraphrases *p)
{
    if (!p) return;
    if (p->own) {
        b4c_generation_free(&p->own->generation);
        free(p->own->candidate);
        free(p->own->first);
        free(p->own->count);
        free(p->own);
    }
    *p = (b4c_paraphrases){ 0 };
}
