/* spec.h - an architecture as data.
 *
 * BERT, RoFormer, NEZHA, ALBERT, GPT, T5, BART and LLaMA differ in the choices below and in nothing
 * else; one block (block.c) runs them all. Adding an architecture is a row in config.c and a table
 * of names in names.c. What would need a new `if` in the block needs a new field here first.
 */
#ifndef B4C_MODEL_SPEC_H
#define B4C_MODEL_SPEC_H
#include "math/kernels.h"

typedef enum b4c_position_kind {
    B4C_POSITION_NONE,
    B4C_POSITION_LEARNED,    /* a table, row position + position_offset */
    B4C_POSITION_SINUSOIDAL, /* the same, computed */
    B4C_POSITION_ROTARY,     /* queries and keys turned by their position */
    B4C_POSITION_BUCKETS,    /* T5: a learned score for each bucket of distances and head */
    B4C_POSITION_NEZHA       /* fixed sinusoids of the clipped distance, added to keys and values */
} b4c_position_kind;

typedef enum b4c_head_kind {
    B4C_HEAD_PLAIN,          /* logits = W x (+ bias) */
    B4C_HEAD_TRANSFORM       /* logits = W norm(act(D x + b)) + bias: BERT's masked-LM head */
} b4c_head_kind;

typedef struct b4c_spec {
    const char *architecture;                  /* "bert", "roformer", ...; static */

    int vocabulary, width;
    int embedding_width;                       /* other than width: factorised, with a projection */
    bool always_projects;                      /* the hub's ALBERT: also where the two are equal */
    int heads, kv_heads, head_size, inner;     /* head_size is not always width / heads */
    int layers;                                /* of the encoder, or of the only stack */
    int decoder_layers;                        /* of a second stack that sees the first; 0: none */
    int segments;                              /* rows of the segment table; 0: none */
    bool shared_layers;                        /* all layers are one (ALBERT) */
    double embedding_scale;

    b4c_position_kind positions;
    int max_positions;                         /* longest sequence; 0: no limit */
    int position_offset;                       /* LEARNED, SINUSOIDAL: BART's 2 */
    bool position_halves;                      /* ROTARY: i turns with i + d/2; SINUSOIDAL: sines,
                                                * then cosines. Else neighbours */
    bool rotate_values;                        /* ROTARY: values too */
    double rotary_base;
    int buckets, bucket_distance;              /* BUCKETS, and the distance where they become one */
    bool cross_bias;                           /* the decoder's BUCKETS in cross-attention too */
    int relative_max;                          /* NEZHA: distances are clipped to this */

    b4c_norm_kind norm;
    bool norm_gain, norm_bias;
    double eps;
    bool pre_norm;                             /* x + f(norm(x)), else norm(x + f(x)) */
    bool embedding_norm, final_norm;

    b4c_act act;
    bool gated;                                /* act(gate(x)) * up(x), else act(up(x)) */
    bool scaled;                               /* scores divided by sqrt(head_size) */
    bool qkv_bias, out_bias, ffn_bias;         /* out: of the product after attention */
    bool causal;                               /* the only stack is a decoder */

    bool pooler;                               /* the family knows a pooler; a file may lack it */
    b4c_head_kind head;
    b4c_act head_act;
    bool tied;                                 /* the head's matrix is the token table */
    bool head_bias;
    double output_scale;                       /* on the head's input */
} b4c_spec;

/* Does a product stand between embeddings and layers? */
static inline bool b4c_spec_projects(const b4c_spec *s)
{
    return s->always_projects || s->embedding_width != s->width;
}
/* Is every number in range and does every pair fit? The message names `where` and the field. */
int b4c_spec_check(const b4c_spec *, const char *where, b4c_error *);
#endif
