/* hub_blob.h - one file of a model, from the hub into the cache: resumed, checked, linked. */
#ifndef CLI_HUB_BLOB_H
#define CLI_HUB_BLOB_H
#include "http.h"

typedef struct cli_blobs {
    cli_http *http;
    const cli_settings *settings;
    const char *repo, *commit;
    const char *base, *locks; /* CACHE/models--ORG--NAME, CACHE/.locks/models--ORG--NAME */
    int fetched;              /* files that had to be downloaded */
} cli_blobs;

/* Have the file in the snapshot of the commit. */
int cli_hub_blob(cli_blobs *, const char *name, b4c_error *);

/* A GET of something small, tried again when the connection fails. */
int cli_http_get_again(cli_http *, const char *url, const cli_sink *, cli_reply *, b4c_error *);
/* The message for a status that is no success. */
int cli_hub_status(const cli_http *, const char *repo, const char *what, long status, b4c_error *);
#endif
