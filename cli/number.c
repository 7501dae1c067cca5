/* number.c - numbers as text.
 *
 * A vector has hundreds of components, so printf's 250 ns for each would take longer than a small
 * model does. A float has at most nine digits that matter: it is scaled to nine, and the fewest of
 * six to nine that still read back as the same float are written.
 */
#include "number.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double power10(int n)
{
    static const double small[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    return n <= 22 ? small[n] : small[22] * power10(n - 22);
}

/* v * 10^n in double: the error of 2^-52 is far below half a digit of nine. */
static double times_power(double v, int n) { return n >= 0 ? v * power10(n) : v / power10(-n); }

size_t cli_float_text(float x, char out[CLI_FLOAT_ROOM])
{
    char *p = out;
    if (isnan(x)) return (size_t)sprintf(out, "nan");
    if (signbit(x)) *p++ = '-';
    const double v = fabs((double)x);
    if (isinf(x) || v == 0) return (size_t)(p - out) + (size_t)sprintf(p, v == 0 ? "0" : "inf");

    int e = (int)floor(log10(v)); /* v = d.dddddddd * 10^e */
    double scaled = times_power(v, 8 - e);
    if (scaled < 1e8) scaled = times_power(v, 8 - --e);
    uint32_t m = (uint32_t)(scaled + 0.5);
    for (uint32_t cut = 1000; cut > 1; cut /= 10) {
        const uint32_t fewer = (m + cut / 2) / cut * cut;
        if ((double)(float)times_power((double)fewer, e - 8) == v) {
            m = fewer;
            break;
        }
    }
    if (m >= 1000000000u) {
        m /= 10;
        e++;
    }
    char digit[10];
    int n = 9;
    for (int i = 8; i >= 0; i--, m /= 10) digit[i] = (char)('0' + m % 10);
    while (n > 1 && digit[n - 1] == '0') n--;

    if (e >= 0 && e < 9) {
        for (int i = 0; i <= e; i++) *p++ = i < n ? digit[i] : '0';
        if (n > e + 1) *p++ = '.';
        for (int i = e + 1; i < n; i++) *p++ = digit[i];
    } else if (e < 0 && e >= -5) {
        *p++ = '0';
        *p++ = '.';
        for (int i = -1; i > e; i--) *p++ = '0';
        for (int i = 0; i < n; i++) *p++ = digit[i];
    } else {
        *p++ = digit[0];
        if (n > 1) *p++ = '.';
        for (int i = 1; i < n; i++) *p++ = digit[i];
        p += sprintf(p, "e%+03d", e);
    }
    *p = 0;
    return (size_t)(p - out);
}

const char *cli_count_text(long long n, char room[32])
{
    char plain[24];
    char *p = room;
    const int digits = snprintf(plain, sizeof plain, "%lld", n < 0 ? 0 : n);
    for (int i = 0; i < digits; i++) {
        if (i && (digits - i) % 3 == 0) *p++ = ',';
        *p++ = plain[i];
    }
    *p = 0;
    return room;
}

const char *cli_bytes_text(long long n, char room[32])
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double x = (double)n;
    int u = 0;
    while (x >= 999.5 && u < 6) {
        x /= 1000;
        u++;
    }
    snprintf(room, 32, u && x < 99.5 ? "%.1f %s" : "%.0f %s", x, unit[u]);
    return room;
}

const char *cli_time_text(double seconds, char room[32])
{
    const long long s = seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s < 3600)
        snprintf(room, 32, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(room, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return room;
}

double cli_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
