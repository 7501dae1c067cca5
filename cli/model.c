/* model.c - the model that -m names, or the default of the command: found, opened, and told apart
 * from others. */
#include "model.h"
#include "hub.h"
#include "number.h"
#include "path.h"
#include "sha.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- finding -------------------------------------------------------------------------------- */

/* A file, a folder, or the prefix of a TF1 checkpoint. */
static bool is_path(const char *name)
{
    struct stat st;
    char *index = cli_path("%s.index", name);
    const bool there = stat(name, &st) == 0 || (index && stat(index, &st) == 0);
    free(index);
    return there;
}

char *cli_model_find(const cli_settings *s, const char *standard, b4c_error *err)
{
    const char *name = s->model ? s->model : standard;
    char *found = NULL;
    if (s->model && is_path(name))
        found = strdup(name);
    else if (cli_hub_is_name(name))
        found = cli_hub_find(name);
    else {
        cli_fail(err, B4C_E_MISSING,
                 "no such model: -m: found '%s', wanted a folder, a file, or a name on the hub "
                 "(ORG/NAME)",
                 name);
        return NULL;
    }
    if (!found && s->pull && cli_hub_pull(name, s, &found, err) < 0) return NULL;
    if (!found)
        cli_fail(err, B4C_E_MISSING,
                 "no such model: %s: found neither a file or folder of that name nor a copy in the "
                 "caches; "
                 "bert4c pull %s downloads it%s",
                 name, name, s->model ? "" : ", -m FOLDER names another model");
    else if (!s->model)
        cli_say("no -m: using %s", name);
    return found;
}

/* ---- opening -------------------------------------------------------------------------------- */

const char *cli_threads_text(int threads, long long asked, char room[CLI_THREADS_ROOM])
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int n = snprintf(room, CLI_THREADS_ROOM, "%d thread%s ", threads,
                           threads == 1 ? "" : "s");
    if (asked) snprintf(room + n, CLI_THREADS_ROOM - (size_t)n, "(--threads)");
    else if (threads < cores)
        snprintf(room + n, CLI_THREADS_ROOM - (size_t)n,
                 "(of %ld cores: affinity or control group allow no more)", cores);
    else snprintf(room + n, CLI_THREADS_ROOM - (size_t)n, "(all cores)");
    return room;
}

/* Tensors that nobody reads, but for those that every such file has, and a head that was not asked
 * for. */
static void say_unread(const b4c_model *m)
{
    json_t *report = json_loads(b4c_model_report(m), 0, NULL), *one;
    char names[200] = "";
    size_t i;
    int n = 0;
    json_array_foreach(json_object_get(report, "unexpected"), i, one)
    {
        if (json_object_get(one, "harmless") || json_object_get(one, "head")) continue;
        if (n++ < 3)
            cli_add_name(names, sizeof names, 60, json_string_value(json_object_get(one, "name")));
    }
    if (n)
        cli_say("%d tensor%s of its files are unexpected and not read: %s%s; bert4c inspect lists "
                "them",
                n, n == 1 ? "" : "s", names, n > 3 ? " ..." : "");
    json_decref(report);
}

int cli_model_open(cli_model *m, const cli_settings *s, const char *standard, cli_need need,
                   b4c_error *err)
{
    b4c_model_options options = B4C_MODEL_DEFAULT;
    b4c_model_info info;
    const b4c_session_options session = { (int)s->threads, (int)s->batch_tokens };
    *m = (cli_model){ 0 };
    options.dtype = (b4c_dtype)s->dtype;
    options.dialect = (b4c_dialect)s->dialect;
    options.lower_case = s->lower;
    options.need_head = need == CLI_WITH_HEAD;
    options.as = s->as;
    m->path = cli_model_find(s, standard, err);
    if (!m->path) return err->code;
    m->model = b4c_model_open(m->path, &options, err);
    if (!m->model) return err->code;
    m->session = b4c_session_new(m->model, &session, err);
    if (!m->session) return err->code;
    b4c_model_describe(m->model, &info);
    m->dtype = b4c_dtype_name(info.dtype);
    char threads[CLI_THREADS_ROOM];
    cli_say("%s: %d layers of %d, %s, %s kernels, %s", info.architecture, info.layers, info.width,
            b4c_dtype_name(info.dtype), b4c_isa_name(),
            cli_threads_text(s->threads ? (int)s->threads : b4c_cpu_count(), s->threads, threads));
    say_unread(m->model);
    return 0;
}

void cli_model_close(cli_model *m)
{
    b4c_session_free(m->session);
    b4c_model_free(m->model);
    free(m->path);
    *m = (cli_model){ 0 };
}

/* ---- fingerprint ---------------------------------------------------------------------------- */

/* Size and at most SAMPLES pieces of a file, evenly spread: another training has other weights in
 * each of them. */
static int add_file(cli_sha *sha, const char *path, const char *name, b4c_error *err)
{
    enum { SAMPLES = 64, PIECE = 4096 };
    static char piece[PIECE];
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) < 0) {
        if (f) fclose(f);
        return cli_fail(err, B4C_E_IO, "cannot read: %s: %s", path, strerror(errno));
    }
    char head[300];
    cli_sha_add(sha, head,
                (size_t)snprintf(head, sizeof head, "%s %lld\n", name, (long long)st.st_size));
    const long long step = st.st_size > SAMPLES * PIECE ? (st.st_size - PIECE) / (SAMPLES - 1)
                                                        : PIECE;
    for (long long at = 0; at < st.st_size; at += step) {
        if (fseeko(f, (off_t)at, SEEK_SET) < 0) break;
        cli_sha_add(sha, piece, fread(piece, 1, PIECE, f));
    }
    fclose(f);
    return 0;
}

static int is_shown(const struct dirent *e) { return e->d_name[0] != '.'; }

/* All files of a folder and of the folders right below it, in the order of their names. */
static int add_folder(cli_sha *sha, const char *folder, int depth, b4c_error *err)
{
    struct dirent **entry;
    struct stat st;
    int rc = 0;
    const int n = scandir(folder, &entry, is_shown, alphasort);
    if (n < 0)
        return cli_fail(err, B4C_E_IO, "cannot read the folder: %s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = cli_path("%s/%s", folder, entry[i]->d_name);
        if (rc == 0 && path && stat(path, &st) == 0) {
            if (S_ISREG(st.st_mode))
                rc = add_file(sha, path, entry[i]->d_name, err);
            else if (S_ISDIR(st.st_mode) && depth == 0)
                rc = add_folder(sha, path, 1, err);
        }
        free(path);
        free(entry[i]);
    }
    free(entry);
    return rc;
}

/* The file of that name beside `path`, if there is one. */
static int add_named(cli_sha *sha, const char *path, const char *name, b4c_error *err)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    char *file = cli_path("%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
    const bool there = file && stat(file, &st) == 0 && S_ISREG(st.st_mode);
    const int rc = there ? add_file(sha, file, name, err) : 0;
    free(file);
    return rc;
}

/* A model that is one file, or the prefix of some: they, and what is read beside them. */
static int add_beside(cli_sha *sha, const char *path, b4c_error *err)
{
    static const char *const ends[] = { "", ".index", ".data-00000-of-00001",
                                        ".data-00000-of-00002" };
    struct stat st;
    int rc = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && rc == 0; i++) {
        char *file = cli_path("%s%s", path, ends[i]);
        if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode))
            rc = add_file(sha, file, ends[i], err);
        free(file);
    }
    const char *name;
    for (int i = 0; rc == 0 && (name = b4c_model_file(i)); i++)
        rc = add_named(sha, path, name, err);
    return rc;
}

char *cli_model_fingerprint(const char *path, b4c_error *err)
{
    char hex[65];
    cli_sha sha;
    cli_sha256_start(&sha);
    if ((cli_is_folder(path) ? add_folder(&sha, path, 0, err) : add_beside(&sha, path, err)) < 0)
        return NULL;
    cli_sha_end(&sha, hex);
    return strdup(hex);
}

/* ---- what was done -------------------------------------------------------------------------- */

void cli_count(cli_counts *c, const b4c_session *s)
{
    b4c_encode_stats stats;
    b4c_session_stats(s, &stats);
    c->tokens += stats.tokens;
    c->unknown += stats.unknown;
    c->cut += stats.cut;
    c->texts_cut += stats.texts_cut;
}

void cli_say_cut(long long texts, long long tokens)
{
    char a[32], b[32];
    cli_say("%s text%s too long and lost %s token%s; --max-length and --truncate say where",
            cli_count_text(texts, a), texts == 1 ? " was" : "s were", cli_count_text(tokens, b),
            tokens == 1 ? "" : "s");
}

void cli_say_counts(const cli_counts *c, long long records, const char *unit, double seconds)
{
    char a[32], b[32], d[32];
    const double rate = seconds > 0 ? (double)records / seconds : 0;
    if (records > 1)
        cli_say("%s %s, %s tokens in %.1f s: %s %s/s", cli_count_text(records, a), unit,
                cli_count_text(c->tokens, b), seconds, cli_count_text((long long)(rate + 0.5), d),
                unit);
    if (c->texts_cut)
        cli_say_cut(c->texts_cut, c->cut);
    if (c->unknown)
        cli_say("%s of %s tokens are unknown to the vocabulary (%.2f %%)",
                cli_count_text(c->unknown, a), cli_count_text(c->tokens, b),
                100.0 * (double)c->unknown / (double)(c->tokens ? c->tokens : 1));
}
