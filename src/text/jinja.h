/* jinja.h - the part of the Jinja template language that chat templates are written in.
 *
 * A template is parsed into a tree once and run with variables. Values are JSON (jansson);
 * "undefined", which JSON has not, is NULL. As transformers sets Jinja up: the newline behind a
 * block is dropped, blanks in front of a block that begins its line too, one newline at the end of
 * the template, and nothing is escaped.
 *
 * Done: for (with if, else, two targets, loop.*, break, continue), if, set (also of a namespace's
 * attribute, and as a block), macro, generation, operators, tests, subscripts and slices, the
 * filters and methods that templates use (tables of jinja_filters.c, jinja_methods.c), namespace(),
 * dict(), range(), raise_exception(), strftime_now() (the clock and zone of the machine). What a
 * template uses beyond that is an error that names it and its line; nothing is passed over.
 * Source: the Jinja 3.1 documentation; transformers 5.24, utils/chat_template_utils.py.
 */
#ifndef B4C_TEXT_JINJA_H
#define B4C_TEXT_JINJA_H
#include "base/json.h"
#include "base/memory.h"

typedef struct b4c_jinja b4c_jinja;

/* where: names the template in messages. The source is copied. NULL: not one, or beyond the part.
 */
b4c_jinja *b4c_jinja_parse(const char *source, size_t size, const char *where, b4c_error *);
void b4c_jinja_free(b4c_jinja *);

/* Appends to `out`. variables: an object. B4C_E_UNSUPPORTED: something beyond the part;
 * B4C_E_TEXT: the template itself refused (raise_exception) or used what is not there; B4C_E_MEMORY
 * also where the text would pass 64 MiB or the run a million steps. */
int b4c_jinja_run(const b4c_jinja *, json_t *variables, b4c_buffer *out, b4c_error *);

/* ---- for the files of jinja_* ---------------------------------------------------------------- */

typedef enum b4c_jinja_kind {
    /* statements; `next` is the one behind */
    B4C_JINJA_TEXT,  /* name: the text */
    B4C_JINJA_PRINT, /* a: expression */
    B4C_JINJA_FOR,   /* a: what; b: condition or NULL; body; other: where it is empty; target */
    B4C_JINJA_IF,    /* a: condition; body; other: elif or else */
    B4C_JINJA_SET,   /* target; attribute or NULL; a: value, or NULL: body's text */
    B4C_JINJA_MACRO, /* name; a: first parameter, its default is b; body */
    B4C_JINJA_SCOPE, /* body: what it sets is forgotten */
    B4C_JINJA_BREAK,
    B4C_JINJA_CONTINUE,
    /* expressions */
    B4C_JINJA_VALUE,     /* value */
    B4C_JINJA_NAME,      /* name */
    B4C_JINJA_LIST,      /* a: first item, by next */
    B4C_JINJA_DICT,      /* a: first key, its value is b of the key; by next */
    B4C_JINJA_ATTRIBUTE, /* a.name */
    B4C_JINJA_ITEM,      /* a[b] */
    B4C_JINJA_SLICE,     /* a[b:c:other], each but a may be NULL */
    B4C_JINJA_CALL,      /* name(b ...) or a.name(b ...): a NULL or the object; arguments by next */
    B4C_JINJA_FILTER,    /* a | name(b ...) */
    B4C_JINJA_TEST,      /* a is name, or a is name(b) */
    B4C_JINJA_CHOICE,    /* a if b else c (NULL: undefined) */
    B4C_JINJA_AND,
    B4C_JINJA_OR,
    B4C_JINJA_NOT,
    B4C_JINJA_EQUAL,
    B4C_JINJA_DIFFERENT,
    B4C_JINJA_LESS,
    B4C_JINJA_LESS_EQUAL,
    B4C_JINJA_GREATER,
    B4C_JINJA_GREATER_EQUAL,
    B4C_JINJA_IN,
    B4C_JINJA_NOT_IN,
    B4C_JINJA_ADD,
    B4C_JINJA_SUBTRACT,
    B4C_JINJA_TIMES,
    B4C_JINJA_DIVIDE,
    B4C_JINJA_DIVIDE_WHOLE,
    B4C_JINJA_REST,
    B4C_JINJA_JOIN,
    B4C_JINJA_MINUS
} b4c_jinja_kind;

typedef struct b4c_jinja_node b4c_jinja_node;
struct b4c_jinja_node {
    b4c_jinja_kind kind;
    int line;
    b4c_jinja_node *a, *b, *c, *body, *other, *next;
    const char *name;      /* of a variable, attribute, filter, keyword argument; text */
    size_t size;           /* of the text */
    const char *target[2]; /* FOR, SET */
    const char *attribute; /* SET of a namespace */
    json_t *value;
    int number; /* MACRO: its place among macros */
    b4c_jinja_node *all; /* every node, for freeing */
};

struct b4c_jinja {
    char *where;
    b4c_jinja_node *body, *all;
    b4c_jinja_node **macro; /* [macros] by number */
    size_t macros, macro_room;
    char **word; /* names and texts of the nodes, each malloc'ed */
    size_t words, room;
};

/* Bytes of a text, items of a list: more is a template that does not come to an end. */
enum { B4C_JINJA_LONGEST = 64 << 20, B4C_JINJA_MOST = 1 << 20 };

/* JSON has no namespaces, macros, functions, loops and iterators: an object with this key, which no
 * text can spell, is one; its value says which. */
#define B4C_JINJA_MARK "\xff"
json_t *b4c_jinja_marked(const char *kind);
/* "namespace", "macro", "function", "loop", "iterator", "view" (of a dictionary); NULL: a value of
 * JSON. */
const char *b4c_jinja_mark(const json_t *);

/* Not too large to be walked over. */
bool b4c_jinja_small(const json_t *);
/* Is it what Python takes for true? NULL: no. */
bool b4c_jinja_true(const json_t *);
bool b4c_jinja_equal(const json_t *, const json_t *);
/* What printing shows: Python's str(). Lists and objects are refused. */
int b4c_jinja_print(b4c_buffer *, const json_t *, b4c_error *);

/* "undefined", "a text" ...: for messages. */
const char *b4c_jinja_kind_of(const json_t *);
/* a EQUAL b, and the other operators of two values. */
int b4c_jinja_operate(b4c_jinja_kind, const json_t *a, const json_t *b, json_t **out,
                      b4c_error *);
/* A number as Python's repr() has it. */
void b4c_jinja_real(b4c_buffer *, double);
/* A new list of what walking over x gives: items, characters, keys; of an iterator what is left. */
int b4c_jinja_list(const json_t *x, json_t **out, b4c_error *);
/* Keys, values, or pairs of an object. */
json_t *b4c_jinja_members(const json_t *object, bool keys, bool values);
/* JSON of x. arg: ensure_ascii, indent, separators, sort_keys as tojson of transformers takes them;
 * NULL: its default. */
int b4c_jinja_json(b4c_buffer *, const json_t *x, json_t *const arg[4], b4c_error *);

/* Arguments of a call, filter, method or test: those without a name first. */
typedef struct b4c_jinja_arguments {
    json_t *item[16];     /* owned by the caller; NULL: undefined */
    const char *name[16]; /* NULL: by place */
    int n;
} b4c_jinja_arguments;

/* Filters, methods and tests by name. *out: a new reference, or NULL for undefined.
 * B4C_E_UNSUPPORTED: no such one; B4C_E_TEXT: not with such values. */
int b4c_jinja_filter(const char *name, const json_t *x, const b4c_jinja_arguments *, json_t **out,
                     b4c_error *);
int b4c_jinja_method(const char *name, const json_t *x, const b4c_jinja_arguments *, json_t **out,
                     b4c_error *);
/* x.name is a method or a property of x in Python, not a part. */
bool b4c_jinja_is_method(const json_t *x, const char *name);
int b4c_jinja_test(const char *name, const json_t *x, const b4c_jinja_arguments *, bool *out,
                   b4c_error *);
/* x[at]; x[bound 0 : bound 1 : bound 2], NULL where it is not said. */
int b4c_jinja_item(const json_t *x, const json_t *at, json_t **out, b4c_error *);
int b4c_jinja_slice(const json_t *x, json_t *const bound[3], json_t **out, b4c_error *);
#endif
