/* agreement.c - see agreement.h. */
#include "agreement.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int cli_agreement_room(cli_agreement *a, int more, b4c_error *err)
{
    if (a->n + (size_t)more <= a->room) return 0;
    const size_t room = 2 * a->room + (size_t)more;
    double *score = realloc(a->score, room * sizeof *score);
    if (score) a->score = score;
    double *label = score ? realloc(a->label, room * sizeof *label) : NULL;
    if (!label) return cli_fail(err, B4C_E_MEMORY, "no memory for %zu labels", room);
    a->label = label;
    a->room = room;
    return 0;
}

void cli_agreement_done(cli_agreement *a)
{
    free(a->score);
    free(a->label);
    *a = (cli_agreement){ 0 };
}

int cli_label_read(const cli_chunk *c, const cli_record *r, double *out, b4c_error *err)
{
    char *end;
    const char *text = cli_at(c, r->label);
    char room[64];
    snprintf(room, sizeof room, "%.*s", (int)r->label.size, text);
    *out = strtod(room, &end);
    if (r->label.size && r->label.size < sizeof room && end != room && !end[strspn(end, " ")] &&
        isfinite(*out))
        return 0;
    return cli_fail(err, B4C_E_FORMAT,
                    "wrong label: found '%s', wanted a number; --label says which column, and "
                    "--header that the first line is none",
                    room);
}

int cli_agreement_measure(const cli_agreement *a, cli_measures *m, b4c_error *err)
{
    *m = (cli_measures){ .pearson = b4c_pearson(a->score, a->label, a->n), .binary = true };
    for (size_t i = 0; i < a->n; i++)
        m->binary = m->binary && (a->label[i] == 0 || a->label[i] == 1);
    int rc = b4c_spearman(a->score, a->label, a->n, &m->spearman, err);
    if (rc == 0 && m->binary && (rc = b4c_auc(a->score, a->label, a->n, &m->auc, err)) == 0)
        rc = b4c_best_f1(a->score, a->label, a->n, &m->f1, &m->threshold, err);
    return rc;
}
