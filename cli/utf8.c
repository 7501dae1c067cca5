/* utf8.c - checking UTF-8, converting to it, and how wide text is on a terminal. */
#include "utf8.h"
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

size_t cli_utf8_bad(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < size;) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        const int more = p[i] >= 0xc2 && p[i] < 0xe0 ? 1
                       : p[i] >= 0xe0 && p[i] < 0xf0 ? 2
                       : p[i] >= 0xf0 && p[i] < 0xf5 ? 3
                                                     : 0;
        if (!more || size - i <= (size_t)more) return i;
        /* The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF.
         */
        const unsigned char low = p[i] == 0xe0 ? 0xa0
                                : p[i] == 0xf0 ? 0x90
                                               : 0x80,
                            high = p[i] == 0xed ? 0x9f
                                 : p[i] == 0xf4 ? 0x8f
                                                : 0xbf;
        if (p[i + 1] < low || p[i + 1] > high) return i;
        for (int k = 2; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80) return i;
        i += (size_t)more + 1;
    }
    return size;
}

static bool converts(cli_charset from, const char *text, size_t size)
{
    cli_recode c = { 0 };
    const char *out;
    size_t n, bad;
    const bool good = cli_recode_open(&c, from, NULL) == 0 &&
                      cli_recode_text(&c, text, size, &out, &n, &bad, NULL) == 0;
    cli_recode_close(&c);
    return good;
}

size_t cli_utf8_count(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

const char *cli_utf8_advice(const char *text, size_t size)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *advice;
    } kinds[] = {
        { "\x1f\x8b", 2, "it is gzip: zcat FILE | bert4c ..." },
        { "\xfd"
          "7zXZ",
          5, "it is xz: xzcat FILE | bert4c ..." },
        { "\x28\xb5\x2f\xfd", 4, "it is zstd: zstdcat FILE | bert4c ..." },
        { "BZh", 3, "it is bzip2: bzcat FILE | bert4c ..." },
        { "PK\x03\x04", 4, "it is a zip archive: unzip -p FILE | bert4c ..." },
        { "\xff\xfe", 2, "it looks like UTF-16: iconv -f UTF-16 -t UTF-8 FILE | bert4c ..." },
        { "\xfe\xff", 2, "it looks like UTF-16: iconv -f UTF-16 -t UTF-8 FILE | bert4c ..." },
        { "\x93NUMPY", 6, "it is a .npy file: vectors, not text" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].n && !memcmp(text, kinds[i].magic, kinds[i].n)) return kinds[i].advice;
    if (converts(CLI_GB18030, text, size))
        return "it looks like GB18030: --encoding gb18030 converts it";
    if (converts(CLI_BIG5, text, size)) return "it looks like Big5: --encoding big5 converts it";
    return "is it text? iconv -c -t UTF-8 drops such bytes";
}

/* ---- conversion ----------------------------------------------------------------------------- */

/* GB18030 holds all of GBK. */
static const char *const charset_name[] = { "UTF-8", "GB18030", "GB18030", "BIG5-HKSCS" };

int cli_recode_open(cli_recode *c, cli_charset from, b4c_error *err)
{
    c->from = from;
    if (from == CLI_UTF8) return 0;
    c->handle = iconv_open("UTF-8", charset_name[from]);
    if (c->handle == (void *)-1) {
        c->handle = NULL;
        return cli_fail(err, B4C_E_UNSUPPORTED,
                        "unknown encoding: found no converter from %s on this system; install its "
                        "iconv modules (Debian: libc6)",
                        charset_name[from]);
    }
    return 0;
}

int cli_recode_text(cli_recode *c, const char *text, size_t size, const char **out,
                     size_t *out_size, size_t *bad, b4c_error *err)
{
    char *in = (char *)text;
    size_t left = size, used = 0;
    if (c->from == CLI_UTF8) {
        *out = text;
        *out_size = size;
        *bad = cli_utf8_bad(text, size);
        return *bad == size ? 0
                            : cli_fail(err, B4C_E_TEXT, "found 0x%02X, wanted UTF-8; %s",
                                       (unsigned char)text[*bad], cli_utf8_advice(text, size));
    }
    iconv(c->handle, NULL, NULL, NULL, NULL);
    for (bool last = false;; last = left == 0) {
        if (c->size - used < 2 * left + 16) {
            char *more = realloc(c->room, used + 2 * left + 16);
            if (!more)
                return cli_fail(err, B4C_E_MEMORY, "no memory to convert a line of %zu bytes",
                                size);
            c->room = more;
            c->size = used + 2 * left + 16;
        }
        char *to = c->room + used;
        size_t space = c->size - used;
        /* The last call has no input: a converter may hold a character back to see whether a mark
         * follows. */
        const size_t rc = iconv(c->handle, last ? NULL : &in, last ? NULL : &left, &to, &space);
        used = (size_t)(to - c->room);
        if (rc == (size_t)-1 && errno != E2BIG) {
            *bad = size - left;
            return cli_fail(err, B4C_E_TEXT, "found 0x%02X, wanted %s; is --encoding right?",
                            (unsigned char)text[*bad], charset_name[c->from]);
        }
        if (last && rc != (size_t)-1) break;
    }
    *out = c->room;
    *out_size = used;
    return 0;
}

void cli_recode_close(cli_recode *c)
{
    if (c->handle) iconv_close(c->handle);
    free(c->room);
    *c = (cli_recode){ 0 };
}

/* ---- width ---------------------------------------------------------------------------------- */

/* Columns of the character at the beginning of text; *bytes: how long it is. A byte that is no
 * character, and a control, is shown as one mark. */
static int one_width(const char *text, size_t size, size_t *bytes)
{
    utf8proc_int32_t c;
    const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text,
                                                (utf8proc_ssize_t)size, &c);
    *bytes = n > 0 ? (size_t)n : 1;
    return n <= 0 || c < 0x20 || c == 0x7f ? 1 : utf8proc_charwidth(c);
}

size_t cli_width_cut(const char *text, size_t size, int columns)
{
    size_t i = 0, bytes;
    for (int at = 0; i < size; i += bytes) {
        at += one_width(text + i, size - i, &bytes);
        if (at > columns) break;
    }
    return i;
}

int cli_width(const char *text, size_t size)
{
    int width = 0;
    for (size_t i = 0, bytes; i < size; i += bytes) width += one_width(text + i, size - i, &bytes);
    return width;
}
