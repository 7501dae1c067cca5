/* search.c - the lines of a file, ranked by how near they are to a query.
 *
 *     build/examples/search MODEL_FOLDER FILE QUERY [TOP]
 *
 * All lines are encoded in one call, which keeps every core busy; vectors have length 1, so a
 * cosine is a sum of products.
 */
#include <bert4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct lines {
    char **text;
    size_t *bytes;
    int n;
} lines;

typedef struct hit {
    float score;
    int line;
} hit;

static bool add_line(lines *l, char *line, size_t bytes)
{
    char **text = realloc(l->text, (size_t)(l->n + 1) * sizeof *text);
    if (text) l->text = text;
    size_t *more = realloc(l->bytes, (size_t)(l->n + 1) * sizeof *more);
    if (more) l->bytes = more;
    if (!text || !more) return false;
    l->text[l->n] = line;
    l->bytes[l->n++] = bytes;
    return true;
}

static bool read_lines(lines *l, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    bool good = f;
    while (good && (got = getline(&line, &room, f)) >= 0) {
        if (got > 0 && line[got - 1] == '\n') line[--got] = 0;
        good = add_line(l, line, (size_t)got);
        if (good) line = NULL, room = 0;
    }
    free(line);
    if (f && ferror(f)) good = false;
    if (f) fclose(f);
    return good;
}

static int higher(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->line - y->line;
}

static int search(b4c_session *session, const lines *l, const char *query, int top, b4c_error *err)
{
    b4c_encode_options options = B4C_ENCODE_DEFAULT;
    options.normalize = 1;
    const int width = b4c_encode_width(session, &options, err);
    if (width < 0) return width;
    float *q = malloc((size_t)width * sizeof *q);
    float *v = malloc((size_t)(l->n + 1) * (size_t)width * sizeof *v);
    hit *hits = calloc((size_t)l->n + 1, sizeof *hits);
    int rc = q && v && hits ? 0 : B4C_E_MEMORY;
    if (rc == 0) rc = b4c_encode(session, &query, NULL, 1, &options, q, err);
    if (rc == 0)
        rc = b4c_encode(session, (const char *const *)l->text, l->bytes, l->n, &options, v, err);
    for (int i = 0; rc == 0 && i < l->n; i++) {
        hits[i].line = i;
        for (int c = 0; c < width; c++) hits[i].score += q[c] * v[(size_t)i * (size_t)width + c];
    }
    if (rc == 0) qsort(hits, (size_t)l->n, sizeof *hits, higher);
    for (int i = 0; rc == 0 && i < top && i < l->n; i++)
        printf("%.4f\t%s\n", hits[i].score, l->text[hits[i].line]);
    free(hits);
    free(v);
    free(q);
    return rc;
}

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    b4c_session *session = NULL;
    b4c_model *model = NULL;
    lines l = { 0 };
    int rc = -1;
    if (argc < 4) {
        fprintf(stderr, "usage: %s MODEL_FOLDER FILE QUERY [TOP]\n", argv[0]);
        return 2;
    }
    if (!read_lines(&l, argv[2])) {
        perror(argv[2]);
        goto done;
    }
    model = b4c_model_open(argv[1], NULL, &err);
    if (model) session = b4c_session_new(model, NULL, &err);
    if (session) rc = search(session, &l, argv[3], argc > 4 ? atoi(argv[4]) : 5, &err);
    if (rc < 0) fprintf(stderr, "%s\n", err.code ? err.message : "no memory");
done:
    b4c_session_free(session);
    b4c_model_free(model);
    for (int i = 0; i < l.n; i++) free(l.text[i]);
    free(l.text);
    free(l.bytes);
    return rc < 0;
}
