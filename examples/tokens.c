/* tokens.c - a text's tokens, each with the piece of the text that it stands for.
 *
 *     build/examples/tokens MODEL_FOLDER TEXT [TEXT_B]
 *
 * A tokenizer opens without the model's weights: a folder, a vocab.txt or a tokenizer.json will do.
 */
#include <bert4c.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL_FOLDER TEXT [TEXT_B]\n", argv[0]);
        return 2;
    }
    b4c_tokenizer *tokenizer = b4c_tokenizer_open(argv[1], B4C_DIALECT_AUTO, &err);
    if (tokenizer)
        b4c_tokenize(tokenizer, argv[2], SIZE_MAX, argc > 3 ? argv[3] : NULL, SIZE_MAX, NULL, &e,
                     &err);
    for (int i = 0; i < e.n; i++) {
        const char *text = argv[2 + e.segments[i]];
        const int bytes = (int)(e.end[i] - e.begin[i]);
        printf("%6d  %s", (int)e.ids[i], b4c_tokenizer_token(tokenizer, e.ids[i]));
        if (bytes > 0) printf("  %u-%u  %.*s", e.begin[i], e.end[i], bytes, text + e.begin[i]);
        printf("\n");
    }
    if (err.code) fprintf(stderr, "%s\n", err.message);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(tokenizer);
    return err.code ? 1 : 0;
}
