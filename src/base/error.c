/* error.c - one line of UTF-8 that a person can act on.
 *
 * Idea: messages quote names and bytes that come from files, so what lands in err->message is
 * cleaned here, once: controls become spaces, bytes that are not UTF-8 become '?', and a message
 * that is too long ends at a whole character with "...".
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at s (ends before a NUL), 0 when there is none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) return s[0] != 0;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2
             : (s[0] & 0xf0) == 0xe0        ? 3
             : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                            : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (n >= 3) { /* overlong forms, surrogates, beyond U+10FFFF */
        if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
        if (s[0] == 0xed && s[1] > 0x9f) return 0;
        if (s[0] == 0xf0 && s[1] < 0x90) return 0;
        if (s[0] == 0xf4 && s[1] > 0x8f) return 0;
    }
    return n;
}

/* text -> err->message. */
static void set_message(b4c_error *err, const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    const size_t room = sizeof err->message - sizeof "...";
    size_t at = 0;
    while (*from) {
        size_t n = utf8_length(from);
        if (at + (n ? n : 1) > room) {
            memcpy(err->message + at, "...", 3);
            at += 3;
            break;
        }
        if (n > 1)
            memcpy(err->message + at, from, n);
        else
            err->message[at] = n == 0 ? '?' : *from < ' ' || *from == 0x7f ? ' ' : (char)*from;
        at += n ? n : 1;
        from += n ? n : 1;
    }
    err->message[at] = 0;
}

int b4c_fail(b4c_error *err, int code, const char *format, ...)
{
    if (!err) return code;
    /* Beside err, not in it: an argument may be err->message itself. One byte more than fits shows
     * that it was cut. */
    char text[sizeof err->message + 1];
    va_list list;
    va_start(list, format);
    if (vsnprintf(text, sizeof text, format, list) < 0)
        strcpy(text, "error without a printable message");
    va_end(list);
    err->code = code;
    set_message(err, text);
    return code;
}

int b4c_fail_in(b4c_error *err, const char *format, ...)
{
    if (!err) return B4C_E_ARG;
    char text[2 * sizeof err->message];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof err->message, format, list);
    va_end(list);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof err->message ? (size_t)n : sizeof err->message - 1;
    snprintf(text + at, sizeof text - at, ": %s", err->message);
    set_message(err, text);
    return err->code;
}
