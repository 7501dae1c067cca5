/* error.h - failing with a message, and passing failures on. */
#ifndef B4C_BASE_ERROR_H
#define B4C_BASE_ERROR_H
#include "bert4c.h"

/* Fill err (may be NULL) and return code. The message says what, where, found and wanted, and what
 * to do. */
int b4c_fail(b4c_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of a message that is already there. Returns err's code (or B4C_E_ARG
 * without err). */
int b4c_fail_in(b4c_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define B4C_TRY(expr)                    \
    do {                                 \
        int rc_try_ = (expr);            \
        if (rc_try_ < 0) return rc_try_; \
    } while (0)
#endif
