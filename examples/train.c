/* train.c - a training from C: each step and its loss.
 *
 *     build/examples/train examples/recipes/lm.json
 */
#include "bert4c.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    int rc = -1;
    if (argc != 2) {
        fprintf(stderr, "usage: train RECIPE.json\n");
        return 2;
    }
    b4c_trainer *t = b4c_trainer_open(argv[1], NULL, &err);
    b4c_train_report r;
    while (t && (rc = b4c_trainer_step(t, &r, &err)) > 0)
        printf("%lld %.4f\n", (long long)r.step, r.loss);
    b4c_trainer_free(t);
    if (rc < 0) fprintf(stderr, "%s\n", err.message);
    return rc < 0;
}
