/* test.h - what every test program includes: cmocka with the headers it forgets, and the helpers of
 * this folder. */
#ifndef B4C_TEST_H
#define B4C_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cut.h"
#include "support/near.h"
#include "support/temp.h"
#include "support/text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A call that must succeed: shows the error's message when it does not. */
#define assert_ok(call, err)                                                     \
    do {                                                                         \
        const int rc_ = (call);                                                  \
        if (rc_ < 0) fail_msg("%s returned %d: %s", #call, rc_, (err)->message); \
    } while (0)

/* A call that must fail with `code`, and with a message that contains `part`. */
#define assert_fails(call, err, wanted, part)                                           \
    do {                                                                                \
        const int rc_ = (call);                                                         \
        if (rc_ != (wanted)) fail_msg("%s returned %d, wanted %d", #call, rc_, wanted); \
        assert_error(err, wanted, part);                                                \
    } while (0)

#define assert_error(err, wanted, part)                                                    \
    do {                                                                                   \
        if ((err)->code != (wanted))                                                       \
            fail_msg("error code %d, wanted %d: %s", (err)->code, wanted, (err)->message); \
        if (!strstr((err)->message, part))                                                 \
            fail_msg("message \"%s\" lacks \"%s\"", (err)->message, (const char *)(part)); \
    } while (0)

#endif
