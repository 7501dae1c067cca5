/* classes.h - what a folder's configuration says of a classifier of whole texts, or of pairs.
 *
 *     "architectures": ["BertForSequenceClassification"], "id2label": {"0": NAME, ...},
 *     "label2id": {NAME: 0, ...}                                       the hub's
 *     "bert4c_classifier_pooling": "tanh"                              ours: which vector it reads
 *
 * The hub's names tell its library what to compute, so they stand there only where it computes the
 * same: from the pooler with its tanh. Of pairs [u, v, |u - v|] it knows nothing; they are told by
 * the classifier's columns, three times the width.
 */
#ifndef B4C_MODEL_CLASSES_H
#define B4C_MODEL_CLASSES_H
#include "base/json.h"
#include "model/names.h"

typedef struct b4c_classes {
    bool said;               /* "classifier" is of whole texts: of tokens or choices it is not */
    b4c_pooling pooling;     /* AUTO: not said */
    json_t *name;            /* id2label, an object of texts, or NULL */
} b4c_classes;

/* The object in it is borrowed from the configuration. */
int b4c_classes_read(b4c_classes *, const json_t *config, const char *where, b4c_error *);
/* The name of class i, malloc'ed: id2label's, else its number. NULL: no memory. */
char *b4c_classes_name(const b4c_classes *, int i);

/* The classifier that a checkpoint has, into the options: [classes, width or 3 width]. */
void b4c_classes_find(const b4c_mapping *, const b4c_store *, const b4c_spec *,
                      b4c_network_options *);

/* Does the hub's library have a classifier of texts that reads so? */
bool b4c_classes_of_hub(const b4c_spec *, b4c_pooling);
/* Say all of it in a configuration. labels: a list of `classes` texts; NULL: their numbers. */
void b4c_classes_write(json_t *config, const b4c_spec *, int classes, const json_t *labels,
                       bool of_pairs, b4c_pooling);
#endif
