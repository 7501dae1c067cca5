/* embed.c - sentence vectors and their cosines: how near each text is to the first.
 *
 *     build/examples/embed MODEL_FOLDER TEXT TEXT ...
 */
#include <bert4c.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    b4c_session *session = NULL;
    float *v = NULL;
    if (argc < 4) {
        fprintf(stderr, "usage: %s MODEL_FOLDER TEXT TEXT ...\n", argv[0]);
        return 2;
    }
    const char *const *texts = (const char *const *)argv + 2;
    const int n = argc - 2;
    int rc = -1;

    b4c_model *model = b4c_model_open(argv[1], NULL, &err);
    if (!model) goto done;
    session = b4c_session_new(model, NULL, &err);
    if (!session) goto done;
    const int width = b4c_encode_width(session, NULL, &err);
    if (width < 0) goto done;
    v = malloc((size_t)n * (size_t)width * sizeof *v);
    if (!v) goto done;
    rc = b4c_encode(session, texts, NULL, n, NULL, v, &err);
    for (int i = 1; i < n && rc == 0; i++)
        printf("%.4f\t%s\n", b4c_cosine(v, v + (size_t)i * (size_t)width, width), texts[i]);
done:
    if (rc < 0) fprintf(stderr, "%s\n", err.code ? err.message : "no memory");
    free(v);
    b4c_session_free(session);
    b4c_model_free(model);
    return rc < 0;
}
