/* standin.h - small models that stand in for those that documents name: a golden model whose
 * vocabulary was made larger, so that it reads what the documents show.
 */
#ifndef B4C_TEST_STANDIN_H
#define B4C_TEST_STANDIN_H

/* One token a line, special ones first; freed by the caller. It has what the texts need: every
 * character, small letters and digits also as continuations, and words of them that stand between
 * blanks. No capitals, as in bge-small-zh-v1.5's. */
char *standin_vocabulary(const char *const *texts, int n);

/* A folder of the temporary one, in the hub's layout, of the kind that `model` (a name or path)
 * speaks of: sentence encoder (bge, MiniLM), GPT, T5, else BERT with its pooler and its masked-LM
 * head. Returns its path. */
const char *standin_model(const char *folder, const char *model, const char *vocabulary);
#endif
