/* template.c - see template.h. */
#include "text/template.h"

static void put(b4c_template *t, int32_t what, int segment)
{
    t->part[t->n++] = (b4c_template_part){ what, segment };
}

/* A special token. */
static void put_id(b4c_template *t, int id, int segment)
{
    if (id < 0) t->missing = true;
    else put(t, id, segment);
}

static void put_wanted(b4c_template *t, int id, int segment)
{
    if (id >= 0) put(t, id, segment);
}

b4c_template b4c_template_make(b4c_around around, int first, int last, bool pair)
{
    b4c_template t = { 0 };
    const bool roberta = around == B4C_AROUND_ROBERTA;
    const bool cls = around == B4C_AROUND_CLS_SEP || roberta, bos = around == B4C_AROUND_BOS;
    const bool ends = cls || around == B4C_AROUND_END;
    /* these tell the texts of a pair apart */
    const int second = around == B4C_AROUND_CLS_SEP || bos || around == B4C_AROUND_NOTHING;
    if (cls) put_id(&t, first, 0);
    if (bos) put_wanted(&t, first, 0);
    put(&t, B4C_TEMPLATE_A, 0);
    if (ends) put_id(&t, last, 0);
    if (bos) put_wanted(&t, last, 0);
    if (pair) {
        if (roberta) put_id(&t, last, 0);
        if (bos) put_wanted(&t, first, second);
        put(&t, B4C_TEMPLATE_B, second);
        if (ends) put_id(&t, last, second);
        if (bos) put_wanted(&t, last, second);
    }
    if (around == B4C_AROUND_ONE_END) put_id(&t, last, 0);
    return t;
}
