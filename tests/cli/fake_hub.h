/* fake_hub.h - a hub on loopback, in a thread of the test: lists, files, redirects to a second
 * host, and faults on request.
 *
 * It answers as the real one does: the API lists a revision's files; /resolve/ answers HEAD with
 * the hash as ETag; a large file's GET is a redirect to another origin (another port here). Each
 * request is noted in a log.
 */
#ifndef B4C_TEST_FAKE_HUB_H
#define B4C_TEST_FAKE_HUB_H
#include <stdbool.h>
#include <stddef.h>

typedef struct fake_file {
    const char *name;
    const char *bytes;
    size_t size;
    const char *hash; /* ETag: 64 hex of SHA-256 for large ones, 40 of git's SHA-1 */
    bool large;       /* X-Linked-Etag, and a redirect to the other host */
} fake_file;

/* What the hub does; may be changed between runs of the command. */
typedef struct fake_hub {
    const char *repo, *commit; /* "org/name", 40 hex */
    const fake_file *files;    /* ended by one without a name */
    int status;                /* not 0: the answer to every request to the hub's own port */
    int busy;                  /* so many requests are answered 503 first */
    size_t cut_after; /* not 0: a body of a large file ends after so many bytes, `cuts` times */
    int cuts;
    bool no_range;    /* a Range is not understood: the whole file comes */
    bool detour;      /* a small file is redirected to another path of the hub, told relatively */
    bool spoil;       /* a large file's bytes are others than the hash says */
    const char *list; /* not NULL: the body of the list, instead of the files */
    /* filled in by _start */
    int port, other_port;
    char address[64];  /* http://127.0.0.1:PORT */
    char log[1 << 16]; /* a line a request: "hub GET /path range=- token=yes" */
} fake_hub;

void fake_hub_start(fake_hub *);
void fake_hub_stop(void);
void fake_hub_forget(fake_hub *); /* empties the log */
#endif
