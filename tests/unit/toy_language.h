/* toy_language.h - a language model that is a hash, for tests of how tokens are chosen.
 *
 * Its logits depend on the whole sequence, so a wrong parent shows at once; it has seven tokens, so
 * all sequences can be searched.
 */
#ifndef B4C_TEST_TOY_LANGUAGE_H
#define B4C_TEST_TOY_LANGUAGE_H
#include "decode/request.h"

enum { TOY_V = 7, TOY_END = 1 };

/* A number that looks like any other; the same x, the same number. */
uint64_t toy_mix(uint64_t x);
/* Logits [TOY_V] after the tokens ids [n] in language number `which`. */
void toy_logits(uint64_t which, const int32_t *ids, int n, float *logits);
/* Log-probability of ids [n], and of the end token behind them where they `ended`. */
double toy_logprob(uint64_t which, const int32_t *ids, int n, bool ended);
b4c_vocabulary_facts toy_facts(void);
/* Run a request to its end; checks on the way that moves name live parents, and that no two live
 * hypotheses of a sample are the same. */
b4c_request *toy_run(const b4c_generate_options *, uint64_t which, uint64_t number);
#endif
