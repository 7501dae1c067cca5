/* hub.c - models by their name on the hub: where caches are, what is in them, which files are
 * needed.
 *
 * Names come from outside: each part is checked before it becomes part of a path. A reference is
 * written after all files of its commit are there, so that a model which was pulled halfway is not
 * found.
 */
#include "hub.h"
#include "hub_blob.h"
#include "hub_choose.h"
#include "path.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names and folders ---------------------------------------------------------------------- */

/* One part of a name: letters, digits, '-', '_', '.'; not '.', '..' or hidden. */
static bool is_part(const char *p, size_t n)
{
    if (n == 0 || n > 96 || *p == '.' || *p == '-') return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && !strchr("-_.", p[i])) return false;
    return true;
}

/* A path of such parts. */
static bool are_parts(const char *p)
{
    for (;; p++) {
        const size_t n = strcspn(p, "/");
        if (!is_part(p, n)) return false;
        p += n;
        if (!*p) return true;
    }
}

/* ORG/NAME@REVISION taken apart. */
typedef struct hub_name {
    char repo[200], folder[210]; /* "ORG/NAME", "models--ORG--NAME" */
    char revision[200];
} hub_name;

static bool parse_name(const char *name, hub_name *h)
{
    const size_t n = strcspn(name, "@");
    if (n >= sizeof h->repo || strlen(name + n) >= sizeof h->revision) return false;
    snprintf(h->repo, sizeof h->repo, "%.*s", (int)n, name);
    snprintf(h->revision, sizeof h->revision, "%s", name[n] ? name + n + 1 : "main");
    const char *slash = strchr(h->repo, '/');
    if (!are_parts(h->repo) || !are_parts(h->revision) || (slash && strchr(slash + 1, '/')))
        return false;
    if (slash)
        snprintf(h->folder, sizeof h->folder, "models--%.*s--%s", (int)(slash - h->repo), h->repo,
                 slash + 1);
    else
        snprintf(h->folder, sizeof h->folder, "models--%s", h->repo);
    return true;
}

bool cli_hub_is_name(const char *name)
{
    hub_name h;
    return parse_name(name, &h);
}

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool cli_hub_is_offline(void)
{
    const char *v = set_variable("HF_HUB_OFFLINE");
    return v && (!strcmp(v, "1") || !strcasecmp(v, "true") || !strcasecmp(v, "yes") ||
                 !strcasecmp(v, "on"));
}

static const char *home(void)
{
    const char *h = set_variable("HOME");
    return h ? h : "/tmp";
}

char *cli_own_cache(void)
{
    const char *own = set_variable("BERT4C_CACHE"), *xdg = set_variable("XDG_CACHE_HOME");
    return own ? strdup(own)
         : xdg ? cli_path("%s/bert4c", xdg)
               : cli_path("%s/.cache/bert4c", home());
}

static char *hub_cache(void)
{
    const char *hub = set_variable("HF_HUB_CACHE"), *hf = set_variable("HF_HOME"),
               *xdg = set_variable("XDG_CACHE_HOME");
    if (hub) return strdup(hub);
    if (hf) return cli_path("%s/hub", hf);
    return xdg ? cli_path("%s/huggingface/hub", xdg)
               : cli_path("%s/.cache/huggingface/hub", home());
}

/* A line's worth of a small file, without blanks at its end. */
static bool read_line(const char *path, char *room, int size)
{
    FILE *f = path ? fopen(path, "r") : NULL;
    const bool got = f && fgets(room, size, f);
    if (f) fclose(f);
    if (got) room[strcspn(room, " \r\n")] = 0;
    return got;
}

static char *find_snapshot(const hub_name *h)
{
    char commit[200];
    char *cache = hub_cache(), *found = NULL;
    char *ref = cli_path("%s/%s/refs/%s", cache, h->folder, h->revision);
    if (!read_line(ref, commit, sizeof commit)) snprintf(commit, sizeof commit, "%s", h->revision);
    if (is_part(commit, strlen(commit)))
        found = cli_path("%s/%s/snapshots/%s", cache, h->folder, commit);
    if (!cli_is_folder(found)) {
        free(found);
        found = NULL;
    }
    free(ref);
    free(cache);
    return found;
}

char *cli_hub_find(const char *name)
{
    hub_name h;
    if (!parse_name(name, &h)) return NULL;
    char *cache = cli_own_cache();
    char *own = strchr(name, '@') ? NULL : cli_path("%s/models/%s", cache, h.repo);
    free(cache);
    if (cli_is_folder(own)) return own;
    free(own);
    return find_snapshot(&h);
}

/* ---- pulling -------------------------------------------------------------------------------- */

typedef struct body {
    char *bytes;
    size_t n;
} body;
enum { LIST_MOST = 16 << 20 };

static int add_to_body(void *arg, const char *bytes, size_t n)
{
    body *b = arg;
    char *more = b->n + n > LIST_MOST ? NULL : realloc(b->bytes, b->n + n + 1);
    if (!more) return B4C_E_MEMORY;
    memcpy(more + b->n, bytes, n);
    b->bytes = more;
    b->n += n;
    return 0;
}

/* The files of the revision as an object's keys, and its commit. */
static json_t *list_files(cli_http *http, const hub_name *h, char commit[200], b4c_error *err)
{
    body b = { 0 };
    cli_reply reply;
    const cli_sink sink = { NULL, add_to_body, &b };
    json_t *info = NULL, *files = NULL;
    json_error_t why;
    size_t i;
    json_t *one;
    char *revision = cli_http_escape(http, h->revision, false);
    char *url = cli_path("%s/api/models/%s/revision/%s", cli_http_endpoint(http), h->repo,
                         revision);
    int rc = cli_http_get_again(http, url, &sink, &reply, err);
    if (rc < 0 && rc != B4C_E_STOPPED && err) {
        b4c_error cause = *err;
        cli_fail(err, rc,
                 "cannot reach the hub: %s: %.300s; set HF_ENDPOINT to a mirror of it, or copy the "
                 "model's folder here and give it with -m FOLDER",
                 cli_http_endpoint(http), cause.message);
    }
    if (rc == 0 && reply.status != 200)
        rc = cli_hub_status(http, h->repo, h->revision, reply.status, err);
    if (rc == 0) {
        info = json_loadb(b.bytes ? b.bytes : "", b.n, 0, &why);
        const char *sha = json_string_value(json_object_get(info, "sha"));
        const json_t *siblings = json_object_get(info, "siblings");
        snprintf(commit, 200, "%s", sha ? sha : reply.commit);
        if (!json_is_array(siblings) || !is_part(commit, strlen(commit)))
            cli_fail(err, B4C_E_FORMAT,
                     "not the hub's answer: %s: found %s, wanted {\"sha\": ..., \"siblings\": "
                     "[...]}; is HF_ENDPOINT a hub?",
                     url, info ? "other keys" : "no JSON");
        else
            files = json_object();
        json_array_foreach(siblings, i, one)
        {
            const char *name = json_string_value(json_object_get(one, "rfilename"));
            if (files && name && are_parts(name)) json_object_set_new(files, name, json_true());
        }
    }
    json_decref(info);
    free(b.bytes);
    free(url);
    free(revision);
    return files;
}

static int write_ref(const char *folder, const hub_name *h, const char *commit, b4c_error *err)
{
    char *path = cli_path("%s/refs/%s", folder, h->revision),
         *beside = cli_path("%s/refs/%s.new", folder, h->revision);
    int rc = path && beside ? cli_make_folders(path, err)
                            : cli_fail(err, B4C_E_MEMORY, "no memory");
    FILE *f = rc == 0 ? fopen(beside, "w") : NULL;
    if (rc == 0) {
        bool good = f && fputs(commit, f) >= 0;
        if (f && fclose(f) != 0) good = false;
        if (!good || rename(beside, path) < 0)
            rc = cli_fail(err, B4C_E_IO, "cannot write: %s: %s", path, strerror(errno));
    }
    free(path);
    free(beside);
    return rc;
}

static int pull_files(cli_http *http, const hub_name *h, const cli_settings *s, const char *cache,
                      char **folder, b4c_error *err)
{
    char commit[200];
    size_t i;
    json_t *name;
    json_t *files = list_files(http, h, commit, err);
    json_t *chosen = files ? cli_hub_choose(files, h->repo, s->weights, err) : NULL;
    int rc = chosen ? 0 : err->code;
    char *base = cli_path("%s/%s", cache, h->folder);
    cli_blobs blobs = { http, s, h->repo, commit, base, cli_path("%s/.locks/%s", cache, h->folder),
                        0 };
    json_array_foreach(chosen, i, name)
    {
        if (rc == 0) rc = cli_hub_blob(&blobs, json_string_value(name), err);
    }
    if (rc == 0 && strcmp(h->revision, commit)) rc = write_ref(base, h, commit, err);
    if (rc == 0) *folder = cli_path("%s/snapshots/%s", base, commit);
    if (rc == 0)
        cli_say("%s: %d files are there, %d of them new", h->repo, (int)json_array_size(chosen),
                blobs.fetched);
    free((char *)blobs.locks);
    free(base);
    json_decref(files);
    json_decref(chosen);
    return rc;
}

int cli_hub_pull(const char *name, const cli_settings *s, char **folder, b4c_error *err)
{
    hub_name h;
    cli_http *http = NULL;
    *folder = NULL;
    if (!parse_name(name, &h))
        return cli_fail(err, B4C_E_ARG,
                        "not a name on the hub: found '%s', wanted ORG/NAME or ORG/NAME@REVISION",
                        name);
    if (cli_hub_is_offline()) {
        *folder = find_snapshot(&h);
        if (*folder) return 0;
        return cli_fail(
            err, B4C_E_MISSING,
            "not in the cache: %s: found HF_HUB_OFFLINE set, wanted to download it; unset it",
            name);
    }
    char *cache = hub_cache();
    int rc = cache ? cli_http_open(&http, err) : cli_fail(err, B4C_E_MEMORY, "no memory");
    if (rc == 0) rc = pull_files(http, &h, s, cache, folder, err);
    cli_http_close(http);
    free(cache);
    return rc;
}
