/* cache.h - keys and values of rows that were already read, so that a sequence goes on from where
 * it stopped.
 *
 * A slot is one sequence. What it holds lies in pages of B4C_PAGE keys, in the order in which
 * attention reads them, each page once for every layer; a slot is a list of page numbers. Slots
 * that begin alike share pages: a copy of a slot is a copy of its list, and a page that several
 * slots hold is copied when one of them writes behind its end. So a hundred samples of one source,
 * or the beams of a search, keep what they have in common once. Where many go on from one slot,
 * what it holds becomes a trunk: each goes on in a page of its own behind it, even where the
 * trunk's last page is not full, so that little is copied, and attention takes the trunk for all of
 * them at once.
 *
 * A plan made here lets new rows continue slots. Nothing else in the block knows about it.
 */
#ifndef B4C_MODEL_CACHE_H
#define B4C_MODEL_CACHE_H
#include "model/network.h"
#include "tape/kept.h"

/* Memory that outlives a cache, for the next one of the same network: pages that the system has
 * given once need not be asked for, cleared and given back in every call. Start from zeros. */
typedef struct b4c_cache_memory {
    char *data;
    size_t bytes;
} b4c_cache_memory;
void b4c_cache_memory_done(b4c_cache_memory *);

typedef struct b4c_cache {
    const b4c_kernels *kernels;
    int layers, slots, room;        /* room: rows that a slot may hold */
    int kv_heads, head_size, slot_pages;
    bool rel, bf16;
    int *length;                    /* [slots] rows that a slot holds */
    int *trunk;                     /* [slots] those of its trunk: an even number */
    int *page;                      /* [slots, slot_pages] */
    int pages, n_free;
    int *users;                     /* [pages] slots that hold it */
    int *free_page;                 /* [n_free] */
    char *data;                     /* [layers, pages, page_bytes] */
    size_t page_bytes, bytes;
    b4c_cache_memory *home;         /* that data came from and goes to, or NULL */
} b4c_cache;

/* pages: for all slots together; 0: as many as the slots could fill. The kernels are those of the
 * tapes that will use it. Memory: taken from `home` where there is enough, which gets it back, or
 * more, from _done; NULL: its own. */
int b4c_cache_init(b4c_cache *, const b4c_kernels *, const b4c_network *, const b4c_stack *,
                   int slots, int room, int pages, b4c_cache_memory *home, b4c_error *);
void b4c_cache_done(b4c_cache *);
/* The most pages that `n` slots hold which go on to `rows` rows each from the same `first` ones. */
int b4c_cache_pages_of_forks(int first, int rows, int n);
/* Bytes of a page in all layers. */
size_t b4c_cache_page_bytes(const b4c_kernels *, const b4c_network *, const b4c_stack *);

/* Plan for lengths[s] new rows behind slot[s], s < n_seq. FULL: each sees all the slot holds and
 * all new rows (a source); CAUSAL: what the slot holds and the new rows up to itself. Takes the
 * pages that these rows need: enough must be free. n_seq is -1 (and the tape failed) when there is
 * no memory. */
b4c_plan b4c_cache_plan(b4c_tape *, b4c_cache *, b4c_mask, const int *slot, const int *lengths,
                        int n_seq);
/* The rows of that plan have been read: they belong to the slots now. */
void b4c_cache_grow(b4c_cache *, const int *slot, const int *lengths, int n_seq);

/* What the slot holds becomes a trunk, if that pays: forks will follow. A page must be free. */
void b4c_cache_root(b4c_cache *, int slot);
/* Slot `to`, which is empty, becomes what slot `from` is. Copies no keys. */
void b4c_cache_fork(b4c_cache *, int from, int to);
/* The slot is empty again, and its pages free that no other slot holds. */
void b4c_cache_clear(b4c_cache *, int slot);
/* A layer's keys and values, for plans made here. */
b4c_kept b4c_cache_layer(const b4c_cache *, int layer);

/* ---- sources of an encoder-decoder: one slot each, written once, read by any number of targets
 * ---- */

/* Keys and values that the decoder's cross-attention makes of the encoder's rows `memory`, to where
 * a FULL plan of b4c_cache_plan has them; the slots grow by _grow. Writes to the plan's pages
 * alone: lanes may fill the slots of several plans side by side. */
void b4c_cache_source(b4c_tape *, const b4c_cache *, const b4c_network *, b4c_tensor memory,
                      const b4c_plan *);
/* The rows of plan `self` see all of source slot[s]; sequences side by side that have one source
 * are one sequence of the plan. n_seq is -1 on failure. */
b4c_plan b4c_cache_source_plan(b4c_tape *, const b4c_cache *, const b4c_plan *self,
                               const int *slot);
#endif
