/* fake_hub.c - see fake_hub.h. One thread, one connection at a time, every connection closed after
 * its answer. */
#include "cli/fake_hub.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static fake_hub *hub;
static pthread_t thread;
static int listener[2], stop_pipe[2];

typedef struct request {
    char method[8], path[1024];
    long from; /* of Range; -1: none */
    bool token;
} request;

static int listen_on_loopback(int *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static bool read_request(int fd, request *r)
{
    char text[8192];
    size_t n = 0;
    *r = (request){ .from = -1 };
    while (n < sizeof text - 1) {
        const ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) return false;
        n += (size_t)got;
        text[n] = 0;
        if (strstr(text, "\r\n\r\n")) break;
    }
    if (sscanf(text, "%7s %1023s", r->method, r->path) != 2) return false;
    for (char *line = strstr(text, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line + 2, "range: bytes=", 13)) r->from = atol(line + 15);
        if (!strncasecmp(line + 2, "authorization: Bearer secret", 28)) r->token = true;
    }
    return true;
}

static void note(const char *host, const request *r)
{
    const size_t n = strlen(hub->log);
    char range[24] = "-";
    if (r->from >= 0) snprintf(range, sizeof range, "%ld", r->from);
    snprintf(hub->log + n, sizeof hub->log - n, "%s %s %s range=%s token=%s\n", host, r->method,
             r->path, range, r->token ? "yes" : "no");
}

static void send_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void answer(int fd, int status, const char *headers, const char *body, size_t size,
                   bool head)
{
    char text[2048];
    const int n = snprintf(text, sizeof text,
                           "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
                           status, size, headers);
    send_all(fd, text, (size_t)n);
    if (!head) send_all(fd, body, size);
}

static const fake_file *find_file(const char *name)
{
    for (const fake_file *f = hub->files; f->name; f++)
        if (!strcmp(f->name, name)) return f;
    return NULL;
}

static void send_list(int fd, const request *r)
{
    char body[8192];
    int n = snprintf(body, sizeof body, "{\"id\":\"%s\",\"sha\":\"%s\",\"siblings\":[", hub->repo,
                     hub->commit);
    for (const fake_file *f = hub->files; f->name; f++)
        n += snprintf(body + n, sizeof body - (size_t)n, "%s{\"rfilename\":\"%s\"}",
                      f == hub->files ? "" : ",", f->name);
    snprintf(body + n, sizeof body - (size_t)n, "]}");
    const char *sent = hub->list ? hub->list : body;
    answer(fd, 200, "Content-Type: application/json\r\n", sent, strlen(sent),
           !strcmp(r->method, "HEAD"));
}

/* A file's bytes, from where they are asked for. */
static void send_file(int fd, const request *r, const fake_file *f, const char *headers)
{
    char all[1024];
    const bool head = !strcmp(r->method, "HEAD");
    const size_t from = r->from > 0 && !hub->no_range ? (size_t)r->from : 0;
    if (from >= f->size && r->from > 0 && !hub->no_range) {
        answer(fd, 416, headers, "", 0, head);
        return;
    }
    char *bytes = malloc(f->size + 1);
    memcpy(bytes, f->bytes, f->size);
    if (hub->spoil && f->large) bytes[f->size / 2] ^= 1;
    snprintf(all, sizeof all, "%sAccept-Ranges: bytes\r\n", headers);
    if (from)
        snprintf(all + strlen(all), sizeof all - strlen(all),
                 "Content-Range: bytes %zu-%zu/%zu\r\n", from, f->size - 1, f->size);
    if (f->large && hub->cuts > 0 && !head) {
        char text[2048];
        hub->cuts--;
        const size_t part = hub->cut_after < f->size - from ? hub->cut_after : f->size - from;
        const int n = snprintf(
            text, sizeof text,
            "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", from ? 206 : 200,
            f->size - from, all);
        send_all(fd, text, (size_t)n);
        send_all(fd, bytes + from, part);
    } else
        answer(fd, from ? 206 : 200, all, bytes + from, f->size - from, head);
    free(bytes);
}

static void serve_hub(int fd, const request *r)
{
    char list[256], files[256], headers[1024];
    const bool head = !strcmp(r->method, "HEAD");
    snprintf(list, sizeof list, "/api/models/%s/revision/", hub->repo);
    snprintf(files, sizeof files, "/%s/resolve/%s/", hub->repo, hub->commit);
    const bool kept = !strncmp(r->path, "/kept/", 6);
    const fake_file *f = kept ? find_file(r->path + 6)
                       : !strncmp(r->path, files, strlen(files))
                           ? find_file(r->path + strlen(files))
                           : NULL;
    if (hub->status)
        answer(fd, hub->status, "", "sorry", 5, head);
    else if (hub->busy > 0 && hub->busy--)
        answer(fd, 503, "", "busy", 4, head);
    else if (!strncmp(r->path, list, strlen(list)))
        send_list(fd, r);
    else if (!f)
        answer(fd, 404, "", "no", 2, head);
    else if (f->large) {
        snprintf(headers, sizeof headers,
                 "X-Repo-Commit: %s\r\nX-Linked-Etag: \"%s\"\r\nX-Linked-Size: %zu\r\nETag: "
                 "\"other\"\r\n"
                 "Location: http://127.0.0.1:%d/content/%s\r\n",
                 hub->commit, f->hash, f->size, hub->other_port, f->name);
        answer(fd, 302, headers, "moved", 5, head);
    } else if (hub->detour && !kept) {
        snprintf(headers, sizeof headers, "X-Repo-Commit: %s\r\nLocation: /kept/%s\r\n",
                 hub->commit, f->name);
        answer(fd, 307, headers, "kept", 4, head);
    } else {
        snprintf(headers, sizeof headers, "X-Repo-Commit: %s\r\nETag: W/\"%s\"\r\n", hub->commit,
                 f->hash);
        send_file(fd, r, f, headers);
    }
}

static void serve_other(int fd, const request *r)
{
    const fake_file *f = !strncmp(r->path, "/content/", 9) ? find_file(r->path + 9) : NULL;
    if (f)
        send_file(fd, r, f, "ETag: \"content\"\r\n");
    else
        answer(fd, 404, "", "no", 2, false);
}

static void *serve(void *unused)
{
    struct pollfd p[3] = { { listener[0], POLLIN, 0 },
                           { listener[1], POLLIN, 0 },
                           { stop_pipe[0], POLLIN, 0 } };
    (void)unused;
    while (poll(p, 3, -1) > 0 && !p[2].revents)
        for (int i = 0; i < 2; i++) {
            request r;
            const int fd = p[i].revents ? accept(listener[i], NULL, NULL) : -1;
            if (fd < 0) continue;
            if (read_request(fd, &r)) {
                note(i ? "other" : "hub", &r);
                if (i)
                    serve_other(fd, &r);
                else
                    serve_hub(fd, &r);
            }
            shutdown(fd, SHUT_WR);
            close(fd);
        }
    return NULL;
}

void fake_hub_start(fake_hub *h)
{
    hub = h;
    listener[0] = listen_on_loopback(&h->port);
    listener[1] = listen_on_loopback(&h->other_port);
    snprintf(h->address, sizeof h->address, "http://127.0.0.1:%d", h->port);
    assert_int_equal(pipe(stop_pipe), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

void fake_hub_stop(void)
{
    assert_int_equal(write(stop_pipe[1], "x", 1), 1);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(listener[i]);
        close(stop_pipe[i]);
    }
}

void fake_hub_forget(fake_hub *h) { h->log[0] = 0; }
