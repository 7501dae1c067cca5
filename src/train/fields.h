/* fields.h - what a record says, by the roles of its task: texts in their order, and a label.
 *
 *     task                               texts                                 label
 *     lm mlm denoise pseudo_summary      text
 *     simcse                             text
 *     classify                           text, or text and pair                yes
 *     seq2seq                            source, target
 *     roformer_sim_ft cosent pairs       a, b                                  yes
 *     simbert roformer_sim distil        text and all synonyms
 *     infonce                            anchor, positive and all negatives
 *
 * A text file's record is its only text. TSV has the roles in columns 1, 2, ... in the order above,
 * with the list last, as many columns as there are; JSONL has them in keys of these names, the list
 * as an array of strings or one string. "fields" of the data say otherwise: a column's number, or
 * the name in the header; a key's name.
 */
#ifndef B4C_TRAIN_FIELDS_H
#define B4C_TRAIN_FIELDS_H
#include "base/json.h"
#include "train/corpus.h"
#include "train/task.h"

enum { B4C_FIELD_TEXTS = 256, B4C_FIELD_ROLES = 3 };

/* Where one file has each role. */
typedef struct b4c_fields {
    b4c_task_kind task;
    b4c_data_format format;
    const char *key[B4C_FIELD_ROLES];   /* JSONL; NULL: the role is not there */
    int column[B4C_FIELD_ROLES];        /* TSV, from 0; -1: not there */
    bool by_name;                       /* TSV: the header's names say the columns */
} b4c_fields;

typedef struct b4c_data_record {
    b4c_span text[B4C_FIELD_TEXTS];
    int n;                   /* further texts of a list are left out */
    bool has_label, label_is_text;
    double label;
    b4c_span label_text;     /* as it stands in the file */
    json_t *json;            /* owns texts of JSONL */
} b4c_data_record;

/* said: the data's "fields" object or NULL; its texts must live as long. */
int b4c_fields_init(b4c_fields *, b4c_task_kind, b4c_data_format, const json_t *said,
                    const char *where, b4c_error *);
/* TSV with names: find them in the header. */
int b4c_fields_header(b4c_fields *, const json_t *said, b4c_span header, const char *where,
                      b4c_error *);
/* A record's texts, which live until the next call with it or b4c_data_record_done; start from {0}.
 * where(arg, text, size) is asked for the record's place when a message needs it. */
typedef void (*b4c_where_fn)(const void *arg, char *text, size_t size);
int b4c_data_record_read(b4c_data_record *, const b4c_fields *, b4c_span line, b4c_where_fn where,
                    const void *arg, b4c_error *);
void b4c_data_record_done(b4c_data_record *);

/* Does the task ask for a label? */
bool b4c_fields_labelled(b4c_task_kind);
#endif
