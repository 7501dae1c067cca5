/* split.c - see split.h. Alternatives are tried in the order of the expression; each takes as much
 * as it can. */
#include "text/split.h"

#include <string.h>
#include <utf8proc.h>

#include "text/mapped.h"
#include "text/unicode.h"
#include "text/utf8.h"

typedef enum class { OTHER, LETTER, NUMBER, BLANK, NEWLINE, END } class;

static class class_of(uint32_t c)
{
    if (c < 0x80) {
        if ((c | 32) >= 'a' && (c | 32) <= 'z') return LETTER;
        if (c >= '0' && c <= '9') return NUMBER;
        if (c == '\r' || c == '\n') return NEWLINE;
        return b4c_is_blank(c) ? BLANK : OTHER;
    }
    if (c >= 0x4e00 && c <= 0x9fff) return LETTER;
    if (b4c_is_blank(c)) return BLANK;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    default: return OTHER;
    }
}

static class look(const uint8_t *p, const uint8_t *end, const uint8_t **next)
{
    if (p >= end) return *next = p, END;
    return class_of(b4c_utf8_read(p, end, next));
}

/* Behind up to `most` characters of class k from p on. */
static const uint8_t *run(const uint8_t *p, const uint8_t *end, class k, long most)
{
    const uint8_t *next;
    for (; most > 0 && look(p, end, &next) == k; most--) p = next;
    return p;
}

/* 's 't 're 've 'm 'll 'd at p (which is an apostrophe): bytes, or 0. */
static size_t contraction(const uint8_t *p, const uint8_t *end, bool any_case)
{
    static const char *const tail[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
        const size_t n = strlen(tail[i]);
        if ((size_t)(end - p) < n + 1) continue;
        bool same = true;
        for (size_t k = 0; k < n; k++)
            same &= (any_case ? p[k + 1] | 32 : p[k + 1]) == (uint8_t)tail[i][k];
        if (same) return n + 1;
    }
    return 0;
}

/* \s+(?!\S)|\s+ : blanks before something leave it the last one, if they are two and more. */
static const uint8_t *blanks(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *last = p, *stop = p, *next;
    for (class k; (k = look(stop, end, &next)) == BLANK || k == NEWLINE; stop = next) last = stop;
    return stop < end && last > p ? last : stop;
}

static const uint8_t *gpt2(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *next, *q = p;
    if (*p == '\'') {
        const size_t n = contraction(p, end, false);
        if (n) return p + n;
    }
    if (*p == ' ') q++;
    const class k = look(q, end, &next);
    if (k == LETTER || k == NUMBER || k == OTHER) return run(next, end, k, end - next);
    return blanks(p, end);
}

/* \s*[\r\n]+ : blanks up to the last line end among them; NULL: there is no line end. */
static const uint8_t *lines(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop = NULL, *next;
    for (class k; (k = look(p, end, &next)) == BLANK || k == NEWLINE; p = next)
        if (k == NEWLINE) stop = next;
    return stop;
}

static const uint8_t *llama3(const uint8_t *p, const uint8_t *end, int digits)
{
    const uint8_t *next, *second;
    if (*p == '\'') {
        const size_t n = contraction(p, end, true);
        if (n) return p + n;
    }
    const class k = look(p, end, &next);
    if (k == LETTER) return run(next, end, LETTER, end - next);
    if ((k == OTHER || k == BLANK) && look(next, end, &second) == LETTER)
        return run(second, end, LETTER, end - second);
    if (k == NUMBER) return run(p, end, NUMBER, digits);
    const uint8_t *q = *p == ' ' ? p + 1 : p;
    if (look(q, end, &next) == OTHER) {
        q = run(next, end, OTHER, end - next);
        return run(q, end, NEWLINE, end - q);
    }
    const uint8_t *line = lines(p, end);
    return line ? line : blanks(p, end);
}

bool b4c_split_next(b4c_splitter *s, const uint8_t **begin, const uint8_t **stop)
{
    if (s->p >= s->end) return false;
    const uint8_t *p = *begin = s->p, *next;
    switch (s->kind) {
    case B4C_SPLIT_GPT2: p = gpt2(p, s->end); break;
    case B4C_SPLIT_DIGITS:
        if (look(p, s->end, &next) == NUMBER) {
            p = next;
            break;
        }
        if (!s->stretch ||
            s->stretch <= p) /* up to the next digit, found once for all parts before it */
            for (s->stretch = p; s->stretch < s->end && look(s->stretch, s->end, &next) != NUMBER;)
                s->stretch = next;
        p = gpt2(p, s->stretch);
        break;
    case B4C_SPLIT_LLAMA3: p = llama3(p, s->end, 3); break;
    case B4C_SPLIT_QWEN2: p = llama3(p, s->end, 1); break;
    case B4C_SPLIT_MARKS:
        p = memmem(p + 1, (size_t)(s->end - p) - 1, B4C_BLANK_MARK, strlen(B4C_BLANK_MARK));
        if (!p) p = s->end;
        break;
    case B4C_SPLIT_NONE: p = s->end; break;
    }
    *stop = s->p = p;
    return true;
}
