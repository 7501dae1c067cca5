/* curve.c - a log's lines as two series, thinned to what a picture can show. */
#include "train/curve.h"
#include "base/json.h"
#include "base/svg.h"
#include "train/corpus.h"
#include <math.h>
#include <stdlib.h>

enum { POINTS = 600, SMOOTH = 40 };

typedef struct series {
    double *x, *y;
    size_t n, room;
} series;

static int add(series *s, double x, double y)
{
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 256;
        double *a = realloc(s->x, room * sizeof *a);
        if (a) s->x = a;
        double *b = realloc(s->y, room * sizeof *b);
        if (b) s->y = b;
        if (!a || !b) return B4C_E_MEMORY;
        s->room = room;
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
    return 0;
}

static void done(series *s)
{
    free(s->x);
    free(s->y);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_line(const char *line, size_t size, const char *metric, series *loss,
                     series *measure)
{
    json_t *o = size ? json_loadb(line, size, 0, NULL) : NULL;
    const json_t *step = json_object_get(o, "step");
    const bool evaluation = json_object_get(o, "best") != NULL;
    const json_t *y = json_object_get(o, !evaluation ? "loss" : metric ? metric : "");
    const int rc = json_is_number(step) && json_is_number(y)
                     ? add(evaluation ? measure : loss, json_number_value(step),
                           json_number_value(y))
                     : 0;
    json_decref(o);
    return rc;
}

static int read_log(const char *path, const char *metric, series *loss, series *measure,
                    b4c_error *err)
{
    b4c_file f;
    int rc = b4c_file_map(&f, path, err);
    if (rc < 0) return rc;
    const char *p = (const char *)f.data, *end = p + f.size;
    while (rc == 0 && p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf) break;
        rc = read_line(p, (size_t)(lf - p), metric, loss, measure);
        p = lf + 1;
    }
    b4c_file_unmap(&f);
    return rc < 0 ? b4c_fail(err, rc, "%s: no memory for its curves", path) : 0;
}

/* ---- thinning -------------------------------------------------------------------------------- */

/* Means of runs of `each` points. */
static int thin(const series *s, size_t each, series *out)
{
    for (size_t i = 0; i < s->n; i += each) {
        const size_t n = s->n - i < each ? s->n - i : each;
        double x = 0, y = 0;
        for (size_t k = i; k < i + n; k++) {
            x += s->x[k];
            y += s->y[k];
        }
        if (add(out, x / (double)n, y / (double)n) < 0) return B4C_E_MEMORY;
    }
    return 0;
}

static size_t runs(size_t n, size_t points) { return n > points ? (n + points - 1) / points : 1; }

int b4c_curve_write(const char *log, const char *metric, const char *svg, b4c_error *err)
{
    series loss = { 0 }, measure = { 0 }, shown = { 0 }, smooth = { 0 };
    int rc = read_log(log, metric, &loss, &measure, err);
    if (rc == 0 && (thin(&loss, runs(loss.n, POINTS), &shown) < 0 ||
                    thin(&loss, runs(loss.n, SMOOTH), &smooth) < 0))
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory for its curves", log);
    if (rc == 0) {
        const bool same = metric && strcmp(metric, "loss") == 0;
        const b4c_svg_line line[] = {
            { "loss", shown.x, shown.y, shown.n, shown.n > SMOOTH },
            { "its mean", smooth.x, smooth.y, shown.n > SMOOTH ? smooth.n : 0, false },
            { same ? "held out" : metric, measure.x, measure.y, measure.n, false },
        };
        const b4c_svg_panel panel[] = { { "loss", line, same ? 3 : 2 }, { metric, line + 2, 1 } };
        rc = b4c_svg_write(svg, "step", panel, metric && !same ? 2 : 1, err);
    }
    done(&loss);
    done(&measure);
    done(&shown);
    done(&smooth);
    return rc;
}
