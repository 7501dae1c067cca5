/* jinja_parse.h - what the two halves of the parser share: a tag's words, and its expressions. */
#ifndef B4C_TEXT_JINJA_PARSE_H
#define B4C_TEXT_JINJA_PARSE_H
#include "text/jinja.h"

enum { B4C_JINJA_DEEPEST = 200 };

typedef enum b4c_jinja_word {
    B4C_JINJA_WORD_END, /* "%}" or "}}", with a dash in front or without */
    B4C_JINJA_WORD_NAME,
    B4C_JINJA_WORD_NUMBER,
    B4C_JINJA_WORD_STRING,
    B4C_JINJA_WORD_SIGN
} b4c_jinja_word;

typedef struct b4c_jinja_parser {
    b4c_jinja *j;
    const char *at, *end, *begin;
    bool line_begins; /* nothing stands on this line yet */
    bool strip;       /* the last tag ended with a dash */
    /* the present word of a tag */
    b4c_jinja_word kind;
    const char *word;
    size_t size;
    const char *counted; /* the place that `line` is of */
    int line;
    int braces; /* open ones, of objects: "}}" then ends no tag */
    int deep;
    int loops;   /* that surround this place */
    int macros;  /* the same */
    bool failed; /* sticky: the first failure is told */
    b4c_error *err;
} b4c_jinja_parser;

/* NULL, so that it can be returned. what: "wanted ..." */
b4c_jinja_node *b4c_jinja_fail(b4c_jinja_parser *, int code, const char *what);
/* One level deeper; false, and failed, where that is too deep. Who entered takes 1 off `deep`. */
bool b4c_jinja_enter(b4c_jinja_parser *);
/* NULL: failed. */
b4c_jinja_node *b4c_jinja_make(b4c_jinja_parser *, b4c_jinja_kind);
/* A copy that lives with the template. */
const char *b4c_jinja_keep(b4c_jinja_parser *, const char *text, size_t size);

/* Go to the next word of a tag. */
void b4c_jinja_next(b4c_jinja_parser *);
bool b4c_jinja_is(const b4c_jinja_parser *, const char *word);
/* If it is this word, go on to the next. */
bool b4c_jinja_take(b4c_jinja_parser *, const char *word);
/* It must be this word. */
void b4c_jinja_want(b4c_jinja_parser *, const char *word);
const char *b4c_jinja_want_name(b4c_jinja_parser *);

b4c_jinja_node *b4c_jinja_expression(b4c_jinja_parser *);
/* The same without "a if b else c" on its outside. */
b4c_jinja_node *b4c_jinja_plain(b4c_jinja_parser *);
#endif
