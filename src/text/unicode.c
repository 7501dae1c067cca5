/* unicode.c - character classes: the hub's from its tables, the rest from utf8proc. */
#include "text/unicode.h"

#include <utf8proc.h>

#include "text/hub_tables.h"
#include "text/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool within(const b4c_range *range, size_t n, uint32_t c)
{
    size_t low = 0;
    while (n > low) {
        const size_t middle = low + (n - low) / 2;
        if (c > range[middle].high) low = middle + 1;
        else if (c < range[middle].low) n = middle;
        else return true;
    }
    return false;
}

static utf8proc_category_t category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

const char *b4c_unicode_version(void)
{
    return utf8proc_unicode_version();
}

bool b4c_is_chinese(b4c_dialect dialect, uint32_t c)
{
    if (c < 0x3400) return false;
    if (c <= 0xffff)
        return c <= 0x4dbf || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff);
    return (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b81f) ||
           (c >= (dialect == B4C_DIALECT_HUB ? 0x2b920u : 0x2b820u) && c <= 0x2ceaf) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_ascii_punctuation(uint32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

bool b4c_is_punctuation(b4c_dialect dialect, uint32_t c)
{
    if (c < 0x80) return is_ascii_punctuation(c);
    if (dialect == B4C_DIALECT_HUB) return within(hub_punctuation, COUNT(hub_punctuation), c);
    const utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool b4c_is_removed(b4c_dialect dialect, uint32_t c)
{
    if (dialect == B4C_DIALECT_HUB) return within(hub_removed, COUNT(hub_removed), c);
    const utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || c == 0xfffd;
}

bool b4c_is_mark(b4c_dialect dialect, uint32_t c)
{
    if (c < 0x300) return false;
    if (dialect == B4C_DIALECT_HUB) return within(hub_mark, COUNT(hub_mark), c);
    return category(c) == UTF8PROC_CATEGORY_MN;
}

bool b4c_is_blank(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool b4c_is_python_space(uint32_t c) { return b4c_is_blank(c) || (c >= 0x1c && c <= 0x1f); }

bool b4c_is_plain_space(uint32_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' ||
           (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_ZS);
}

/* Letters in circles and squares: symbols by category, letters by every other property. */
static bool is_enclosed_letter(uint32_t c)
{
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool b4c_is_word_character(uint32_t c)
{
    const utf8proc_category_t k = category(c);   /* letters, marks, digits stand first */
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC ||
           c == 0x200c || c == 0x200d || is_enclosed_letter(c);
}

bool b4c_is_digit(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

int b4c_combining_class(uint32_t c)
{
    return c < 0x300 ? 0 : utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

int b4c_decompose(b4c_dialect dialect, uint32_t c, uint32_t out[B4C_EXPANSION])
{
    out[0] = c;
    if (c < 0xc0 || (dialect == B4C_DIALECT_HUB && within(hub_whole, COUNT(hub_whole), c)))
        return 1;
    utf8proc_int32_t part[B4C_EXPANSION];
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, part, B4C_EXPANSION,
                                                       UTF8PROC_DECOMPOSE, &boundary);
    if (n < 1 || n > B4C_EXPANSION) return 1;   /* longer in no version of Unicode */
    for (int i = 0; i < n; i++) out[i] = (uint32_t)part[i];
    return (int)n;
}

int b4c_lower(b4c_dialect dialect, uint32_t c, uint32_t out[B4C_EXPANSION])
{
    if (c < 0x80) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) {   /* the one character whose lower case is two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    if (dialect == B4C_DIALECT_HUB && out[0] == c)
        for (size_t i = 0; i < COUNT(hub_lower); i++)
            if (hub_lower[i].upper == c) out[0] = hub_lower[i].lower;
    return 1;
}

/* Case_Ignorable: skipped when looking for the letters around a sigma. */
static bool is_case_ignorable(uint32_t c)
{
    static const uint16_t within_words[] = {   /* Word_Break = MidLetter, MidNumLet, Single_Quote */
        0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
        0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a,
    };
    const utf8proc_category_t k = category(c);
    if (k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
        k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK)
        return true;
    for (size_t i = 0; i < COUNT(within_words); i++)
        if (within_words[i] == c) return true;
    return false;
}

/* Cased, of what is not Case_Ignorable: letters with case, and Other_Lowercase, Other_Uppercase. */
static bool is_cased(uint32_t c)
{
    const utf8proc_category_t k = category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LT) || c == 0xaa || c == 0xba ||
           (c >= 0x2160 && c <= 0x217f) || is_enclosed_letter(c);
}

bool b4c_sigma_is_final(const uint8_t *text, const uint8_t *end, const uint8_t *at)
{
    /* A sigma is cased, so two sigmas at most walk through a run of ignorable characters. */
    bool letter_before = false;
    for (const uint8_t *p = at; p > text;) {
        const uint32_t c = b4c_utf8_before(text, p, &p);
        if (c != B4C_NOT_A_CHAR && is_case_ignorable(c)) continue;
        letter_before = c != B4C_NOT_A_CHAR && is_cased(c);
        break;
    }
    if (!letter_before) return false;
    const uint8_t *p;
    (void)b4c_utf8_read(at, end, &p);
    while (p < end) {
        const uint32_t c = b4c_utf8_read(p, end, &p);
        if (c == B4C_NOT_A_CHAR) return true;
        if (!is_case_ignorable(c)) return !is_cased(c);
    }
    return true;
}
