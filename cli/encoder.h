/* encoder.h - a model that makes vectors, with what embed and similar ask of it. */
#ifndef CLI_ENCODER_H
#define CLI_ENCODER_H
#include "input.h"
#include "model.h"

typedef struct cli_encoder {
    cli_model model;
    b4c_encode_options options;
    int width;      /* of a vector */
    cli_texts texts; /* of the last chunk */
    float *vector;  /* [texts, width] */
    int room;       /* of vector, in texts */
    b4c_whitening *whitening; /* --whiten, or NULL; then */
    float *raw;     /* [texts, raw_width] vectors before it */
    int raw_width;
    bool unit;      /* they get length 1 after it */
    cli_counts counts;
} cli_encoder;

/* Fails on a prompt that the model does not name, and on a width that it has not. */
int cli_encoder_open(cli_encoder *, const cli_settings *, b4c_error *);
void cli_encoder_close(cli_encoder *);

/* Make room for a chunk, `parts` texts a record, before any of it is kept. */
int cli_encoder_load(cli_encoder *, const cli_chunk *, int parts, b4c_error *);
/* Vectors of the texts that were loaded, counted. */
int cli_encoder_run(cli_encoder *, b4c_error *);
#endif
