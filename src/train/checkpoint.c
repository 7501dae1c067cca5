/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"
#include "base/error.h"
#include "model/format/safetensors_write.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 2, KINDS = 4, NAME = 24, BLOCK = 1 << 14 };

static const char *const kinds[KINDS] = { "x", "m", "v", "ema" };

/* Made from LoRA's factors and the source's weights. */
static bool is_sum(const b4c_learner *l, const b4c_leaf *f)
{
    if (f - l->leaves.item >= l->leaves.parameters) return false;
    for (int i = 0; i < l->leaves.lora.n; i++)
        if (l->leaves.lora.of[i] == f->p) return true;
    return false;
}

/* Numbers of a leaf: real, or bf16 (half); both NULL: there are none. */
typedef struct values {
    b4c_real *real;
    uint16_t *half;
} values;

static values values_of(const b4c_learner *l, const b4c_leaf *f, int kind)
{
    const b4c_optimiser *o = &l->optimiser;
    b4c_real *const state[KINDS] = { NULL, o->m, o->v, o->ema };
    uint16_t *const half[KINDS] = { NULL, o->half_m, o->half_v, NULL };
    values x = { NULL, NULL };
    if (kind == 0) {
        if (!is_sum(l, f)) x.real = f->x;
    } else if (b4c_leaf_learns(f)) {
        if (state[kind]) x.real = state[kind] + f->at;
        if (half[kind]) x.half = half[kind] + f->at;
    }
    return x;
}

static b4c_stored_type stored_type(values x)
{
    return x.half ? B4C_STORED_BF16 : x.real ? B4C_STORED_F32 : B4C_STORED_U8;
}

/* ---- state ----------------------------------------------------------------------------------- */

static json_t *state_json(const b4c_learner *l, const b4c_standing *s, const json_t *recipe)
{
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:I, s:i, s:O}",
                     "version", VERSION, "step", (json_int_t)s->step,
                     "updates", (json_int_t)l->optimiser.t,
                     "record", (json_int_t)s->place.record, "inside", (json_int_t)s->place.inside,
                     "best", isfinite(s->best) ? json_real(s->best) : json_null(),
                     "best_step", (json_int_t)s->best_step, "log_bytes", (json_int_t)s->log_bytes,
                     "loss", isfinite(s->loss) ? s->loss : 0.0, "tokens", (json_int_t)s->tokens,
                     "batches", s->batches, "recipe", recipe);
}

static int read_state(const json_t *o, b4c_learner *l, b4c_standing *s, const char *path,
                      b4c_error *err)
{
    const long long most = (long long)1 << 62;
    struct {
        const char *key;
        long long value;
    } n[] = { { "version", 0 }, { "step", 0 },      { "updates", 0 },   { "record", 0 },
              { "inside", 0 },  { "best_step", 0 }, { "log_bytes", 0 }, { "tokens", 0 },
              { "batches", 0 } };
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        const int found = b4c_json_int(o, n[i].key, 0, most, &n[i].value, path, err);
        if (found < 0) return found;
        if (!found)
            return b4c_fail(err, B4C_E_FORMAT, "%s: the state has no \"%s\"", path, n[i].key);
    }
    if (n[0].value != VERSION)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: a checkpoint of version %lld, wanted %d", path,
                        n[0].value, VERSION);
    *s = (b4c_standing){ .step = n[1].value,
                         .place = { (uint64_t)n[3].value, (uint64_t)n[4].value },
                         .best = NAN,
                         .best_step = n[5].value,
                         .log_bytes = n[6].value,
                         .batches = (int)n[8].value,
                         .tokens = n[7].value };
    l->optimiser.t = n[2].value;
    B4C_TRY(b4c_json_real(o, "best", &s->best, path, err));
    const int rc = b4c_json_real(o, "loss", &s->loss, path, err);
    return rc < 0 ? rc : 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct part {
    char name[NAME];
    values x;                /* none: the state */
    size_t n;
} part;

static int put(b4c_safetensors_out *out, const part *p, const char *state, b4c_error *err)
{
    float buffer[1024];
    if (p->x.half) return b4c_safetensors_put_raw(out, p->x.half, p->n, err);
    if (!p->x.real) return b4c_safetensors_put_raw(out, state, p->n, err);
    if (sizeof(b4c_real) == sizeof(float))
        return b4c_safetensors_put(out, (const float *)(const void *)p->x.real, p->n, err);
    for (size_t at = 0; at < p->n;) {
        size_t k = 0;
        for (; k < sizeof buffer / sizeof *buffer && at < p->n; k++)
            buffer[k] = (float)p->x.real[at++];
        B4C_TRY(b4c_safetensors_put(out, buffer, k, err));
    }
    return 0;
}

/* All parts, the state last; returns how many. */
static int list_parts(const b4c_learner *l, part *all, size_t state_bytes)
{
    int n = 0;
    for (int i = 0; i < l->leaves.n; i++)
        for (int k = 0; k < KINDS; k++) {
            const values x = values_of(l, &l->leaves.item[i], k);
            if (!x.real && !x.half) continue;
            snprintf(all[n].name, NAME, "%s.%d", kinds[k], i);
            all[n].x = x;
            all[n++].n = l->leaves.item[i].n;
        }
    snprintf(all[n].name, NAME, "state");
    all[n].n = state_bytes;
    return n + 1;
}

int b4c_checkpoint_write(const char *path, const b4c_learner *l, const b4c_standing *s,
                         const json_t *recipe, b4c_error *err)
{
    b4c_safetensors_out out = { 0 };
    json_t *state = state_json(l, s, recipe);
    char *text = state ? json_dumps(state, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    const size_t room = (size_t)l->leaves.n * KINDS + 1;
    part *all = calloc(room, sizeof *all);
    b4c_tensor_out *tensor = calloc(room, sizeof *tensor);
    int n = 0;
    int rc = text && all && tensor ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory", path);
    if (rc == 0) n = list_parts(l, all, strlen(text));
    for (int i = 0; i < n; i++)
        tensor[i] = (b4c_tensor_out){ .name = all[i].name,
                                      .type = stored_type(all[i].x),
                                      .rank = 1,
                                      .shape = { (int64_t)all[i].n },
                                      .tag = &all[i] };
    if (rc == 0) rc = b4c_safetensors_begin(&out, path, tensor, n, err);
    for (int i = 0; rc == 0 && i < n; i++) rc = put(&out, tensor[i].tag, text, err);
    if (rc == 0) rc = b4c_safetensors_commit(&out, err);
    b4c_safetensors_drop(&out);
    free(tensor);
    free(all);
    free(text);
    json_decref(state);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_values(const b4c_store *store, const char *name, values to, size_t n,
                       const char *path, b4c_error *err)
{
    const int i = b4c_store_find(store, name);
    const b4c_stored_type type = stored_type(to);
    b4c_real *x = to.real;
    if (i < 0 || store->tensor[i].type != type || store->tensor[i].rank != 1 ||
        store->tensor[i].shape[0] != (int64_t)n)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: '%s' is %s, wanted %zu numbers; is this checkpoint of another model?",
                        path, name, i < 0 ? "missing" : "of another shape or type", n);
    if (to.half) {
        memcpy(to.half, store->tensor[i].data, n * sizeof *to.half);
        return 0;
    }
    if (sizeof(b4c_real) == sizeof(float))
        return b4c_store_read(store, i, 0, 1, (float *)(void *)x, err);
    float *one = malloc(n * sizeof *one + 1);
    int rc = one ? b4c_store_read(store, i, 0, 1, one, err)
                 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory", path);
    for (size_t k = 0; rc == 0 && k < n; k++) x[k] = (b4c_real)one[k];
    free(one);
    return rc;
}

static json_t *find_state(const b4c_store *store, const char *path, b4c_error *err)
{
    const int i = b4c_store_find(store, "state");
    if (i < 0 || store->tensor[i].type != B4C_STORED_U8 || store->tensor[i].rank != 1) {
        b4c_fail(err, B4C_E_FORMAT, "%s: this is no checkpoint of a training", path);
        return NULL;
    }
    return b4c_json_parse((const char *)store->tensor[i].data, (size_t)store->tensor[i].shape[0],
                          path, err);
}

int b4c_checkpoint_read(const char *path, b4c_learner *l, b4c_standing *s, json_t **recipe,
                        b4c_error *err)
{
    b4c_store store = { 0 };
    json_t *state = NULL;
    *recipe = NULL;
    int rc = b4c_store_open(&store, path, err);
    if (rc == 0) {
        state = find_state(&store, path, err);
        rc = state ? read_state(state, l, s, path, err) : B4C_E_FORMAT;
    }
    for (int i = 0; rc == 0 && i < l->leaves.n; i++)
        for (int k = 0; rc == 0 && k < KINDS; k++) {
            char name[NAME];
            const values x = values_of(l, &l->leaves.item[i], k);
            snprintf(name, sizeof name, "%s.%d", kinds[k], i);
            if (x.real || x.half) rc = read_values(&store, name, x, l->leaves.item[i].n, path, err);
        }
    if (rc == 0) {
        *recipe = json_incref(json_object_get(state, "recipe"));
        b4c_lora_sum(&l->leaves.lora, l->pool);
    }
    json_decref(state);
    b4c_store_close(&store);
    return rc;
}
