/* hub_blob.c - one file of a model, from the hub into the cache: resumed, checked, linked.
 *
 * The hub tells a file's hash before its bytes: SHA-256 of large files, git's SHA-1 of small ones.
 * Bytes gather in blobs/HASH.incomplete, which a later pull goes on with; only when its hash is
 * right does it get the name blobs/HASH. A lock keeps two pulls apart.
 */
#include "hub_blob.h"
#include "number.h"
#include "path.h"
#include "progress.h"
#include "sha.h"
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 4 };

typedef struct download {
    const char *name;
    int fd;
    long long at, size; /* bytes there; -1: size not told */
    cli_progress *progress;
    const char *path; /* of .incomplete */
    b4c_error *err;
} download;

/* ---- small things --------------------------------------------------------------------------- */

int cli_hub_status(const cli_http *http, const char *repo, const char *what, long status,
                   b4c_error *err)
{
    const char *token = cli_http_has_token(http) ? "HF_TOKEN may not read it"
                                                 : "set HF_TOKEN to a token that may read it";
    if (status == 401)
        return cli_fail(err, B4C_E_MISSING,
                        "not allowed: %s (%s): found status 401: there is no such model, or it is "
                        "private; check the name, or %s",
                        repo, what, token);
    if (status == 403)
        return cli_fail(err, B4C_E_MISSING,
                        "not allowed: %s (%s): found status 403: its page asks to accept terms "
                        "first; do that, and %s",
                        repo, what, token);
    if (status == 404)
        return cli_fail(
            err, B4C_E_MISSING,
            "not found: %s (%s): found status 404 at %s; check the name and the revision", repo,
            what, cli_http_endpoint(http));
    if (status == 429)
        return cli_fail(err, B4C_E_IO,
                        "too many requests: %s (%s): found status 429; try again later", repo,
                        what);
    return cli_fail(
        err, B4C_E_IO,
        "no answer of use: %s (%s): found status %ld from %s, wanted 200; try again later", repo,
        what, status, cli_http_endpoint(http));
}

/* A quarter of a second, a half, one; ends early on Ctrl-C. */
static void wait_before(int try)
{
    for (int left = 5 << try; left > 0 && !cli_stopped(); left--)
        nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
}

/* Is it worth asking again? */
static bool is_passing(int rc, long status)
{
    return rc == B4C_E_IO || (rc == 0 && (status == 429 || status >= 500));
}

int cli_http_get_again(cli_http *http, const char *url, const cli_sink *sink, cli_reply *reply,
                       b4c_error *err)
{
    for (int try = 0;; try++) {
        const int rc = url ? cli_http_get(http, url, 0, sink, reply, err)
                           : cli_fail(err, B4C_E_MEMORY, "no memory");
        /* A body that came in part cannot be taken back. */
        if (!is_passing(rc, reply->status) || reply->status == 200 || try + 1 == TRIES ||
            cli_stopped())
            return rc;
        wait_before(try);
    }
}

/* ---- hashes --------------------------------------------------------------------------------- */

static bool is_hex(const char *text, size_t n)
{
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

/* Has the file the hash that the hub told? 1: yes; 0: no; negative: it cannot be read. */
static int has_hash(int fd, const char *etag, char found[65], b4c_error *err)
{
    char buffer[1 << 16], head[40];
    struct stat st;
    cli_sha sha;
    ssize_t n;
    off_t at = 0;
    if (is_hex(etag, 64))
        cli_sha256_start(&sha);
    else {
        cli_sha1_start(&sha);
        if (fstat(fd, &st) < 0)
            return cli_fail(err, B4C_E_IO, "cannot read a download: %s", strerror(errno));
        cli_sha_add(&sha, head, 1 + (size_t)sprintf(head, "blob %lld", (long long)st.st_size));
    }
    while ((n = pread(fd, buffer, sizeof buffer, at)) > 0) {
        cli_sha_add(&sha, buffer, (size_t)n);
        at += n;
        if (cli_stopped()) return cli_fail(err, B4C_E_STOPPED, "stopped");
    }
    if (n < 0) return cli_fail(err, B4C_E_IO, "cannot read a download: %s", strerror(errno));
    cli_sha_end(&sha, found);
    return !strcmp(found, etag);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int begin_bytes(void *arg, long status)
{
    download *d = arg;
    if (status == 206) return 0;
    /* The server sends all of it again. */
    d->at = 0;
    return ftruncate(d->fd, 0) < 0
             ? cli_fail(d->err, B4C_E_FORMAT, "cannot write: %s: %s", d->path, strerror(errno))
             : 0;
}

static int add_bytes(void *arg, const char *bytes, size_t n)
{
    download *d = arg;
    while (n) {
        const ssize_t w = pwrite(d->fd, bytes, n, (off_t)d->at);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0)
            return cli_fail(d->err, B4C_E_FORMAT, "cannot write: %s: %s", d->path, strerror(errno));
        bytes += w;
        n -= (size_t)w;
        d->at += w;
    }
    cli_progress_show(d->progress, d->name, d->at, d->at, d->size);
    return 0;
}

/* Bytes into .incomplete from where it ends, until it has them all. */
static int fetch_bytes(const cli_blobs *b, const char *url, download *d, b4c_error *err)
{
    const cli_sink sink = { begin_bytes, add_bytes, d };
    cli_reply reply = { 0 };
    for (int try = 0; d->size < 0 || d->at < d->size; try++) {
        const long long before = d->at;
        const int rc = cli_http_get(b->http, url, d->at, &sink, &reply, err);
        if (rc == 0 && reply.status == 416) {
            /* Nothing from there on: what we have is too long, or another file. */
            if (d->at == 0 || ftruncate(d->fd, 0) < 0)
                return cli_hub_status(b->http, b->repo, d->name, reply.status, err);
            d->at = 0;
        } else if (rc == 0 && (reply.status == 200 || reply.status == 206)) {
            if (d->size < 0 || d->at >= d->size) return 0;
            cli_fail(err, B4C_E_IO, "the connection ended early");
        } else if (!is_passing(rc, reply.status))
            return rc < 0 ? rc : cli_hub_status(b->http, b->repo, d->name, reply.status, err);
        if (cli_stopped()) return cli_fail(err, B4C_E_STOPPED, "stopped");
        if (d->at > before) try = 0; /* it goes forward: patience */
        if (try + 1 >= TRIES) {
            b4c_error cause = *err;
            if (rc == 0 && reply.status >= 400)
                return cli_hub_status(b->http, b->repo, d->name, reply.status, err);
            return cli_fail(err, B4C_E_IO,
                            "download broke off: %s/%s: %.300s; what came is kept: pull again goes "
                            "on from byte %lld",
                            b->repo, d->name, cause.message, d->at);
        }
        wait_before(try);
    }
    return 0;
}

static int check_download(const cli_blobs *b, const download *d, const char *etag, b4c_error *err)
{
    char found[65];
    if (d->size >= 0 && d->at != d->size) {
        unlink(d->path);
        return cli_fail(err, B4C_E_FORMAT,
                        "wrong size: %s/%s: found %lld bytes, wanted %lld; pull again", b->repo,
                        d->name, d->at, d->size);
    }
    if (!is_hex(etag, 40) && !is_hex(etag, 64)) {
        cli_say("%s/%s: the hub told no hash; its content is not checked", b->repo, d->name);
        return 0;
    }
    const int same = has_hash(d->fd, etag, found, err);
    if (same != 0) return same < 0 ? same : 0;
    unlink(d->path);
    return cli_fail(err, B4C_E_FORMAT,
                    "wrong checksum: %s/%s: found %s, wanted %s; the download was thrown away: "
                    "pull again, or from another HF_ENDPOINT",
                    b->repo, d->name, found, etag);
}

/* blobs/ETAG from the hub. */
static int fetch_blob(cli_blobs *b, const char *name, const char *url, const cli_reply *told,
                      const char *blob, b4c_error *err)
{
    cli_progress progress;
    struct stat st;
    char *path = cli_path("%s.incomplete", blob);
    download d = { name, -1, 0, told->size, &progress, path, err };
    int rc = path ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory");
    if (rc == 0 && (d.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
        rc = cli_fail(err, B4C_E_IO, "cannot write: %s: %s", path, strerror(errno));
    if (rc == 0 && fstat(d.fd, &st) == 0) d.at = st.st_size;
    if (rc == 0 && d.size >= 0 && d.at > d.size)
        d.at = ftruncate(d.fd, 0) < 0 ? d.at : 0; /* of another time */
    if (rc == 0) {
        char size[32];
        cli_say("%s/%s%s%s%s", b->repo, name, d.size >= 0 ? ", " : "",
                d.size >= 0 ? cli_bytes_text(d.size, size) : "", d.at ? ", goes on" : "");
        cli_progress_start(&progress, b->settings, "bytes");
        rc = fetch_bytes(b, url, &d, err);
        cli_progress_end(&progress);
    }
    if (rc == 0) rc = check_download(b, &d, told->etag, err);
    if (rc == 0 && (fsync(d.fd) < 0 || rename(path, blob) < 0))
        rc = cli_fail(err, B4C_E_IO, "cannot write: %s: %s", blob, strerror(errno));
    if (d.fd >= 0) close(d.fd);
    free(path);
    b->fetched += rc == 0;
    return rc;
}

/* ---- into the snapshot ---------------------------------------------------------------------- */

static int link_blob(const cli_blobs *b, const char *name, const char *etag, const char *blob,
                     b4c_error *err)
{
    char up[64] = "../../", there[400];
    char *path = cli_path("%s/snapshots/%s/%s", b->base, b->commit, name);
    int rc = path ? cli_make_folders(path, err) : cli_fail(err, B4C_E_MEMORY, "no memory");
    for (const char *p = name; (p = strchr(p, '/')) && strlen(up) < sizeof up - 4; p++)
        strcat(up, "../");
    char *to = cli_path("%sblobs/%s", up, etag);
    const ssize_t n = rc == 0 ? readlink(path, there, sizeof there) : -1;
    if (rc == 0 && !(to && n == (ssize_t)strlen(to) && !memcmp(there, to, (size_t)n))) {
        unlink(path);
        /* Where there are no links the file itself stands in the snapshot, as the hub's own
         * programs do it. */
        if ((!to || symlink(to, path) < 0) && rename(blob, path) < 0)
            rc = cli_fail(err, B4C_E_IO, "cannot write: %s: %s", path, strerror(errno));
    }
    free(to);
    free(path);
    return rc;
}

/* Wait for the lock of one file. Its descriptor, or negative. */
static int lock_file(const cli_blobs *b, const char *etag, b4c_error *err)
{
    char *path = cli_path("%s/%s.lock", b->locks, etag);
    int fd = -1;
    if (path && cli_make_folders(path, err) == 0) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
            cli_say("%s: another program downloads the same file; waiting for it", b->repo);
            if (flock(fd, LOCK_EX) < 0) {
                close(fd);
                fd = -1;
            }
        }
        if (fd < 0)
            cli_fail(err, cli_stopped() ? B4C_E_STOPPED : B4C_E_IO, "cannot lock: %s: %s", path,
                     strerror(errno));
    }
    free(path);
    return fd;
}

static int have_blob(cli_blobs *b, const char *name, const char *url, const cli_reply *told,
                     b4c_error *err)
{
    struct stat st;
    char *blob = cli_path("%s/blobs/%s", b->base, told->etag);
    int rc = blob ? cli_make_folders(blob, err) : cli_fail(err, B4C_E_MEMORY, "no memory");
    const int lock = rc == 0 ? lock_file(b, told->etag, err) : -1;
    if (rc == 0 && lock < 0) rc = err->code;
    const bool there = rc == 0 && stat(blob, &st) == 0 &&
                       (told->size < 0 || st.st_size == told->size);
    if (rc == 0 && !there) rc = fetch_blob(b, name, url, told, blob, err);
    if (rc == 0) rc = link_blob(b, name, told->etag, blob, err);
    if (lock >= 0) close(lock);
    free(blob);
    return rc;
}

int cli_hub_blob(cli_blobs *b, const char *name, b4c_error *err)
{
    cli_reply told;
    int rc = 0;
    char *escaped = cli_http_escape(b->http, name, true);
    char *url = escaped ? cli_path("%s/%s/resolve/%s/%s", cli_http_endpoint(b->http), b->repo,
                                   b->commit, escaped)
                        : NULL;
    if (!url) rc = cli_fail(err, B4C_E_MEMORY, "no memory");
    for (int try = 0; rc == 0; try++) {
        rc = cli_http_head(b->http, url, &told, err);
        if (!is_passing(rc, told.status) || try + 1 == TRIES || cli_stopped()) break;
        wait_before(try);
        rc = 0;
    }
    if (rc == 0 && (told.status < 200 || told.status > 399))
        rc = cli_hub_status(b->http, b->repo, name, told.status, err);
    if (rc == 0 &&
        (!*told.etag ||
         strspn(told.etag, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") !=
             strlen(told.etag)))
        rc = cli_fail(err, B4C_E_FORMAT,
                      "no file name: %s/%s: found '%s' as ETag, wanted the file's hash; is "
                      "HF_ENDPOINT a hub?",
                      b->repo, name, told.etag);
    if (rc == 0) rc = have_blob(b, name, url, &told, err);
    free(url);
    free(escaped);
    return rc;
}
