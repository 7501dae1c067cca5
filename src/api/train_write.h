/* train_write.h - a network in training lent to generation and mask filling. */
#ifndef B4C_API_TRAIN_WRITE_H
#define B4C_API_TRAIN_WRITE_H
#include "api/model.h"
#include "train/trainer.h"

/* What writing needs beside the network. The first three are borrowed. */
typedef struct b4c_train_writer {
    const b4c_tokenizer *tokenizer;
    const b4c_tokenizer_info *tokens;
    const b4c_habits *habits;
    int threads;
} b4c_train_writer;

/* The writer's functions; arg: a b4c_train_writer. */
int b4c_train_write(void *arg, b4c_writing *, b4c_error *);
char *b4c_train_fill(void *arg, const b4c_network *, const char *text, b4c_error *);
#endif
