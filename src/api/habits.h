/* habits.h - how a model is used to writing: how it reads first, which tokens begin and end,
 * and how it is usually decoded.
 *
 * generation_config.json says it, or an older model's config.json; what both leave open, or say
 * wrongly (a number that is no token), the tokenizer's special tokens decide.
 */
#ifndef B4C_API_HABITS_H
#define B4C_API_HABITS_H
#include "base/json.h"
#include "model/spec.h"
#include "text/tokenizer.h"

enum { B4C_HABITS_STARTS = 2, B4C_HABITS_ENDS = 16 };

typedef struct b4c_habits {
    b4c_reading reading;                      /* CAUSAL, PREFIX, SEQ2SEQ */
    bool closed_source;                       /* CAUSAL: see b4c_habits_frame */
    int32_t start[B4C_HABITS_STARTS];         /* SEQ2SEQ: what the decoder begins with */
    int n_start;                              /* 0: the files do not say */
    int32_t end[B4C_HABITS_ENDS];
    int n_end;
    int32_t begin;                            /* CAUSAL: begins a text; -1: the files name none */
    int vocabulary;                           /* tokens that may be written */
    int written_length, read_length;          /* of b4c_model_info */
    b4c_generate_options defaults;            /* its lists lie in memory */
    void *memory[8];
    int n_memory;
} b4c_habits;

/* config: config.json as read. tokens: NULL without a tokenizer, which has `count` of them. What
 * was put right goes to `report`. B4C_E_FORMAT: a value of another type. */
int b4c_habits_read(b4c_habits *, const b4c_spec *, const json_t *config, const char *folder,
                    const b4c_tokenizer_info *tokens, int count, json_t *report, b4c_error *);
void b4c_habits_done(b4c_habits *);
/* A source's special tokens, as the reading has them: a decoder goes on behind a text that is not
 * closed, unless it was trained on closed ones, which its config.json says (bert4c_closed_source);
 * every other reading takes the text as its tokenizer frames it. One rule for all that read a
 * source: writing, paraphrase, scoring. */
void b4c_habits_frame(const b4c_habits *, b4c_reading, b4c_encoding *source);
#endif
