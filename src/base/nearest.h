/* nearest.h - what somebody most likely meant to type. */
#ifndef B4C_BASE_NEAREST_H
#define B4C_BASE_NEAREST_H

/* Edits (insert, delete, replace a byte) that turn a into b; only their first 96 bytes count. */
int b4c_edits(const char *a, const char *b);
/* The one of n names with the fewest edits, if they are at most half of the longer; else NULL. */
const char *b4c_nearest(const char *typed, const char *const *names, int n);
#endif
