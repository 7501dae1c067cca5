/* format_golden.h - a checkpoint of any layout against the model in the hub's layout that it was
 * made of, by names and numbers. The source is read by a reader of these tests' own, so that no
 * reader is its own judge. */
#ifndef B4C_TEST_FORMAT_GOLDEN_H
#define B4C_TEST_FORMAT_GOLDEN_H
#include "base/json.h"
#include "model/format/store.h"

#define MODELS  "tests/golden/models/"
#define FORMATS "tests/golden/formats/"

/* ---- the source: safetensors, whole in memory ----------------------------------------------- */

typedef struct reference {
    char *bytes;
    json_t *header;
} reference;
reference reference_open(const char *path);
void reference_close(reference *);
int64_t axis(const json_t *entry, size_t i);
const char *data_of(const reference *, const json_t *entry); /* which is f32 */

/* ---- comparing ------------------------------------------------------------------------------ */

/* Texts in a name that become others, in this order; ends with NULL. */
typedef struct rename {
    const char *from, *to;
} rename_rule;
extern const rename_rule tf_bert[]; /* TF1 to hub */

/* BY_TYPE: f16 is HALF, bf16 is BRAIN, all else EXACT. */
typedef enum precision { EXACT, HALF, BRAIN, BY_TYPE } precision;

typedef struct golden {
    const char *folder, *file;   /* file NULL: the folder is opened */
    const char *layout, *source; /* file of MODELS, or of the folder when it begins with "./" */
    const char *strip;           /* prefix of the source's names that the file lacks */
    const rename_rule *first, *then;
    const char *extra[2]; /* beyond expected.json */
    precision precision;
    int files;
    bool (*turned)(const char *name); /* [in, out] in one, [out, in] in the other; NULL: kernels */
    void (*prepare)(b4c_store *);
} golden;
void check_golden(const golden *);

/* Stored tensor i holds the source's numbers. */
void compare(const b4c_store *, int i, const reference *, const json_t *entry, bool turned,
             precision);
float *read_all(const b4c_store *, int i); /* all elements, a few rows at a time; free it */
/* "cls.*" names all that begin so; what follows a blank is a remark. */
bool is_listed(const char *name, const json_t *patterns);
#endif
