/* place.c - see place.h.
 *
 *   TEMP/bin/            bert4c, make (which only looks whether its targets exist), and what must
 * not run TEMP/hub/            the hub's cache: every model that a document or the command names
 *   TEMP/work-N/         where a document's commands run; build, examples, include lead to the real
 * ones
 */
#include "docs/place.h"

#include "docs/standin.h"
#include "support/test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *vocabulary, root[1024], build[1024];
static char real_models[1024]; /* "": stand-ins */
static const char *work;

/* Files that examples name, and what they are here. */
static const struct {
    const char *name, *is;
} files[] = {
    { "sentences.txt", "examples/sentences.txt" },
    { "questions.txt", "examples/sentences.txt" },
    { "news.txt", "examples/sentences.txt" },
    { "pairs.tsv", "examples/pairs.tsv" },
    { "big.tsv", "examples/pairs.tsv" },
    { "lcqmc.tsv", "examples/pairs.tsv" },
    { "bq.tsv", "examples/pairs.tsv" },
    { "articles-and-titles.tsv", "examples/pairs.tsv" },
};

/* What would reach for the network, for rights or for minutes. */
static const char *const kept_out[] = { "apt-get", "sudo", "curl", "wget", "git", "mvn", "pip" };

static void make_program(const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "bin/%s", name);
    assert_int_equal(chmod(temp_text(path, text), 0755), 0);
}

static void make_programs(void)
{
    char text[4096],
        *command = realpath(getenv("BERT4C") ? getenv("BERT4C") : "build/bert4c", NULL);
    if (!command) fail_msg("%s: %s; make", getenv("BERT4C"), strerror(errno));
    /* A measurement is as short as it can be. */
    snprintf(text, sizeof text,
             "#!/bin/sh\ncase \"$*\" in\n*--seconds*) ;;\nbench*) exec '%s' \"$@\" --seconds 0.02 "
             ";;\nesac\n"
             "exec '%s' \"$@\"\n",
             command, command);
    make_program("bert4c", text);
    free(command);
    snprintf(text, sizeof text,
             "#!/bin/sh\nfor word; do\n    case $word in *=*|-*) continue ;; esac\n"
             "    grep -Eq \"^([a-z-]+ )*$word( [a-z -]+)?:\" '%s/Makefile' || {\n"
             "        echo \"make: no target $word\" >&2; exit 2; }\ndone\n",
             root);
    make_program("make", text);
    for (size_t i = 0; i < COUNT(kept_out); i++)
        make_program(kept_out[i], "#!/bin/sh\necho \"$0 has no place in a test\" >&2\nexit 1\n");
}

static void link_to(const char *to, const char *from)
{
    if (symlink(to, from) < 0) fail_msg("%s: %s", from, strerror(errno));
}

/* ---- models --------------------------------------------------------------------------------- */

/* ORG/NAME into the hub's cache; a real one only if it is there. */
static void put_model(const char *name)
{
    char folder[256], file[300], path[1024];
    const char *slash = strchr(name, '/');
    snprintf(folder, sizeof folder, "hub/models--%.*s--%s", (int)(slash - name), name, slash + 1);
    if (access(temp_path("%s", folder), F_OK) == 0) return;
    snprintf(path, sizeof path, "%s%s", real_models, slash);
    if (*real_models && access(path, F_OK) < 0) return;
    snprintf(file, sizeof file, "%s/refs/main", folder);
    temp_text(file, "1");
    assert_int_equal(mkdir(temp_path("%s/snapshots", folder), 0777), 0);
    snprintf(file, sizeof file, "%s/snapshots/1", folder);
    if (*real_models)
        link_to(path, temp_path("%s", file));
    else
        standin_model(file, name, vocabulary);
}

/* Call with every word of the commands that names a model, NUL-ended. */
static void each_model(const doc *d, void (*call)(const char *name))
{
    for (int i = 0; i < d->n; i++) {
        if (strcmp(d->block[i].language, "sh") != 0) continue;
        char *text = strdup(d->block[i].text), *rest = text;
        bool names = false;
        for (char *word; (word = strtok_r(rest, " \t\n", &rest));) {
            if (names && *word != '-') call(word);
            names = !strcmp(word, "-m") || !strcmp(word, "pull") || !strcmp(word, "inspect");
        }
        free(text);
    }
}

static void put_hub_model(const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash && *name != '.' && *name != '/' && !strchr(slash + 1, '/') && !strchr(name, '$'))
        put_model(name);
}

static void put_local_model(const char *name)
{
    const char *in_work = strrchr(work, '/') + 1;
    char folder[300];
    if (strncmp(name, "./", 2) != 0 || *real_models) return;
    snprintf(folder, sizeof folder, "%s/%s", in_work, name + 2);
    if (access(temp_path("%s", folder), F_OK) < 0) standin_model(folder, name, vocabulary);
}

/* Those that commands use without -m. */
static void put_default_models(void)
{
    char *header = read_file("cli/default_model.h", NULL), *rest = header;
    int n = 0;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        char name[200];
        if (sscanf(line, "#define CLI_DEFAULT_%*[A-Z] \"%199[^\"]\"", name) == 1)
            n++, put_model(name);
    }
    free(header);
    assert_true(n > 0);
}

static void make_vocabulary(char **paths, int n)
{
    const char **texts = calloc((size_t)n + COUNT(files), sizeof *texts);
    assert_non_null(texts);
    for (int i = 0; i < n; i++) texts[i] = read_file(paths[i], NULL);
    for (size_t i = 0; i < COUNT(files); i++) texts[n + (int)i] = read_file(files[i].is, NULL);
    vocabulary = standin_vocabulary(texts, n + (int)COUNT(files));
    for (int i = 0; i < n + (int)COUNT(files); i++) free((char *)(uintptr_t)texts[i]);
    free(texts);
}

static void forget(void) { free(vocabulary); }

void place_make(const char *real)
{
    char **paths;
    const int n = doc_paths(&paths);
    if (real && !realpath(real, real_models)) fail_msg("%s: %s", real, strerror(errno));
    atexit(forget);
    assert_non_null(getcwd(root, sizeof root));
    if (!realpath(getenv("BUILD") ? getenv("BUILD") : "build", build))
        fail_msg("no folder build: make");
    make_programs();
    make_vocabulary(paths, n);
    put_default_models();
    for (int i = 0; i < n; i++) {
        doc d;
        doc_read(&d, paths[i]);
        each_model(&d, put_hub_model);
        doc_free(&d);
    }
    doc_free_paths(paths, n);
}

/* ---- running -------------------------------------------------------------------------------- */

void place_enter(const doc *d)
{
    static int entered;
    char name[300];
    snprintf(name, sizeof name, "work-%d/vocab.txt", ++entered);
    temp_text(name, vocabulary);
    work = temp_path("work-%d", entered);
    link_to(build, temp_path("work-%d/build", entered));
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t size;
        char *bytes = read_file(files[i].is, &size);
        snprintf(name, sizeof name, "work-%d/%s", entered, files[i].name);
        temp_file(name, bytes, size);
        free(bytes);
    }
    static const char *const folders[] = { "examples", "include", "scripts", "docs" };
    for (size_t i = 0; i < COUNT(folders); i++) {
        char to[1200];
        snprintf(to, sizeof to, "%s/%s", root, folders[i]);
        link_to(to, temp_path("work-%d/%s", entered, folders[i]));
    }
    each_model(d, put_local_model);
}

/* In the child: only what a user without settings has, and the hub's cache of this place. */
static void become_shell(const char *script, const char *out, const char *err)
{
    static const char *const unset[] = {
        "HF_HOME",    "XDG_CACHE_HOME", "HF_ENDPOINT", "HF_TOKEN",
        "http_proxy", "https_proxy",    "MAKEFLAGS",   "MAKELEVEL"
    };
    char path[8192];
    for (size_t i = 0; i < COUNT(unset); i++) unsetenv(unset[i]);
    snprintf(path, sizeof path, "%s:%s", temp_path("bin"), getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("HOME", temp_path("home"), 1);
    setenv("HF_HUB_CACHE", temp_path("hub"), 1);
    setenv("BERT4C_CACHE", temp_path("own"), 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    if (chdir(work) < 0 || !freopen("/dev/null", "r", stdin) || !freopen(out, "w", stdout) ||
        !freopen(err, "w", stderr))
        _exit(126);
    execl("/bin/sh", "sh", "-e", script, (char *)NULL);
    _exit(127);
}

place_result place_run(const char *commands)
{
    static int runs;
    char name[40];
    int status;
    snprintf(name, sizeof name, "runs/%d.sh", ++runs);
    const char *script = temp_text(name, commands), *out = temp_path("runs/%d.out", runs),
               *err = temp_path("runs/%d.err", runs);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) become_shell(script, out, err);
    assert_int_equal(waitpid(child, &status, 0), child);
    return (place_result){ .code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                           .out = read_file(out, NULL),
                           .err = read_file(err, NULL) };
}

void place_free_result(place_result *r)
{
    free(r->out);
    free(r->err);
}
