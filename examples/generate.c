/* generate.c - what follows a text: three samples, each ended by the model or after 40 tokens.
 *
 *     build/examples/generate MODEL_FOLDER TEXT [SEED]
 *
 * The same seed and text give the same samples, whatever else is in the call.
 */
#include <bert4c.h>
#include <stdio.h>
#include <stdlib.h>

static int generate(b4c_session *session, const b4c_model *model, const char *text, uint64_t seed,
                    b4c_error *err)
{
    b4c_generation g = { 0 };
    b4c_generate_options options = b4c_generate_defaults(model);
    options.sample = true;
    options.beams = 1;
    options.top_p = 0.9f;
    options.n = 3;
    options.max_new_tokens = 40;
    options.seed = seed;
    int rc = b4c_generate(session, &text, NULL, 1, &options, &g, err);
    for (int i = 0; rc == 0 && i < g.count[0]; i++) {
        const b4c_result *r = &g.result[0][i];
        printf("%.2f\t%s\t%s\n", r->logprob, b4c_finish_name(r->finish), r->text);
    }
    b4c_generation_free(&g);
    return rc;
}

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL_FOLDER TEXT [SEED]\n", argv[0]);
        return 2;
    }
    b4c_model_options options = B4C_MODEL_DEFAULT;
    options.need_head = true;
    b4c_model *model = b4c_model_open(argv[1], &options, &err);
    b4c_session *session = model ? b4c_session_new(model, NULL, &err) : NULL;
    const uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    const int rc = session ? generate(session, model, argv[2], seed, &err) : -1;
    if (rc < 0) fprintf(stderr, "%s\n", err.message);
    b4c_session_free(session);
    b4c_model_free(model);
    return rc < 0 ? 1 : 0;
}
