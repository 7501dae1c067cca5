/* writing.h - the options of decoding as the library's, and what commands that write have to say
 * about their results. */
#ifndef CLI_WRITING_H
#define CLI_WRITING_H
#include "input.h"
#include "model.h"
#include "output.h"

typedef struct cli_writing {
    b4c_generate_options options;
    void **memory;           /* [n_memory] of its lists */
    int n_memory;
    const b4c_tokenizer *tokenizer;
    int trained;             /* tokens that the model learnt to write, where more are asked for */
    int familiar;            /* tokens of a text that it was trained to read; 0: not said */
    /* for the messages at the end */
    long long read, written, empty, at_limit, shortened, cut, texts_cut, unknown, unfamiliar;
    long long cycles;        /* results that end in one */
    char cycle[64];          /* the first of them, or its beginning */
} cli_writing;

/* `usual`: what holds where nothing was typed; lists that are typed join its own. Tokens are looked
 * up, phrases are tokenized. */
int  cli_writing_read(cli_writing *, const cli_model *, const cli_settings *,
                      const b4c_generate_options *usual, b4c_error *);
/* Rules that the model's files ask for and that are not done. */
void cli_writing_say_ignored(const b4c_model *);
void cli_writing_done(cli_writing *);
void cli_writing_count(cli_writing *, const b4c_generation *);
void cli_writing_say(const cli_writing *, long long records, double seconds);
#endif
