/* windows.c - see windows.h. */
#include "train/windows.h"
#include "text/sentence.h"

typedef struct cutting {
    const b4c_windows_wish *w;
    int *bound, n;               /* those that are made; the last begins the open window */
    int sentence;                /* row where the last sentence begins that the open one may have */
} cutting;

int b4c_windows_room(const b4c_windows_wish *w) { return w->rows / (w->most / 2 + 1) + 1; }

/* Close windows until the open one can have row `upto` behind its last. */
static void close_before(cutting *x, int upto)
{
    const int most = x->w->most;
    for (int from = x->bound[x->n]; upto - from > most; from = x->bound[x->n])
        x->bound[++x->n] = x->sentence > from + most / 2 ? x->sentence : from + most;
}

int b4c_windows_cut(const b4c_windows_wish *w, int *bound)
{
    cutting x = { .w = w, .bound = bound };
    bound[0] = 0;
    const char *text = (const char *)w->text.data;
    int token = 0;
    for (size_t at = 0, n; w->sentences && w->rows > w->most; at += n) {
        n = b4c_sentence_end(text + at, w->text.size - at, true);
        if (n == 0) break;
        while (token < w->tokens->n && w->tokens->begin[token] < at + n) token++;
        close_before(&x, w->before + token < w->rows ? w->before + token : w->rows);
        x.sentence = w->before + token;
    }
    close_before(&x, w->rows);
    bound[++x.n] = w->rows;
    return x.n;
}
