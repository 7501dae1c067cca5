/* namings.h - what checkpoints call the parameters, as data.
 *
 * A name is prefix + stem + suffix. The stem belongs to the role, the suffix to the kind (weight,
 * bias, gain), the prefix to the file. Alternatives are separated by '|' and tried in order. In a
 * stem '#' stands for the layer ("###": three digits), and "@0", "@1", "@2" behind it for the
 * first, second and third part of a tensor that holds query, key and value side by side.
 */
#ifndef B4C_MODEL_NAMINGS_H
#define B4C_MODEL_NAMINGS_H
#include "model/names.h"

struct b4c_naming {
    const char *name;
    const char *families; /* architectures, "a|b" */
    char separator;
    const char *prefix;      /* of a new checkpoint; NULL: the architecture's name */
    bool in_out;                                      /* matrices are stored [in, out] */
    bool head_in_out;                                 /* the head's matrix too */
    bool paired;         /* rows of queries and keys are for rotary positions by neighbours */
    bool buckets_turned;                              /* T5's table is [heads, buckets] */
    const char *table, *matrix, *bias, *gain, *shift; /* suffixes; gain and shift: a norm's */
    const char *stem[B4C_ROLES];
    const char *second[B4C_ROLES]; /* of the decoder, where there are two stacks */
};

extern const b4c_naming b4c_namings[];
extern const int b4c_namings_count;
#endif
