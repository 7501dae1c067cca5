/* svg.h - charts of lines as an SVG file that browsers show, light or dark. */
#ifndef B4C_BASE_SVG_H
#define B4C_BASE_SVG_H
#include "base/error.h"

typedef struct b4c_svg_line {
    const char *name;        /* in the legend; UTF-8 */
    const double *x, *y;     /* [n], x rising; a value that is not finite breaks the line */
    size_t n;
    bool faint;              /* behind the others: single values of which another is the mean */
} b4c_svg_line;

/* One picture below the other, each with its own scale upwards and all with the same sideways. */
typedef struct b4c_svg_panel {
    const char *title;
    const b4c_svg_line *line;
    int n_lines;
} b4c_svg_panel;

/* Write the file, whole or not at all. Lines without a finite point are left out; a panel without
 * any has an empty frame. */
int b4c_svg_write(const char *path, const char *x_label, const b4c_svg_panel *, int n,
                  b4c_error *);

/* The distance of marks on an axis from low to high (low < high): 1, 2 or 5 times a power of ten,
 * so that there are 3 to 10 of them. */
double b4c_svg_step(double low, double high);
#endif
