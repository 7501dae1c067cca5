/* svg.c - the picture is made in memory, in order: style, then per panel its frame, marks, lines
 * and legend. Colours are Okabe and Ito's, which colour-blind people tell apart.
 */
#include "base/svg.h"
#include "base/file.h"
#include "base/memory.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 260, LEFT = 70, RIGHT = 20, TOP = 34, BOTTOM = 44, COLOURS = 6 };

static const char style[] =
    "<style>\n"
    ".f { fill: none; stroke: #8b949e }\n.g { stroke: #d0d7de }\n.t { fill: #1f2328 }\n"
    ".s { fill: #57606a; font-size: 12px }\n.l { fill: none; stroke-width: 1.8; "
    "stroke-linejoin: round }\n.faint { stroke-width: 0.8; opacity: 0.45 }\n"
    "@media (prefers-color-scheme: dark) { .t { fill: #e6edf3 } .s { fill: #8b949e } "
    ".g { stroke: #30363d } }\n</style>\n";
static const char *const colours[COLOURS] = { "#0072b2", "#d55e00", "#009e73",
                                              "#cc79a7", "#e69f00", "#56b4e9" };

typedef struct scale {
    double low, high;
} scale;

/* ---- numbers --------------------------------------------------------------------------------- */

double b4c_svg_step(double low, double high)
{
    const double rough = (high - low) / 6, power = pow(10, floor(log10(rough)));
    const double part = rough / power; /* 1 .. 10 */
    return (part < 1.5 ? 1 : part < 3 ? 2 : part < 7 ? 5 : 10) * power;
}

static bool is_point(const b4c_svg_line *l, size_t i)
{
    return isfinite(l->x[i]) && isfinite(l->y[i]);
}

static void widen(scale *s, double v)
{
    if (!(s->low <= v)) s->low = v; /* NAN at first */
    if (!(s->high >= v)) s->high = v;
}

/* A scale needs some length; where all values are one, it lies around them. */
static scale with_length(scale s)
{
    if (isnan(s.low)) return (scale){ 0, 1 };
    const double least = 1e-9 * fmax(fabs(s.low), fabs(s.high));
    if (s.high - s.low > least) return s;
    const double half = s.low == 0 ? 0.5 : fabs(s.low) / 10;
    return (scale){ s.low - half, s.high + half };
}

static scale range(const b4c_svg_panel *p, int n, bool up)
{
    scale s = { NAN, NAN };
    for (int i = 0; i < n; i++)
        for (int k = 0; k < p[i].n_lines; k++) {
            const b4c_svg_line *l = &p[i].line[k];
            for (size_t j = 0; j < l->n; j++)
                if (is_point(l, j)) widen(&s, up ? l->y[j] : l->x[j]);
        }
    return with_length(s);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void text(b4c_buffer *b, const char *s)
{
    for (; *s; s++)
        if (*s == '<')
            b4c_buffer_text(b, "&lt;");
        else if (*s == '&')
            b4c_buffer_text(b, "&amp;");
        else
            b4c_buffer_add(b, s, 1);
}

static void put_text(b4c_buffer *b, double x, double y, const char *class, const char *anchor,
                     const char *s)
{
    b4c_buffer_print(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class,
                     anchor);
    text(b, s);
    b4c_buffer_text(b, "</text>\n");
}

static double across(scale s, double v)
{
    return LEFT + (v - s.low) / (s.high - s.low) * (WIDTH - LEFT - RIGHT);
}
static double above(scale s, double v, double top)
{
    return top + HEIGHT - BOTTOM - (v - s.low) / (s.high - s.low) * (HEIGHT - TOP - BOTTOM);
}

static void put_marks(b4c_buffer *b, scale x, scale y, double top)
{
    const double dx = b4c_svg_step(x.low, x.high), dy = b4c_svg_step(y.low, y.high);
    const double bottom = top + HEIGHT - BOTTOM;
    char number[40];
    /* counted, not added up, so that 0 is "0" */
    for (double k = ceil(y.low / dy - 1e-9); k * dy <= y.high + 1e-9 * dy; k++) {
        const double at = above(y, k * dy, top);
        b4c_buffer_print(b, "<path class=\"g\" d=\"M%d %.1fH%d\"/>\n", LEFT, at, WIDTH - RIGHT);
        snprintf(number, sizeof number, "%g", k * dy);
        put_text(b, LEFT - 8, at + 4, "s", "end", number);
    }
    for (double k = ceil(x.low / dx - 1e-9); k * dx <= x.high + 1e-9 * dx; k++) {
        const double at = across(x, k * dx);
        b4c_buffer_print(b, "<path class=\"f\" d=\"M%.1f %.1fv5\"/>\n", at, bottom);
        snprintf(number, sizeof number, "%.10g", k * dx);
        put_text(b, at, bottom + 18, "s", "middle", number);
    }
}

/* Pieces between values that are not finite; a lone point is a dot. */
static void put_line(b4c_buffer *b, const b4c_svg_line *l, scale x, scale y, double top, int colour)
{
    b4c_buffer_print(b, "<path class=\"l%s\" stroke=\"%s\" stroke-linecap=\"round\" d=\"",
                     l->faint ? " faint" : "", colours[colour % COLOURS]);
    bool open = false;
    for (size_t i = 0; i < l->n; i++) {
        const bool here = is_point(l, i);
        if (here)
            b4c_buffer_print(b, "%s%.1f %.1f%s", open ? "L" : "M", across(x, l->x[i]),
                             above(y, l->y[i], top), open ? "" : "h0");
        open = here;
    }
    b4c_buffer_text(b, "\"/>\n");
}

static void put_panel(b4c_buffer *b, const b4c_svg_panel *p, scale x, double top)
{
    const scale y = range(p, 1, true);
    double right = WIDTH - RIGHT;
    put_text(b, LEFT, top + 22, "t", "start", p->title);
    put_marks(b, x, y, top);
    for (int k = 0; k < p->n_lines; k++) put_line(b, &p->line[k], x, y, top, k);
    b4c_buffer_print(b, "<rect class=\"f\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n",
                     LEFT, top + TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    for (int k = p->n_lines - 1; k >= 0; k--) {
        const char *name = p->line[k].name;
        put_text(b, right, top + 22, "s", "end", name);
        right -= 7.5 * (double)strlen(name) + 8;
        b4c_buffer_print(b, "<path class=\"l\" stroke=\"%s\" d=\"M%.1f %.1fh18\"/>\n",
                         colours[k % COLOURS], right - 18, top + 18);
        right -= 34;
    }
}

int b4c_svg_write(const char *path, const char *x_label, const b4c_svg_panel *p, int n,
                  b4c_error *err)
{
    const int height = n * HEIGHT + 16;
    const scale x = range(p, n, false);
    b4c_buffer b = { 0 };
    b4c_writer w = { 0 };
    b4c_buffer_print(&b,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                     "height=\"%d\" font-family=\"system-ui, 'Noto Sans CJK SC', sans-serif\" "
                     "font-size=\"14\">\n%s",
                     WIDTH, height, WIDTH, height, style);
    for (int i = 0; i < n; i++) put_panel(&b, &p[i], x, (double)i * HEIGHT);
    put_text(&b, (LEFT + WIDTH - RIGHT) / 2.0, height - 10, "s", "middle", x_label);
    b4c_buffer_text(&b, "</svg>\n");
    int rc = b.failed ? b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the picture", path)
                      : b4c_writer_open(&w, path, err);
    if (rc == 0) rc = b4c_writer_write(&w, b.data, b.size, err);
    if (rc == 0) rc = b4c_writer_commit(&w, err);
    b4c_writer_drop(&w);
    b4c_buffer_done(&b);
    return rc;
}
