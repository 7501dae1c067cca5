/* spec.c - what makes a b4c_spec sound.
 *
 * The idea: everything after this file may trust a spec's numbers. So products of any two of them
 * fit an int, and choices that exclude one another are refused here, with the field's name.
 */
#include "model/spec.h"
#include "base/error.h"
#include <math.h>

typedef struct bound { const char *field; int value, low, high; } bound;

int b4c_spec_check(const b4c_spec *s, const char *where, b4c_error *err)
{
    const bound bounds[] = {
        { "vocabulary", s->vocabulary, 1, 1 << 24 },
        { "hidden size", s->width, 1, 1 << 16 },
        { "embedding size", s->embedding_width, 1, 1 << 16 },
        { "number of heads", s->heads, 1, 1 << 10 },
        { "number of key and value heads", s->kv_heads, 1, s->heads },
        { "head size", s->head_size, 1, 1 << 10 },
        { "inner size", s->inner, 1, 1 << 18 },
        { "number of layers", s->layers, 1, 1 << 10 },
        { "number of decoder layers", s->decoder_layers, 0, 1 << 10 },
        { "number of segments", s->segments, 0, 1 << 16 },
        { "number of positions", s->max_positions, 0, 1 << 22 },
        { "position offset", s->position_offset, 0, 1 << 10 },
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (bounds[i].value < bounds[i].low || bounds[i].value > bounds[i].high)
            return b4c_fail(err, B4C_E_FORMAT, "%s: %s is %d, wanted %d to %d", where,
                            bounds[i].field, bounds[i].value, bounds[i].low, bounds[i].high);

    if (s->heads % s->kv_heads)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: %d heads cannot share %d key and value heads evenly", where, s->heads,
                        s->kv_heads);
    if (!(s->eps > 0 && s->eps < 1))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: the norm's epsilon is %g, wanted more than 0 and less than 1", where,
                        s->eps);
    if (!isfinite(s->embedding_scale) || !isfinite(s->output_scale))
        return b4c_fail(err, B4C_E_FORMAT, "%s: a scale is not a number", where);

    const bool table = s->positions == B4C_POSITION_LEARNED ||
                       s->positions == B4C_POSITION_SINUSOIDAL;
    if ((table || s->positions == B4C_POSITION_ROTARY) && s->max_positions == 0)
        return b4c_fail(err, B4C_E_FORMAT, "%s: the number of positions is missing", where);
    if ((s->positions == B4C_POSITION_ROTARY || s->positions == B4C_POSITION_NEZHA) &&
        s->head_size % 2)
        return b4c_fail(err, B4C_E_FORMAT, "%s: head size %d is odd, these positions work on pairs",
                        where, s->head_size);
    if (s->positions == B4C_POSITION_ROTARY && !(s->rotary_base >= 1 && s->rotary_base < 1e12))
        return b4c_fail(err, B4C_E_FORMAT, "%s: the rotary base is %g, wanted 1 to 1e12", where,
                        s->rotary_base);
    if (s->positions == B4C_POSITION_BUCKETS &&
        (s->buckets < 4 || s->buckets > 4096 || s->bucket_distance <= s->buckets / 2))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: %d buckets up to distance %d, wanted 4 to 4096 buckets and a distance "
                        "over half of them",
                        where, s->buckets, s->bucket_distance);
    if (s->positions == B4C_POSITION_NEZHA && (s->relative_max < 1 || s->relative_max > 4096))
        return b4c_fail(err, B4C_E_FORMAT, "%s: distances are clipped to %d, wanted 1 to 4096",
                        where, s->relative_max);
    if (s->tied && s->head == B4C_HEAD_PLAIN && s->embedding_width != s->width)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: the head is tied to embeddings of size %d, but the hidden size is %d",
                        where, s->embedding_width, s->width);
    return 0;
}
