/* writing.h - what generation, paraphrase and scoring share: sources as tokens, and one engine run
 * over them. */
#ifndef B4C_API_WRITING_H
#define B4C_API_WRITING_H
#include "api/model.h"
#include "decode/engine.h"

/* Texts as tokens, end to end. */
typedef struct b4c_sources {
    int n;
    b4c_buffer ids;          /* int32_t */
    b4c_buffer segments;     /* int32_t, or empty: zeros */
    int *length;             /* [n] */
    size_t *at;              /* [n] first token of each in ids */
    b4c_encode_stats stats;
} b4c_sources;

static inline int32_t *b4c_source_ids(const b4c_sources *s, int i)
{
    return (int32_t *)(void *)s->ids.data + s->at[i];
}

int  b4c_sources_init(b4c_sources *, int n, b4c_error *);
void b4c_sources_done(b4c_sources *);
/* The next text's tokens: the first that has no place yet. */
int  b4c_sources_add(b4c_sources *, int i, const int32_t *ids, const int32_t *segments, int n,
                     b4c_error *);

/* What AUTO means for this model; B4C_E_ARG or B4C_E_MISSING: the model cannot read or write so. */
int b4c_reading_resolve(const b4c_model *, b4c_reading wanted, b4c_reading *, b4c_error *);
/* Are options of writing in their ranges, and do none contradict one another? */
int b4c_writing_check(const b4c_model *, const b4c_generate_options *, b4c_error *);
/* Texts as they stand before what is written, framed by b4c_habits_frame. */
int b4c_sources_read(b4c_session *, b4c_sources *, b4c_reading, const char *const *texts,
                     const size_t *lens, int n, const b4c_generate_options *, b4c_error *);
/* Run them all. The generation takes the sources over, also on failure. */
int b4c_write(b4c_session *, b4c_reading, b4c_sources *, const b4c_generate_options *,
              b4c_generation *, b4c_error *);
#endif
