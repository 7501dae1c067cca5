/* hub.h - models by their name on the hub: found in a cache, or pulled into it.
 *
 * The cache is the one that the hub's own programs share, laid out as they lay it out:
 *
 *   CACHE/models--ORG--NAME/blobs/HASH              contents, named by their SHA-256 or git's SHA-1
 *                          /snapshots/COMMIT/FILE   links to ../../blobs/HASH
 *                          /refs/REVISION           the commit that a branch or tag stood at
 *   CACHE/.locks/models--ORG--NAME/HASH.lock
 *
 * CACHE is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.
 */
#ifndef CLI_HUB_H
#define CLI_HUB_H
#include "options.h"

/* Could it be a name on the hub: NAME or ORG/NAME, with @REVISION or without? */
bool cli_hub_is_name(const char *name);
/* bert4c's own cache: BERT4C_CACHE, else XDG_CACHE_HOME/bert4c, else ~/.cache/bert4c. malloc'ed. */
char *cli_own_cache(void);
/* Folder of a model that is there: models/ORG/NAME in bert4c's own cache, else a snapshot of the
 * hub's. malloc'ed; NULL: it is not. */
char *cli_hub_find(const char *name);
/* Download what is needed of a model; *folder (malloc'ed) is its snapshot. */
int cli_hub_pull(const char *name, const cli_settings *, char **folder, b4c_error *);
/* HF_HUB_OFFLINE */
bool cli_hub_is_offline(void);
#endif
