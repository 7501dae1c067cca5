/* http.h - requests to a hub, by libcurl.
 *
 * Redirects are followed here and not by libcurl, so that the rule about the token stands in one
 * place: it goes to the origin (scheme, host and port) of HF_ENDPOINT and to no other.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H
#include "options.h"

typedef struct cli_http cli_http;

typedef struct cli_reply {
    long status;      /* of the last hop */
    char etag[129];   /* X-Linked-Etag, else ETag; without quotes and W/; "" when there is none */
    char commit[129]; /* X-Repo-Commit, or "" */
    long long size;   /* X-Linked-Size, else Content-Length; -1: not told */
    bool sized_by_link;
} cli_reply;

/* Where a body goes. start is called once, with the status, before the first bytes of a 200 or 206;
 * a negative return ends the request. */
typedef struct cli_sink {
    int (*start)(void *arg, long status);
    int (*bytes)(void *arg, const char *bytes, size_t n);
    void *arg;
} cli_sink;

/* Reads HF_ENDPOINT and HF_TOKEN. */
int cli_http_open(cli_http **, b4c_error *);
void cli_http_close(cli_http *);
const char *cli_http_endpoint(const cli_http *);
bool cli_http_has_token(const cli_http *);
/* Text as part of a URL's path, '/' kept where `slashes`; malloc'ed. */
char *cli_http_escape(cli_http *, const char *text, bool slashes);

/* HEAD: stays with the origin; a redirect to another host is the answer. */
int cli_http_head(cli_http *, const char *url, cli_reply *, b4c_error *);
/* GET from byte `from` on (0: all). B4C_E_IO: the connection failed, and trying again may help;
 * B4C_E_STOPPED: Ctrl-C. Any status that came is no error here. */
int cli_http_get(cli_http *, const char *url, long long from, const cli_sink *, cli_reply *,
                 b4c_error *);
#endif
