/* sha.h - SHA-256 and SHA-1 (FIPS 180-4): the hub names files by them. SHA-1 only compares with
 * names, it guards nothing. */
#ifndef CLI_SHA_H
#define CLI_SHA_H
#include <stddef.h>
#include <stdint.h>

typedef struct cli_sha {
    uint32_t h[8];
    int words; /* 8: SHA-256, 5: SHA-1 */
    uint64_t bytes;
    unsigned char block[64];
} cli_sha;

void cli_sha256_start(cli_sha *);
void cli_sha1_start(cli_sha *);
void cli_sha_add(cli_sha *, const void *bytes, size_t n);
void cli_sha_end(cli_sha *, char hex[65]);
#endif
