/* pickle.c - the pickle machine, reduced to what builds values.
 *
 * Idea: a pickle is a program for a stack machine. Its danger is one opcode, REDUCE, which calls
 * what GLOBAL imported. Here GLOBAL only names, from an allow-list, and REDUCE only notes name and
 * arguments side by side (an OrderedDict alone is turned into the dictionary that it is); what the
 * notes mean is the reader's business.
 * Invariants: every opcode takes at least one byte and makes at most one value, so memory is a
 * constant times the pickle's size; memo numbers are bounded by what was read.
 * Source: CPython's Lib/pickletools.py, protocols 0 to 5 as far as PyTorch and Python's OrderedDict
 * use them.
 */
#include "model/format/pickle.h"

#include <stdlib.h>

typedef struct machine {
    b4c_pickle *pickle;
    const char *where;
    b4c_error *err;
    const unsigned char *begin, *at, *end;
    b4c_pickled **stack, **memo;
    size_t depth, room, n_memo, room_memo;
    size_t *mark, n_mark, room_mark;
} machine;

static int fail(machine *m, const char *what)
{
    b4c_fail(m->err, B4C_E_FORMAT, "%s: the pickle is damaged at its byte %zu: %s", m->where,
             (size_t)(m->at - m->begin), what);
    return B4C_E_FORMAT;
}

static int fail_memory(machine *m)
{
    b4c_fail(m->err, B4C_E_MEMORY, "%s: no memory for its pickle", m->where);
    return B4C_E_MEMORY;
}

/* Room for one more in a growing array. */
static bool grow(void **array, size_t *room, size_t n, size_t size)
{
    if (n < *room) return true;
    const size_t more = *room ? 2 * *room : 64;
    void *moved = realloc(*array, more * size);
    if (!moved) return false;
    *array = moved;
    *room = more;
    return true;
}

/* ---- values --------------------------------------------------------------------------------- */

static b4c_pickled *new_value(machine *m, b4c_pickle_kind kind)
{
    b4c_pickled *v = b4c_chunk_take(&m->pickle->memory, sizeof *v);
    if (v) v->kind = kind;
    return v;
}

static int push(machine *m, b4c_pickled *v)
{
    if (!v || !grow((void **)&m->stack, &m->room, m->depth, sizeof *m->stack))
        return fail_memory(m);
    m->stack[m->depth++] = v;
    return 0;
}

static int push_int(machine *m, b4c_pickle_kind kind, int64_t number)
{
    b4c_pickled *v = new_value(m, kind);
    if (v) v->number = number;
    return push(m, v);
}

/* Lowest stack index that may be popped: above the last mark. */
static size_t floor_of(const machine *m) { return m->n_mark ? m->mark[m->n_mark - 1] : 0; }

static b4c_pickled *pop(machine *m) { return m->depth > floor_of(m) ? m->stack[--m->depth] : NULL; }
static b4c_pickled *top(machine *m)
{
    return m->depth > floor_of(m) ? m->stack[m->depth - 1] : NULL;
}

static int append(machine *m, b4c_pickled *list, b4c_pickled *const *values, size_t n)
{
    if (n >
        list->room -
            list->n) { /* doubling: what is left behind in the memory is less than what is used */
        const size_t room = list->n + n > 2 * list->room ? list->n + n : 2 * list->room;
        b4c_pickled **items = b4c_chunk_take(&m->pickle->memory, room * sizeof *items);
        if (!items) return fail_memory(m);
        if (list->n) memcpy(items, list->item, list->n * sizeof *items);
        list->item = items;
        list->room = room;
    }
    if (n) memcpy(list->item + list->n, values, n * sizeof *values);
    list->n += n;
    return 0;
}

/* A value of the topmost n of the stack, in their place. */
static int gather(machine *m, b4c_pickle_kind kind, size_t n)
{
    if (n > m->depth - floor_of(m)) return fail(m, "it takes more values than there are");
    b4c_pickled *v = new_value(m, kind);
    if (!v) return fail_memory(m);
    B4C_TRY(append(m, v, m->stack + m->depth - n, n));
    m->depth -= n;
    return push(m, v);
}

/* Values above the last mark, which goes away. */
static int since_mark(machine *m, size_t *n)
{
    if (m->n_mark == 0) return fail(m, "no mark");
    *n = m->depth - m->mark[--m->n_mark];
    return 0;
}

static int gather_marked(machine *m, b4c_pickle_kind kind)
{
    size_t n;
    B4C_TRY(since_mark(m, &n));
    if (kind == B4C_PICKLE_DICT && n % 2) return fail(m, "a key without a value");
    return gather(m, kind, n);
}

/* The topmost n values go into the list or dictionary below them. */
static int extend(machine *m, b4c_pickle_kind kind, size_t n)
{
    if (m->depth - floor_of(m) <= n) return fail(m, "nothing to put its items into");
    b4c_pickled *into = m->stack[m->depth - n - 1];
    if (kind == B4C_PICKLE_DICT && n % 2) return fail(m, "a key without a value");
    if (into->kind != kind) return fail(m, "items for something that is no list or dictionary");
    B4C_TRY(append(m, into, m->stack + m->depth - n, n));
    m->depth -= n;
    return 0;
}

static int extend_marked(machine *m, b4c_pickle_kind kind)
{
    size_t n;
    B4C_TRY(since_mark(m, &n));
    return extend(m, kind, n);
}

/* ---- bytes of the program ------------------------------------------------------------------- */

static int take(machine *m, uint64_t n, b4c_span *out)
{
    if (n > (uint64_t)(m->end - m->at)) return fail(m, "it ends too early");
    *out = (b4c_span){ m->at, (size_t)n };
    m->at += n;
    return 0;
}

/* A little-endian number of `width` bytes. */
static int take_number(machine *m, int width, uint64_t *out)
{
    b4c_span s;
    B4C_TRY(take(m, (uint64_t)width, &s));
    *out = 0;
    for (int i = width - 1; i >= 0; i--) *out = *out << 8 | s.data[i];
    return 0;
}

static int take_line(machine *m, b4c_span *out)
{
    const unsigned char *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!end) return fail(m, "a line without an end");
    *out = (b4c_span){ m->at, (size_t)(end - m->at) };
    m->at = end + 1;
    return 0;
}

/* Text whose length stands in `width` bytes before it. */
static int push_text(machine *m, int width)
{
    uint64_t n;
    b4c_span text;
    B4C_TRY(take_number(m, width, &n));
    B4C_TRY(take(m, n, &text));
    b4c_pickled *v = new_value(m, B4C_PICKLE_TEXT);
    if (v) v->text = text;
    return push(m, v);
}

/* A signed integer of any number of bytes. */
static int push_long(machine *m, int width)
{
    uint64_t n, number = 0;
    b4c_span s;
    B4C_TRY(take_number(m, width, &n));
    B4C_TRY(take(m, n, &s));
    if (n > 8) {
        b4c_pickled *v = new_value(m, B4C_PICKLE_TEXT);
        if (v) v->text = s;
        return push(m, v);
    }
    if (n && s.data[n - 1] & 0x80) number = ~(uint64_t)0;
    for (size_t i = n; i-- > 0;) number = number << 8 | s.data[i];
    return push_int(m, B4C_PICKLE_INT, (int64_t)number);
}

/* ---- opcodes with a meaning of their own ---------------------------------------------------- */

static int push_global(machine *m, b4c_span module, b4c_span name)
{
    b4c_pickled *v = new_value(m, B4C_PICKLE_GLOBAL);
    unsigned char *text = v ? b4c_chunk_take(&m->pickle->memory, module.size + name.size + 2)
                            : NULL;
    if (!text) return fail_memory(m);
    memcpy(text, module.data, module.size);
    text[module.size] = ' ';
    memcpy(text + module.size + 1, name.data, name.size);
    v->text = (b4c_span){ text, module.size + 1 + name.size };
    if (!m->pickle->allow(v->text))
        return b4c_fail(m->err, B4C_E_UNSUPPORTED,
                        "%s: the pickle wants Python's '%.*s.%.*s', which is never loaded: only "
                        "tensors and plain values are; "
                        "save the model's state_dict() alone",
                        m->where, B4C_SPAN_ARG(module), B4C_SPAN_ARG(name));
    return push(m, v);
}

static int global_line(machine *m)
{
    b4c_span module, name;
    B4C_TRY(take_line(m, &module));
    B4C_TRY(take_line(m, &name));
    return push_global(m, module, name);
}

static int global_stack(machine *m)
{
    b4c_pickled *name = pop(m), *module = pop(m);
    if (!name || !module || name->kind != B4C_PICKLE_TEXT || module->kind != B4C_PICKLE_TEXT)
        return fail(m, "a global without a name");
    return push_global(m, module->text, name->text);
}

static int reduce(machine *m)
{
    b4c_pickled *arguments = pop(m), *what = pop(m);
    if (!arguments || !what || arguments->kind != B4C_PICKLE_TUPLE ||
        what->kind != B4C_PICKLE_GLOBAL)
        return fail(m, "a call of something that cannot be called");
    const bool dict = b4c_span_is(what->text, "collections OrderedDict");
    b4c_pickled *v = new_value(m, dict ? B4C_PICKLE_DICT : B4C_PICKLE_CALL);
    if (!v) return fail_memory(m);
    if (!dict) {
        b4c_pickled *const parts[2] = { what, arguments };
        B4C_TRY(append(m, v, parts, 2));
    } else if (arguments->n) { /* Python 2 hands the pairs over as a list of lists */
        const b4c_pickled *pairs = arguments->item[0];
        for (size_t i = 0; i < pairs->n; i++) {
            const b4c_pickled *pair = pairs->item[i];
            if (pair->n != 2 || (pair->kind != B4C_PICKLE_LIST && pair->kind != B4C_PICKLE_TUPLE))
                return fail(m, "an OrderedDict of no pairs");
            B4C_TRY(append(m, v, pair->item, 2));
        }
    }
    return push(m, v);
}

static int persistent(machine *m)
{
    b4c_pickle *p = m->pickle;
    B4C_TRY(gather(m, B4C_PICKLE_PERSISTENT, 1));
    if (!grow((void **)&p->persistent, &p->room_persistent, p->n_persistent, sizeof *p->persistent))
        return fail_memory(m);
    p->persistent[p->n_persistent++] = top(m);
    return 0;
}

static int memo_put(machine *m, uint64_t i)
{
    b4c_pickled *v = top(m);
    if (!v) return fail(m, "nothing to remember");
    if (i > (uint64_t)(m->at - m->begin))
        return fail(m, "a memo number larger than any pickler gives");
    while (m->n_memo <= i) {
        if (!grow((void **)&m->memo, &m->room_memo, m->n_memo, sizeof *m->memo))
            return fail_memory(m);
        m->memo[m->n_memo++] = NULL;
    }
    m->memo[i] = v;
    return 0;
}

static int memo_get(machine *m, int width)
{
    uint64_t i;
    B4C_TRY(take_number(m, width, &i));
    if (i >= m->n_memo || !m->memo[i]) return fail(m, "a memo number that was not given");
    return push(m, m->memo[i]);
}

static int put_numbered(machine *m, int width)
{
    uint64_t i;
    B4C_TRY(take_number(m, width, &i));
    return memo_put(m, i);
}

static int push_mark(machine *m)
{
    if (!grow((void **)&m->mark, &m->room_mark, m->n_mark, sizeof *m->mark)) return fail_memory(m);
    m->mark[m->n_mark++] = m->depth;
    return 0;
}

static int drop_marked(machine *m)
{
    size_t n;
    B4C_TRY(since_mark(m, &n));
    m->depth -= n;
    return 0;
}

static int push_number(machine *m, int width)
{
    uint64_t x;
    B4C_TRY(take_number(m, width, &x));
    return push_int(m, B4C_PICKLE_INT, width == 4 ? (int64_t)(int32_t)x : (int64_t)x);
}

static int skip_bytes(machine *m, uint64_t n)
{
    b4c_span s;
    return take(m, n, &s);
}

/* One opcode. 1: the pickle has ended. */
static int step(machine *m)
{
    b4c_span byte;
    B4C_TRY(take(m, 1, &byte));
    switch (byte.data[0]) {
    case 0x80: return skip_bytes(m, 1); /* PROTO */
    case 0x95: return skip_bytes(m, 8); /* FRAME */
    case '.': return 1;                 /* STOP */
    case '(': return push_mark(m);
    case '0': return pop(m) ? 0 : fail(m, "nothing to drop");
    case '1': return drop_marked(m);
    case '2': return top(m) ? push(m, top(m)) : fail(m, "nothing to repeat");
    case 'N': return push_int(m, B4C_PICKLE_NONE, 0);
    case 0x88: return push_int(m, B4C_PICKLE_BOOL, 1);
    case 0x89: return push_int(m, B4C_PICKLE_BOOL, 0);
    case 'K': return push_number(m, 1);
    case 'M': return push_number(m, 2);
    case 'J': return push_number(m, 4);
    case 0x8a: return push_long(m, 1);
    case 0x8b: return push_long(m, 4);
    case 'G':
        B4C_TRY(skip_bytes(m, 8));
        return push_int(m, B4C_PICKLE_REAL, 0); /* nobody asks for its value */
    case 'X':
    case 'T':
    case 'B': return push_text(m, 4); /* BINUNICODE, BINSTRING, BINBYTES */
    case 0x8c:
    case 'U':
    case 'C': return push_text(m, 1);
    case 0x8d:
    case 0x8e: return push_text(m, 8);
    case ')': return gather(m, B4C_PICKLE_TUPLE, 0);
    case 0x85: return gather(m, B4C_PICKLE_TUPLE, 1);
    case 0x86: return gather(m, B4C_PICKLE_TUPLE, 2);
    case 0x87: return gather(m, B4C_PICKLE_TUPLE, 3);
    case 't': return gather_marked(m, B4C_PICKLE_TUPLE);
    case ']': return gather(m, B4C_PICKLE_LIST, 0);
    case 'l': return gather_marked(m, B4C_PICKLE_LIST);
    case '}': return gather(m, B4C_PICKLE_DICT, 0);
    case 'd': return gather_marked(m, B4C_PICKLE_DICT);
    case 'a': return extend(m, B4C_PICKLE_LIST, 1);
    case 'e': return extend_marked(m, B4C_PICKLE_LIST);
    case 's': return extend(m, B4C_PICKLE_DICT, 2);
    case 'u': return extend_marked(m, B4C_PICKLE_DICT);
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    case 'q': return put_numbered(m, 1);
    case 'r': return put_numbered(m, 4);
    case 0x94: return memo_put(m, m->n_memo); /* MEMOIZE */
    case 'c': return global_line(m);
    case 0x93: return global_stack(m);
    case 'R': return reduce(m);
    case 'Q': return persistent(m);
    case 'b':
        return pop(m) && top(m)
                 ? 0
                 : fail(m, "no object to set the state of"); /* attributes are not kept */
    default:
        return b4c_fail(
            m->err, B4C_E_UNSUPPORTED,
            "%s: the pickle uses opcode %02x at its byte %zu, which is not among those that "
            "build tensors and plain values",
            m->where, byte.data[0], (size_t)(m->at - m->begin) - 1);
    }
}

int b4c_pickle_load(b4c_pickle *p, b4c_span *rest, const b4c_pickled **root, const char *where,
                    b4c_error *err)
{
    machine m = { .pickle = p,
                  .where = where,
                  .err = err,
                  .begin = rest->data,
                  .at = rest->data,
                  .end = rest->data + rest->size };
    /* a stack from the start: the topmost 0 values of none would be NULL plus an offset */
    int rc = grow((void **)&m.stack, &m.room, 0, sizeof *m.stack) ? 0 : fail_memory(&m);
    while (rc == 0) rc = step(&m);
    if (rc == 1) rc = (*root = pop(&m)) ? 0 : fail(&m, "it ends without a value");
    *rest = (b4c_span){ m.at, (size_t)(m.end - m.at) };
    free(m.stack);
    free(m.memo);
    free(m.mark);
    return rc;
}

void b4c_pickle_done(b4c_pickle *p)
{
    b4c_chunk_free(&p->memory);
    free(p->persistent);
    *p = (b4c_pickle){ 0 };
}
