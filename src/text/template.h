/* template.h - the special tokens around a text or a pair. */
#ifndef B4C_TEXT_TEMPLATE_H
#define B4C_TEXT_TEMPLATE_H
#include <stdbool.h>
#include <stdint.h>

#define B4C_TEMPLATE_MOST 16
#define B4C_TEMPLATE_A (-1)
#define B4C_TEMPLATE_B (-2)

typedef struct b4c_template_part {
    int32_t what;            /* an id, or A, B */
    int32_t segment;
} b4c_template_part;

/* A stands before B; B only in the pair's. */
typedef struct b4c_template {
    int n;
    b4c_template_part part[B4C_TEMPLATE_MOST];
    bool missing;            /* a token around the text is none: the template cannot be used */
} b4c_template;

/* What stands around a text where no file spells a template out. */
typedef enum b4c_around {
    B4C_AROUND_CLS_SEP,      /* [CLS] a [SEP] b [SEP] */
    B4C_AROUND_NOTHING,
    B4C_AROUND_END,          /* a </s> b </s> */
    B4C_AROUND_ONE_END,      /* a b </s> */
    B4C_AROUND_BOS,          /* <s> a </s> <s> b </s>, either where it is wanted */
    B4C_AROUND_ROBERTA       /* <s> a </s> </s> b </s> */
} b4c_around;

/* pair: of two texts. first, last: ids of [CLS] or <s>, [SEP] or </s>; -1: there is none, which is
 * `missing` but for BOS, where it is then not wanted. */
b4c_template b4c_template_make(b4c_around, int first, int last, bool pair);
#endif
