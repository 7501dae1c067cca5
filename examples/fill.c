/* fill.c - the likeliest tokens for every [MASK] of a text.
 *
 *     build/examples/fill MODEL_FOLDER TEXT
 *
 * The head is loaded only when it is asked for, and a model without one is refused.
 */
#include <bert4c.h>
#include <stdio.h>
#include <string.h>

static int fill(b4c_session *session, const b4c_tokenizer *tokenizer, const char *text,
                b4c_error *err)
{
    b4c_fill_result r;
    int rc = b4c_fill(session, text, strlen(text), NULL, &r, err);
    if (rc < 0) return rc;
    for (int m = 0; m < r.masks; m++) {
        printf("byte %u:", r.begin[m]);
        for (int k = 0; k < r.top; k++) {
            const b4c_candidate *c = &r.best[m * r.top + k];
            printf("  %s %.4f", b4c_tokenizer_token(tokenizer, c->id), c->p);
        }
        printf("\n");
    }
    b4c_fill_result_free(&r);
    return 0;
}

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL_FOLDER TEXT\n", argv[0]);
        return 2;
    }
    b4c_model_options options = B4C_MODEL_DEFAULT;
    options.need_head = true;
    b4c_model *model = b4c_model_open(argv[1], &options, &err);
    b4c_session *session = model ? b4c_session_new(model, NULL, &err) : NULL;
    const int rc = session ? fill(session, b4c_model_tokenizer(model), argv[2], &err) : -1;
    if (rc < 0) fprintf(stderr, "%s\n", err.message);
    b4c_session_free(session);
    b4c_model_free(model);
    return rc < 0 ? 1 : 0;
}
