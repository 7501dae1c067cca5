/* test_docs_real.c - the outputs that documents show, word for word, where the environment variable
 * B4C_REAL_MODELS names a folder that holds the models. What needs another one is skipped, and said
 * so.
 *
 * Numbers are within 0.02: the default type is bf16 on some machines and f32 on others, and a
 * measure of a few pairs jumps when two of them change places.
 */
#include "docs/blocks.h"
#include "docs/place.h"
#include "support/test.h"
#include <unistd.h>

#define NEAR 0.02

/* Blocks compared; *bad grows by those that differ. */
static int compare(const doc *d, int *bad)
{
    int compared = 0;
    place_enter(d);
    for (int i = 0; i < d->n; i++) {
        const char *shown = doc_output(d, i);
        if (strcmp(d->block[i].language, "sh") != 0 || d->block[i].not_run || !shown) continue;
        place_result r = place_run(d->block[i].text);
        const char *other = doc_difference(shown, r.out, true, NEAR);
        if (strstr(r.err, "no such model")) {
            printf("skipped: %s:%d: %s", d->path, d->block[i].line, strstr(r.err, "no such model"));
        } else {
            compared++;
            if (r.code != 0)
                print_message("%s:%d: %s", d->path, d->block[i].line, r.err);
            else if (other)
                print_message("%s:%d: %s\n", d->path, d->block[i + 1].line, other);
            *bad += r.code != 0 || other;
        }
        place_free_result(&r);
    }
    return compared;
}

static void outputs_shown_are_those_of_the_real_models(void **state)
{
    (void)state;
    char **paths, model[1024];
    int compared = 0, bad = 0;
    const char *folder = getenv("B4C_REAL_MODELS");
    snprintf(model, sizeof model, "%s/bge-small-zh-v1.5", folder ? folder : "");
    if (!folder || access(model, F_OK) < 0) {
        printf("skipped: bge-small-zh-v1.5 is not in B4C_REAL_MODELS (%s)\n",
               folder ? folder : "not set");
        skip();
    }
    place_make(folder);
    const int n = doc_paths(&paths);
    for (int i = 0; i < n; i++) {
        doc d;
        doc_read(&d, paths[i]);
        compared += compare(&d, &bad);
        doc_free(&d);
    }
    doc_free_paths(paths, n);
    printf("%d outputs compared\n", compared);
    assert_true(compared >= 10);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_shown_are_those_of_the_real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
