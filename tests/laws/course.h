/* course.h - a whole training for tests: a tiny model, and sequences whose next token follows from
 * the last by a rule, so that losses fall quickly.
 */
#ifndef B4C_TEST_COURSE_H
#define B4C_TEST_COURSE_H
#include "train/trainer.h"

enum { COURSE_VOCABULARY = 23 };

/* Configurations of models; a recipe's keys for seven steps with a bit of everything. */
extern const char course_bert[], course_gpt2[], course_whole[];

typedef struct course {
    b4c_trainer trainer;
    b4c_spec spec;
    json_t *config;
} course;

/* A folder of this training's own. */
const char *course_folder(void);
/* A recipe in it, malloc'ed: its path. `rest`: its keys but model, data, batch and output, which is
 * the folder's "out". */
char *course_recipe(const char *folder, const char *config, const char *rest);
/* set: "key=value" or NULL. On failure the configuration is the caller's to release. */
int course_begin(course *, const char *recipe, const char *set, int threads, bool again,
                 b4c_error *);
/* From the model in the folder `source`; its weights stay in `store`, which the caller closes. */
int course_begin_from(course *, b4c_store *store, const char *source, const char *recipe,
                      int threads, bool again, b4c_error *);
void course_done(course *);
/* At most `steps` of it; a failure fails the test. */
void course_go(course *, int steps);
/* From its beginning to its end. */
void course_run(const char *folder, const char *config, const char *rest, int threads);

/* "folder/out/name", malloc'ed. */
char *course_content(const char *folder, const char *name, size_t *n);
void course_same_file(const char *a, const char *b, const char *name);
/* The last number of this name in the log. */
double course_last(const char *folder, const char *key);
double course_last_loss(const char *folder);
#endif
