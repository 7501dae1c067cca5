/* number.h - numbers as text. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H
#include <stddef.h>

#define CLI_FLOAT_ROOM 24
/* The shortest decimal that reads back as x ("0.1", "-1.5e-07", "nan", "inf"). Returns its length;
 * out is NUL-ended. */
size_t cli_float_text(float x, char out[CLI_FLOAT_ROOM]);
/* 12345678 as "12,345,678". */
const char *cli_count_text(long long n, char room[32]);
/* "95.2 MB", in powers of 1000. */
const char *cli_bytes_text(long long n, char room[32]);
/* "3:07", "2:14:09". */
const char *cli_time_text(double seconds, char room[32]);
/* Seconds on a clock that never jumps. */
double cli_clock(void);
#endif
