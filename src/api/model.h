/* model.h - what stands behind b4c_model and b4c_session. */
#ifndef B4C_API_MODEL_H
#define B4C_API_MODEL_H
#include "api/habits.h"
#include "embed/settings.h"
#include "embed/texts.h"
#include "model/classes.h"
#include "model/format/store.h"
#include "model/load.h"

struct b4c_model {
    b4c_network net;
    b4c_store store;             /* open only where the network reads from its files */
    b4c_loaded loaded;
    b4c_tokenizer *tokenizer;    /* NULL: weights only */
    b4c_tokenizer_info tokens;
    b4c_embed_settings settings;
    b4c_dense dense[B4C_DENSE_MOST];   /* [info.dense_steps] */
    b4c_habits habits;
    b4c_pooling class_pooling;   /* of what the network's classifier reads */
    char **label;                /* [net.classes] their names */
    b4c_model_info info;
    char *report;                /* JSON */
};

struct b4c_session {
    const b4c_model *model;
    b4c_crew crew;
    b4c_reader reader;
    b4c_encode_stats stats;
};

/* Are tokens and lengths of sequences end to end in range? */
int b4c_check_ids(const b4c_spec *, const int32_t *ids, const int32_t *segments,
                  const int *lengths, int n, b4c_error *);
#endif
