/* settings.h - what a model's files say about sentence vectors, in sentence-transformers's layout.
 *
 * modules.json names the steps (transformer, pooling, normalisation), 1_Pooling/config.json the
 * pooling, sentence_bert_config.json the length, config_sentence_transformers.json the prompts and
 * how many components count. All are optional; what they do not say stays unsaid, nothing is
 * guessed.
 */
#ifndef B4C_EMBED_SETTINGS_H
#define B4C_EMBED_SETTINGS_H
#include "base/json.h"
#include "math/kernels.h"

/* A dense step, dense.h. */
typedef struct b4c_dense_settings {
    char *folder;
    int in, out;
    bool bias;
    b4c_act act;
} b4c_dense_settings;
enum { B4C_DENSE_MOST = 4 };

typedef struct b4c_embed_settings {
    b4c_pooling pooling;     /* AUTO: not said */
    bool normalize;
    int max_length;          /* 0: not said */
    int dim;                 /* components that count, the first ones; 0: not said */
    bool lower_case;         /* text is lower-cased, whatever the tokenizer's files say */
    bool without_prompt;     /* the prompt's tokens do not count in the pooling */
    char *folder;            /* where the transformer's files are */
    b4c_dense_settings dense[B4C_DENSE_MOST];   /* behind the pooling, before normalising */
    int n_dense;
    char *unsupported;       /* a step that bert4c does not do, as a sentence; NULL: none */
    json_t *prompts;         /* name -> text, or NULL */
    const char *prompt;      /* the default one, in `prompts`, or NULL */
} b4c_embed_settings;

int  b4c_embed_settings_read(b4c_embed_settings *, const char *folder, b4c_error *);
void b4c_embed_settings_done(b4c_embed_settings *);
#endif
