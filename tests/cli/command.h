/* command.h - running the command as a person does, and models for it to run. */
#ifndef B4C_TEST_COMMAND_H
#define B4C_TEST_COMMAND_H
#include "support/test.h"

#include <sys/types.h>

/* What a run left. Strings are kept until the process ends. */
typedef struct run {
    int code;              /* exit code; 128 + signal when it was killed */
    const char *out, *err; /* NUL-ended */
    size_t out_size;
} run;

/* bert4c with these arguments (up to NULL); `input` is its standard input (NULL: empty). */
run bert4c(const char *input, ...) __attribute__((sentinel));
run bert4c_bytes(const void *input, size_t size, const char *const *argv);

/* The same, still running: stdin is the write end of a pipe, stdout the read end of one. */
typedef struct running {
    pid_t pid;
    int in, out;
    const char *err_path;
} running;
running bert4c_start(const char *const *argv);
/* Wait for its end; gives what it wrote from now on. */
run bert4c_wait(running *);

/* The program under test: BERT4C, else build/bert4c. */
const char *bert4c_path(void);

/* A tiny BERT with vocabulary, masked-LM head and mean pooling with unit vectors, in a folder of
 * the test's own. NULL, and the test is skipped, when the golden files are not there. */
const char *tiny_model(void);
/* The same without modules.json: its pooling is not said. */
const char *tiny_model_without_pooling(void);
/* Its configuration, vocabulary and weights alone, in folder `name` of the test's own. */
void copy_tiny_model(const char *name);
/* The same files of a model in folder `from`. */
void copy_model(const char *from, const char *name);
/* The vocabulary of both. */
const char *tiny_vocabulary(void);
/* Another one: the numbers from one to ten behind BERT's special tokens, 15 in all. */
const char *number_vocabulary(void);

bool exists(const char *path);

/* A run may stand in a macro's argument: it happens once. */
#define assert_code(r, wanted)                                                              \
    do {                                                                                    \
        const run code_ = (r);                                                              \
        if (code_.code != (wanted))                                                         \
            fail_msg("exit code %d, wanted %d; stderr: %s", code_.code, wanted, code_.err); \
    } while (0)
/* Standard error says so. */
#define assert_says(r, part)                                                                   \
    do {                                                                                       \
        const run says_ = (r);                                                                 \
        if (!strstr(says_.err, part)) fail_msg("stderr \"%s\" lacks \"%s\"", says_.err, part); \
    } while (0)
/* Failed with exit code `wanted` and exactly one line on stderr, which contains part. */
#define assert_refused(r, wanted, part)                                \
    do {                                                               \
        const run refused_ = (r);                                      \
        assert_code(refused_, wanted);                                 \
        assert_says(refused_, part);                                   \
        if (strchr(refused_.err, '\n') != strrchr(refused_.err, '\n')) \
            fail_msg("more than one line: %s", refused_.err);          \
    } while (0)
#endif
