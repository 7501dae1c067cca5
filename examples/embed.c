/* embed.c - sentence vectors and their cosines: embed MODEL TEXT TEXT ... compares the first with
 * the others. */
#include "bert4c.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: embed MODEL TEXT TEXT...\n");
        return 2;
    }
    b4c_error err = { 0 };
    int status = 1;
    float *v = NULL;
    b4c_session *session = NULL;
    b4c_model *model = b4c_model_open(argv[1], NULL, &err);
    if (!model) goto done;
    session = b4c_session_new(model, NULL, &err);
    if (!session) goto done;

    /* How the model's files say tokens become a vector; where they say nothing, its first token. */
    b4c_model_info info;
    b4c_model_describe(model, &info);
    b4c_encode_options options = B4C_ENCODE_DEFAULT;
    if (info.pooling == B4C_POOL_AUTO) options.pooling = B4C_POOL_CLS;

    const char *const *texts = (const char *const *)argv + 2;
    const int n = argc - 2, width = b4c_encode_width(session, &options, &err);
    if (width < 0) goto done;
    v = malloc((size_t)n * (size_t)width * sizeof *v);
    if (!v || b4c_encode(session, texts, NULL, n, &options, v, &err) < 0) goto done;
    for (int i = 1; i < n; i++)
        printf("%.4f\t%s\n", b4c_cosine(v, v + (size_t)i * (size_t)width, width), texts[i]);
    status = 0;
done:
    if (status) fprintf(stderr, "embed: %s\n", err.message);
    free(v);
    b4c_session_free(session);
    b4c_model_free(model);
    return status;
}
