/* hdf5.h - the part of HDF5 that Keras' files are written in: groups of the first kind, datasets in
 * one piece, attributes that are lists of strings.
 *
 * An object is known by the address of its header. What a file has beyond that part (chunks,
 * compression, groups of the newer kinds) is refused by name.
 */
#ifndef B4C_MODEL_FORMAT_HDF5_H
#define B4C_MODEL_FORMAT_HDF5_H
#include "base/span.h"
#include "model/format/store.h"

typedef struct b4c_hdf5 {
    b4c_span file;
    const char *where; /* names the file in messages */
    uint64_t root;     /* the root group */
    uint64_t left;     /* of the steps that are allowed: a file that leads in circles ends them */
} b4c_hdf5;

typedef struct b4c_texts {
    size_t n, room;
    b4c_span *text; /* in the file; free it */
} b4c_texts;

bool b4c_hdf5_is(b4c_span file);
int b4c_hdf5_open(b4c_hdf5 *, b4c_span file, const char *where, b4c_error *);
/* Take `steps` from those that are left; fails when there are not so many. */
int b4c_hdf5_spend(b4c_hdf5 *, uint64_t steps, b4c_error *);

/* The group's member of this name. 1: found; 0: there is none, or the object is no group;
 * negative: damaged. */
int b4c_hdf5_find(b4c_hdf5 *, uint64_t group, b4c_span name, uint64_t *object, b4c_error *);
/* Append the strings of an object's attribute, fixed or of varying length, without the zeros that
 * fill them up; an empty list of numbers is a list too. 1: found; 0: no such attribute. */
int b4c_hdf5_texts(b4c_hdf5 *, uint64_t object, const char *attribute, b4c_texts *, b4c_error *);
/* Type, shape, data and bytes of a dataset; `name` is for messages. Types that are not numbers are
 * OTHER. */
int b4c_hdf5_dataset(b4c_hdf5 *, uint64_t object, b4c_span name, b4c_stored *, b4c_error *);
#endif
