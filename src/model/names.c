/* names.c - finding tensors by what checkpoints call them (namings.h has the idea). Everything in a
 * store is untrusted: names of any length, any number of them.
 */
#include "base/error.h"
#include "base/nearest.h"
#include "model/namings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 512, NEAREST = 3, COMPARED_NAMES = 4000 };

/* The role's stems in a stack's table, or NULL. */
static const char *stems(const b4c_naming *n, b4c_role role, int stack)
{
    return stack ? n->second[role] : n->stem[role];
}

const char *b4c_role_name(b4c_role role)
{
    static const char *const name[B4C_ROLES] = {
        "token",       "segment",   "position",    "embedding norm",    "embedding projection",
        "query",       "key",       "value",       "attention output",  "attention norm",
        "cross query", "cross key", "cross value", "cross output",      "cross norm",
        "up",          "gate",      "down",        "feed-forward norm", "buckets",
        "final norm",  "pooler",    "head dense",  "head norm",         "head",
        "head bias",   "classifier",
    };
    return name[role];
}

const char *b4c_naming_name(const b4c_naming *n) { return n->name; }

bool b4c_mapping_turned(const b4c_mapping *m, const b4c_parameter *p)
{
    if (p->role == B4C_ROLE_BUCKETS) return m->naming->buckets_turned;
    if (p->role == B4C_ROLE_HEAD_OUT) return m->naming->head_in_out;
    return p->kind == B4C_KIND_MATRIX && m->naming->in_out;
}

bool b4c_mapping_paired(const b4c_mapping *m, const b4c_parameter *p)
{
    return m->naming->paired && (p->role == B4C_ROLE_QUERY || p->role == B4C_ROLE_KEY);
}

int b4c_mapping_part(const b4c_mapping *m, const b4c_parameter *p)
{
    const char *list = stems(m->naming, p->role, p->stack), *mark = list ? strchr(list, '@') : NULL;
    return mark ? mark[1] - '0' : -1;
}

static bool is_norm(b4c_role r)
{
    return r == B4C_ROLE_EMBEDDING_NORM || r == B4C_ROLE_SELF_NORM || r == B4C_ROLE_CROSS_NORM ||
           r == B4C_ROLE_FFN_NORM || r == B4C_ROLE_FINAL_NORM || r == B4C_ROLE_HEAD_NORM;
}

static const char *suffixes(const b4c_naming *n, b4c_role role, b4c_kind kind)
{
    if (role == B4C_ROLE_HEAD_BIAS) return ""; /* its stem is the whole name */
    switch (kind) {
    case B4C_KIND_TABLE: return n->table;
    case B4C_KIND_MATRIX: return n->matrix;
    case B4C_KIND_GAIN: return n->gain;
    case B4C_KIND_BIAS: return is_norm(role) ? n->shift : n->bias;
    }
    return "";
}

/* Alternative i of a list a|b|c: its text and length; false: there are fewer. */
static bool alternative(const char *list, int i, const char **text, int *length)
{
    for (; i > 0; i--) {
        list = strchr(list, '|');
        if (!list) return false;
        list++;
    }
    *text = list;
    *length = (int)strcspn(list, "|");
    return true;
}

/* Name number i of a role: every stem with every suffix. False: no more, or too long to be one. */
static bool name_of(const b4c_naming *n, const char *prefix, b4c_role role, b4c_kind kind,
                    int stack, int layer, int i, char out[NAME])
{
    const char *list = stems(n, role, stack);
    if (!list) return false;
    const char *tails = suffixes(n, role, kind), *stem = NULL, *tail = NULL;
    int n_tails = 1, stem_len = 0, tail_len = 0, used;
    for (const char *c = tails; *c; c++) n_tails += *c == '|';
    if (!alternative(list, i / n_tails, &stem, &stem_len)) return false;
    alternative(tails, i % n_tails, &tail, &tail_len);
    const char *mark = memchr(stem, '@', (size_t)stem_len),
               *hash = memchr(stem, '#', (size_t)stem_len);
    if (mark) stem_len = (int)(mark - stem);
    if (hash) {
        int digits = 0;
        while (hash[digits] == '#') digits++;
        const int before = (int)(hash - stem);
        used = snprintf(out, NAME, "%s%.*s%0*d%.*s%.*s", prefix, before, stem, digits, layer,
                        stem_len - before - digits, hash + digits, tail_len, tail);
    } else {
        used = snprintf(out, NAME, "%s%.*s%.*s", prefix, stem_len, stem, tail_len, tail);
    }
    return used < NAME;
}

static const char *prefix_of(const b4c_mapping *m, b4c_role role)
{
    return role >= B4C_ROLE_HEAD_DENSE ? m->head_prefix : m->prefix;
}

static int find(const b4c_mapping *m, const b4c_store *store, b4c_role role, b4c_kind kind,
                int stack, int layer)
{
    char name[NAME];
    int found = -1;
    const bool last = role == B4C_ROLE_HEAD_BIAS && m->untied;
    for (int i = 0; (last || found < 0) && name_of(m->naming, prefix_of(m, role), role, kind, stack,
                                                   layer, i, name);
         i++) {
        const int at = b4c_store_find(store, name);
        if (at >= 0) found = at;
    }
    return found;
}

int b4c_mapping_tensor(const b4c_mapping *m, const b4c_store *store, const b4c_parameter *p)
{
    return find(m, store, p->role, p->kind, p->stack, p->layer);
}

bool b4c_mapping_has(const b4c_mapping *m, const b4c_store *store, b4c_role role, b4c_kind kind)
{
    return find(m, store, role, kind, 0, 0) >= 0;
}

bool b4c_mapping_has_head(const b4c_mapping *m, const b4c_spec *s, const b4c_store *store)
{
    /* the head of a T5 is its decoder's */
    if (s->positions == B4C_POSITION_BUCKETS && !s->decoder_layers) return false;
    if (s->head == B4C_HEAD_TRANSFORM)
        return b4c_mapping_has(m, store, B4C_ROLE_HEAD_DENSE, B4C_KIND_MATRIX);
    return s->tied || b4c_mapping_has(m, store, B4C_ROLE_HEAD_OUT, B4C_KIND_MATRIX);
}

bool b4c_mapping_is_heads(const b4c_mapping *m, const b4c_store *store, int tensor)
{
    static const b4c_role roles[] = { B4C_ROLE_HEAD_DENSE, B4C_ROLE_HEAD_NORM, B4C_ROLE_HEAD_OUT,
                                      B4C_ROLE_HEAD_BIAS };
    static const b4c_kind kinds[] = { B4C_KIND_TABLE, B4C_KIND_MATRIX, B4C_KIND_BIAS,
                                      B4C_KIND_GAIN };
    for (size_t r = 0; r < sizeof roles / sizeof *roles; r++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (find(m, store, roles[r], kinds[k], 0, 0) == tensor) return true;
    return false;
}

const char *b4c_mapping_wanted(const b4c_mapping *m, const b4c_parameter *p, char *out, size_t room)
{
    char name[NAME] = "";
    if (!name_of(m->naming, prefix_of(m, p->role), p->role, p->kind, p->stack, p->layer, 0, name))
        snprintf(name, sizeof name, "%s", b4c_role_name(p->role));
    snprintf(out, room, "%s", name);
    return out;
}

bool b4c_names_any(const b4c_store *store, const char *text)
{
    for (int i = 0; i < store->n; i++)
        if (strstr(store->tensor[i].name, text)) return true;
    return false;
}

/* Bytes of `name` before its ending `tail`, if that ending is whole parts of the name; else -1. */
static int ends_with(const char *name, const char *tail)
{
    const size_t n = strlen(name), t = strlen(tail);
    if (t > n || strcmp(name + n - t, tail) != 0) return -1;
    return n == t || name[n - t - 1] == '.' || name[n - t - 1] == '/' ? (int)(n - t) : -1;
}

int b4c_names_ending(const b4c_store *store, const char *tail)
{
    int found = -1;
    for (int i = 0; i < store->n; i++)
        if (ends_with(store->tensor[i].name, tail) >= 0) {
            if (found >= 0) return -1;
            found = i;
        }
    return found;
}

/* ---- prefixes -------------------------------------------------------------------------------- */

/* "", "bert." and the architecture's own. */
static bool usual(const char *prefix, int length, const char *architecture)
{
    const char *const stems[] = { "bert", architecture };
    for (int i = 0; i < 2; i++)
        if (length == (int)strlen(stems[i]) + 1 &&
            strncmp(prefix, stems[i], (size_t)length - 1) == 0)
            return true;
    return length == 0;
}

/* Prefix of the tensor that ends with the first of a role's names, malloc'ed, or NULL with *rc: 0
 * there is none, else an error. When there are several such tensors, the only one with a usual
 * prefix is meant. */
static char *find_prefix(const b4c_naming *n, const b4c_spec *spec, const b4c_store *store,
                         b4c_role role, b4c_kind kind, int *rc, b4c_error *err)
{
    const char *candidate[2] = { NULL, NULL }, *best = NULL;
    int n_candidates = 0, n_usual = 0, length = 0;
    char tail[NAME];
    *rc = 0;
    for (int a = 0; name_of(n, "", role, kind, 0, 0, a, tail); a++)
        for (int i = 0; i < store->n; i++) {
            const char *name = store->tensor[i].name;
            const int before = ends_with(name, tail);
            if (before < 0 || before > NAME / 2 || (before > 0 && name[before - 1] != n->separator))
                continue;
            if (n_candidates < 2) candidate[n_candidates] = name;
            n_candidates++;
            const bool is_usual = usual(name, before, spec->architecture);
            n_usual += is_usual;
            if (is_usual || !best) {
                best = name;
                length = before;
            }
        }
    if (n_candidates > 1 && n_usual != 1) {
        *rc = b4c_fail(err, B4C_E_FORMAT,
                       "there are several models in this file, such as '%.200s' and '%.200s'; "
                       "which one is wanted cannot "
                       "be guessed, keep one of them",
                       candidate[0], candidate[1]);
        return NULL;
    }
    if (!best) return NULL;
    char *prefix = calloc(1, (size_t)length + 1);
    if (prefix)
        memcpy(prefix, best, (size_t)length);
    else
        *rc = b4c_fail(err, B4C_E_MEMORY, "no memory for a name");
    return prefix;
}

static bool in_list(const char *list, const char *word)
{
    const char *text;
    int length;
    for (int i = 0; alternative(list, i, &text, &length); i++)
        if (length == (int)strlen(word) && !strncmp(text, word, (size_t)length)) return true;
    return false;
}

int b4c_mapping_find(b4c_mapping *m, const b4c_spec *spec, const b4c_store *store, b4c_error *err)
{
    const b4c_naming *first = NULL;
    int rc = 0;
    *m = (b4c_mapping){ .untied = !spec->tied };
    for (int i = 0; i < b4c_namings_count && !m->prefix; i++) {
        const b4c_naming *n = &b4c_namings[i];
        if (!in_list(n->families, spec->architecture)) continue;
        if (!first) first = n;
        m->naming = n;
        m->prefix = find_prefix(n, spec, store, B4C_ROLE_TOKEN, B4C_KIND_TABLE, &rc, err);
        if (rc < 0) return rc;
    }
    if (!m->prefix) {
        char tail[NAME] = "", near[NAME];
        name_of(first, "", B4C_ROLE_TOKEN, B4C_KIND_TABLE, 0, 0, 0, tail);
        return b4c_fail(err, B4C_E_MISSING,
                        "no word embedding: nothing is called '%s', with or without a prefix; "
                        "nearest are %s; is this a "
                        "checkpoint of architecture '%s'?",
                        tail, b4c_names_nearest(store, tail, near, sizeof near),
                        spec->architecture);
    }
    const b4c_role head = m->naming->stem[B4C_ROLE_HEAD_DENSE] ? B4C_ROLE_HEAD_DENSE
                                                               : B4C_ROLE_HEAD_OUT;
    if (m->naming->stem[head])
        m->head_prefix = find_prefix(m->naming, spec, store, head, B4C_KIND_MATRIX, &rc, err);
    if (!m->head_prefix && rc == 0) m->head_prefix = calloc(1, 1);
    if (m->head_prefix) return 0;
    b4c_mapping_done(m);
    return rc < 0 ? rc : b4c_fail(err, B4C_E_MEMORY, "no memory for a name");
}

int b4c_mapping_hub(b4c_mapping *m, const b4c_spec *spec, b4c_error *err)
{
    char prefix[NAME];
    *m = (b4c_mapping){ 0 };
    for (int i = 0; i < b4c_namings_count && !m->naming; i++)
        if (strncmp(b4c_namings[i].name, "hub", 3) == 0 &&
            in_list(b4c_namings[i].families, spec->architecture))
            m->naming = &b4c_namings[i];
    if (!m->naming)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the hub has no layout for architecture '%s'",
                        spec->architecture);
    snprintf(prefix, sizeof prefix, "%s.", spec->architecture);
    m->prefix = strdup(m->naming->prefix ? m->naming->prefix : prefix);
    m->head_prefix = calloc(1, 1);
    if (m->prefix && m->head_prefix) return 0;
    b4c_mapping_done(m);
    return b4c_fail(err, B4C_E_MEMORY, "no memory for a name");
}

const char *b4c_mapping_new_name(const b4c_mapping *m, const b4c_spec *spec,
                                 const b4c_parameter *p, char *out, size_t room)
{
    char name[NAME];
    /* Where stems differ within a family, the second is GPT's, and of T5 what is not gated. */
    const bool second = strcmp(spec->architecture, "openai-gpt") == 0
                            ? p->role == B4C_ROLE_TOKEN || p->role == B4C_ROLE_POSITION
                            : p->role == B4C_ROLE_UP && !spec->gated &&
                                  spec->positions == B4C_POSITION_BUCKETS;
    if (second && name_of(m->naming, prefix_of(m, p->role), p->role, p->kind, p->stack, p->layer, 1,
                          name)) {
        snprintf(out, room, "%s", name);
        return out;
    }
    return b4c_mapping_wanted(m, p, out, room);
}

void b4c_mapping_done(b4c_mapping *m)
{
    free(m->prefix);
    free(m->head_prefix);
    *m = (b4c_mapping){ 0 };
}

bool b4c_name_is_known_extra(const char *name)
{
    static const char *const parts[] = { "position_ids",
                                         "embed_positions",
                                         "seq_relationship",
                                         "sop_classifier",
                                         "global_step",
                                         "adam_m",
                                         "adam_v",
                                         "/Adam",
                                         "beta1_power",
                                         "beta2_power",
                                         "predictions.decoder.weight",
                                         ".weight_scale",
                                         ".weight_columns",
                                         ".weight_offset",
                                         ".weight_shape",
                                         "_CHECKPOINTABLE_OBJECT_GRAPH",
                                         ".OPTIMIZER_SLOT/",
                                         "optimizer/",
                                         "save_counter/" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i])) return true;
    return false;
}

/* ---- nearest names --------------------------------------------------------------------------- */

const char *b4c_names_nearest(const b4c_store *store, const char *name, char *out, size_t room)
{
    int best[NEAREST], cost[NEAREST], n = 0;
    for (int i = 0; i < store->n && i < COMPARED_NAMES; i++) {
        int at = n, e = b4c_edits(name, store->tensor[i].name);
        while (at > 0 && cost[at - 1] > e) at--;
        if (at == NEAREST) continue;
        if (n < NEAREST) n++;
        for (int j = n - 1; j > at; j--) {
            best[j] = best[j - 1];
            cost[j] = cost[j - 1];
        }
        best[at] = i;
        cost[at] = e;
    }
    size_t used = (size_t)snprintf(out, room, "%s", n ? "" : "none: the file is empty");
    for (int i = 0; i < n && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s'%.100s'", i ? ", " : "",
                                 store->tensor[best[i]].name);
    return out;
}
