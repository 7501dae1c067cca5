/* http.c - requests to a hub, by libcurl. */
#include "http.h"
#include "signals.h"
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOPS = 8, CONNECT_SECONDS = 15, SILENCE_SECONDS = 30 };

struct cli_http {
    CURL *curl;
    char *endpoint; /* without a slash at the end */
    char *token;    /* NULL: none */
    char why[CURL_ERROR_SIZE];
};

typedef struct request {
    cli_http *http;
    cli_reply *reply;
    const cli_sink *sink;
    bool started;
    int failed; /* what the sink returned */
} request;

/* ---- where to, and with which token --------------------------------------------------------- */

static char *url_part(const char *url, CURLUPart part)
{
    char *text = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl_url_get(u, part, &text, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    return text;
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
    char *x = url_part(a, part), *y = url_part(b, part);
    const bool same = x && y && !strcasecmp(x, y);
    curl_free(x);
    curl_free(y);
    return same;
}

static bool same_origin(const char *a, const char *b)
{
    return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
           same_part(a, b, CURLUPART_PORT);
}

static bool is_https(const char *url) { return !strncasecmp(url, "https://", 8); }

int cli_http_open(cli_http **out, b4c_error *err)
{
    const char *endpoint = getenv("HF_ENDPOINT"), *token = getenv("HF_TOKEN");
    cli_http *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(h->curl = curl_easy_init())) {
        free(h);
        return cli_fail(err, B4C_E_MEMORY, "no memory for a connection");
    }
    if (!endpoint || !*endpoint) endpoint = "https://huggingface.co";
    h->endpoint = strdup(endpoint);
    for (size_t n = h->endpoint ? strlen(h->endpoint) : 0; n && h->endpoint[n - 1] == '/'; n--)
        h->endpoint[n - 1] = 0;
    char *host = h->endpoint ? url_part(h->endpoint, CURLUPART_HOST) : NULL;
    const bool web = h->endpoint &&
                     (is_https(h->endpoint) || !strncasecmp(h->endpoint, "http://", 7));
    int rc = host && web ? 0
                         : cli_fail(err, B4C_E_ARG,
                                    "wrong address: HF_ENDPOINT: found '%s', wanted the hub's, as "
                                    "in https://huggingface.co",
                                    endpoint);
    curl_free(host);
    if (rc == 0 && token && *token) {
        for (const char *p = token; *p; p++)
            if (!isgraph((unsigned char)*p))
                rc = cli_fail(err, B4C_E_ARG,
                              "wrong token: HF_TOKEN: found a blank or control character in it, "
                              "wanted the token alone");
        h->token = strdup(token);
    }
    if (rc < 0)
        cli_http_close(h);
    else
        *out = h;
    return rc;
}

void cli_http_close(cli_http *h)
{
    if (!h) return;
    curl_easy_cleanup(h->curl);
    free(h->endpoint);
    free(h->token);
    free(h);
    curl_global_cleanup();
}

const char *cli_http_endpoint(const cli_http *h) { return h->endpoint; }
bool cli_http_has_token(const cli_http *h) { return h->token != NULL; }

char *cli_http_escape(cli_http *h, const char *text, bool slashes)
{
    char *all = malloc(3 * strlen(text) + 1), *to = all;
    for (const char *p = text; all && *p;) {
        const size_t n = slashes ? strcspn(p, "/") : strlen(p);
        char *part = n ? curl_easy_escape(h->curl, p, (int)n) : NULL;
        if (n && !part) {
            free(all);
            return NULL;
        }
        to = stpcpy(to, part ? part : "");
        curl_free(part);
        p += n;
        if (*p) *to++ = *p++;
    }
    if (all) *to = 0;
    return all;
}

/* ---- one request ---------------------------------------------------------------------------- */

/* "NAME: VALUE\r\n": the value into room when the name fits. */
static bool header_value(const char *line, size_t n, const char *name, char *room, size_t size)
{
    const size_t m = strlen(name);
    if (n <= m || strncasecmp(line, name, m) || line[m] != ':') return false;
    const char *from = line + m + 1, *to = line + n;
    while (from < to && isspace((unsigned char)*from)) from++;
    while (to > from && isspace((unsigned char)to[-1])) to--;
    snprintf(room, size, "%.*s", (int)(to - from), from);
    return true;
}

static void set_etag(cli_reply *r, const char *value)
{
    if (!strncmp(value, "W/", 2)) value += 2;
    if (*value == '"') value++;
    snprintf(r->etag, sizeof r->etag, "%.*s", (int)strcspn(value, "\""), value);
}

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    cli_reply *r = ((request *)arg)->reply;
    char value[129];
    (void)one;
    if (header_value(line, n, "x-linked-etag", value, sizeof value)) {
        set_etag(r, value);
        r->sized_by_link = true;
    } else if (header_value(line, n, "etag", value, sizeof value)) {
        if (!r->sized_by_link) set_etag(r, value);
    } else if (header_value(line, n, "x-repo-commit", value, sizeof value))
        snprintf(r->commit, sizeof r->commit, "%s", value);
    else if (header_value(line, n, "x-linked-size", value, sizeof value)) {
        r->size = strtoll(value, NULL, 10);
        r->sized_by_link = true;
    } else if (header_value(line, n, "content-length", value, sizeof value)) {
        if (!r->sized_by_link) r->size = strtoll(value, NULL, 10);
    }
    return n;
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
    request *q = arg;
    long status = 0;
    (void)one;
    curl_easy_getinfo(q->http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!q->sink || (status != 200 && status != 206))
        return n; /* an error page: the status says it */
    if (!q->started && q->sink->start) q->failed = q->sink->start(q->sink->arg, status);
    q->started = true;
    if (q->failed == 0) q->failed = q->sink->bytes(q->sink->arg, bytes, n);
    return q->failed < 0 ? 0 : n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return cli_stopped(); /* not 0: give up */
}

static int perform(cli_http *h, const char *url, bool head, long long from, request *q,
                   b4c_error *err)
{
    char range[40], agent[] = "bert4c/" B4C_VERSION;
    struct curl_slist *headers = curl_slist_append(NULL, "Accept-Encoding: identity");
    CURL *c = h->curl;
    curl_easy_reset(c);
    h->why[0] = 0;
    curl_easy_setopt(c, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NOBODY, head ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_SECONDS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, q);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    if (h->token && same_origin(url, h->endpoint)) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, h->token);
    }
    if (from > 0) {
        snprintf(range, sizeof range, "%lld-", from);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
    const CURLcode rc = curl_easy_perform(c);
    curl_slist_free_all(headers);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &q->reply->status);
    if (rc == CURLE_OK) return 0;
    if (q->failed < 0) return q->failed;
    if (cli_stopped()) return cli_fail(err, B4C_E_STOPPED, "stopped");
    return cli_fail(err, B4C_E_IO, "%s", h->why[0] ? h->why : curl_easy_strerror(rc));
}

static int follow(cli_http *h, const char *url, bool head, long long from, const cli_sink *sink,
                  cli_reply *reply, b4c_error *err)
{
    char *at = strdup(url);
    int rc = at ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory");
    *reply = (cli_reply){ .size = -1 };
    for (int hop = 0; rc == 0; hop++) {
        request q = { h, reply, sink, false, 0 };
        char *next = NULL;
        if (!reply->sized_by_link) reply->size = -1;
        if ((rc = perform(h, at, head, from, &q, err)) < 0 || reply->status < 300 ||
            reply->status > 399)
            break;
        curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &next);
        if (!next || (head && !same_origin(next, h->endpoint))) break;
        if (hop == HOPS)
            rc = cli_fail(err, B4C_E_FORMAT, "too many redirects: %s: found more than %d", url,
                          HOPS);
        else if (is_https(at) && !is_https(next))
            rc = cli_fail(err, B4C_E_FORMAT, "unsafe redirect: %s: found one to %s, wanted https",
                          url, next);
        next = rc == 0 ? strdup(next) : NULL;
        free(at);
        at = next;
        if (rc == 0 && !at) rc = cli_fail(err, B4C_E_MEMORY, "no memory");
    }
    free(at);
    return rc;
}

int cli_http_head(cli_http *h, const char *url, cli_reply *reply, b4c_error *err)
{
    return follow(h, url, true, 0, NULL, reply, err);
}

int cli_http_get(cli_http *h, const char *url, long long from, const cli_sink *sink,
                 cli_reply *reply, b4c_error *err)
{
    return follow(h, url, false, from, sink, reply, err);
}
