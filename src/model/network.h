/* network.h - the weights of a spec, and the list of its parameters.
 *
 * The one idea: everything that walks over weights (loading, counting, random initialisation, later
 * saving and optimising) walks over one list of parameters, made from the spec. A parameter knows
 * what it is (role, stack, layer), its shape in the hub's orientation [out, in], and the place in
 * the network that it fills. Query, key and value are three parameters of one packed weight.
 *
 *     ids ─► token + segment + position ─► norm ─► projection ─► block × layers ─► final norm ─►
 *     rows ─► head ─► logits
 */
#ifndef B4C_MODEL_NETWORK_H
#define B4C_MODEL_NETWORK_H
#include "model/spec.h"
#include "tape/ops.h"

typedef struct b4c_attention_weights {
    b4c_weight qkv;          /* query, key, value side by side [(heads + 2 kv_heads) d, width];
                              * cross: query alone */
    b4c_weight kv;           /* cross only: key, value of the memory */
    b4c_weight out;          /* [width, heads d] */
    b4c_norm norm;
} b4c_attention_weights;

typedef struct b4c_block {
    b4c_attention_weights self, cross;
    b4c_weight up, gate, down;
    b4c_norm norm;           /* of the feed-forward */
} b4c_block;

typedef struct b4c_stack {
    int layers;              /* how often a block runs */
    int blocks;              /* how many there are: layers, or 1 when they are shared */
    b4c_block *block;
    b4c_table position;      /* LEARNED, SINUSOIDAL: [max_positions + offset, embedding width] */
    b4c_norm embedding_norm, final_norm;
    b4c_array buckets;       /* BUCKETS: [buckets, heads] */
    bool both_ways;          /* BUCKETS: an encoder's */
} b4c_stack;

/* Of b4c_block_new. */
typedef struct b4c_network_piece { void *data; size_t bytes; } b4c_network_piece;

typedef struct b4c_network {
    b4c_spec spec;
    b4c_dtype dtype;         /* of the packed weights: F32, BF16, I8, I4 (but head_out: I8) */
    bool groups;             /* int8 ones whose rows come in groups: decoders' (network.c) */
    b4c_table token, segment;
    b4c_weight project;      /* embedding width -> width, where they differ */
    b4c_stack encoder, decoder;      /* decoder.layers 0: none */
    bool has_pooler, has_head;
    b4c_weight pooler;
    b4c_weight head_dense;           /* HEAD_TRANSFORM */
    b4c_norm head_norm;
    b4c_weight head_out;             /* [vocabulary, embedding width or width] */
    b4c_weight classifier;           /* [classes, features]; classes 0: none. F32 but in training */
    int classes;
    b4c_rotary rotary;               /* ROTARY: tables up to max_positions */
    b4c_real *relative;              /* NEZHA: [2 * relative_max + 1, head_size] */
    int64_t parameters;
    size_t bytes;                    /* that the weights take, tables in mapped files included */
    b4c_network_piece *piece;        /* all that it owns */
    int pieces;
    size_t left;                     /* bytes of the last piece that nobody has taken */
    bool trained;
} b4c_network;

/* ---- parameters ------------------------------------------------------------------------------ */

typedef enum b4c_role {
    B4C_ROLE_TOKEN, B4C_ROLE_SEGMENT, B4C_ROLE_POSITION, B4C_ROLE_EMBEDDING_NORM, B4C_ROLE_PROJECT,
    B4C_ROLE_QUERY, B4C_ROLE_KEY, B4C_ROLE_VALUE, B4C_ROLE_OUT, B4C_ROLE_SELF_NORM,
    B4C_ROLE_CROSS_QUERY, B4C_ROLE_CROSS_KEY, B4C_ROLE_CROSS_VALUE, B4C_ROLE_CROSS_OUT,
    B4C_ROLE_CROSS_NORM, B4C_ROLE_UP, B4C_ROLE_GATE, B4C_ROLE_DOWN, B4C_ROLE_FFN_NORM,
    B4C_ROLE_BUCKETS, B4C_ROLE_FINAL_NORM, B4C_ROLE_POOLER, B4C_ROLE_HEAD_DENSE,
    B4C_ROLE_HEAD_NORM, B4C_ROLE_HEAD_OUT, B4C_ROLE_HEAD_BIAS, B4C_ROLE_CLASSIFIER,
    B4C_ROLES
} b4c_role;

typedef enum b4c_kind { B4C_KIND_TABLE, B4C_KIND_MATRIX, B4C_KIND_GAIN, B4C_KIND_BIAS } b4c_kind;

typedef struct b4c_parameter {
    b4c_role role;
    b4c_kind kind;
    int stack, layer;        /* 0 encoder, 1 decoder; layer of the stack. 0 where neither applies */
    int rows, cols;          /* [out, in]; vectors [1, n] */
    b4c_table *table;        /* TABLE but BUCKETS */
    b4c_weight *weight;      /* MATRIX: rows at .. at + rows - 1 */
    b4c_array *array;        /* GAIN, BIAS, BUCKETS: columns at .. at + cols - 1 */
    int at;
    bool missing;            /* b4c_network_load: no tensor was there for it, so it is zero */
} b4c_parameter;

typedef struct b4c_parameters { b4c_parameter *item; int n, room; bool failed; } b4c_parameters;

/* ---- a network's life ------------------------------------------------------------------------ */

typedef struct b4c_network_options {
    b4c_dtype dtype;         /* F32, BF16, I8, I4 */
    bool pooler, head;       /* make room for these */
    int classes, class_cols; /* a classifier [classes, class_cols]; 0: none */
    bool class_bias;
    bool trained;            /* F32 or BF16 with masters and gradient slots instead of panels;
                              * tables are real */
    bool tables_apart;       /* the caller will point token.real at memory of its own */
} b4c_network_options;

/* Everything allocated and zero (gains too); computed tables filled. Lists the parameters in `list`
 * (b4c_parameters_done frees it), which may be NULL. On failure the network is empty. */
int b4c_network_init(b4c_network *, const b4c_spec *, const b4c_network_options *,
                     b4c_parameters *list, b4c_error *);
void b4c_network_done(b4c_network *);
void b4c_parameters_done(b4c_parameters *);

/* 64-byte aligned zeroed memory that dies with the network. NULL: none left. */
void *b4c_network_take(b4c_network *, size_t bytes);

/* Write `rows` rows of a parameter from row `first` on: into tables, panels (and masters), arrays.
 * x [rows, cols] of the parameter. */
void b4c_parameter_write(const b4c_parameter *, int first, int rows, const b4c_real *x);

/* The same with random weights: matrices normal with standard deviation `spread` / sqrt(in), gains
 * near 1, biases and tables near 0. */
int b4c_network_random(b4c_network *, const b4c_spec *, const b4c_network_options *, double spread,
                       uint64_t seed, b4c_parameters *list, b4c_error *);
#endif
