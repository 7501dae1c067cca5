/* proto.h - a pull reader of protobuf's wire format: enough for messages whose fields we know.
 *
 *     b4c_proto p = { bytes };
 *     b4c_field f;
 *     int rc;
 *     while ((rc = b4c_proto_next(&p, &f)) > 0)
 *         if (f.number == 2 && f.wire == B4C_WIRE_BYTES) ...
 *
 * A field of value 0 is absent in proto3; a repeated number may be packed (one field of bytes) or
 * not. Nothing is copied.
 */
#ifndef B4C_BASE_PROTO_H
#define B4C_BASE_PROTO_H
#include "base/span.h"

typedef enum b4c_wire {
    B4C_WIRE_VARINT = 0,
    B4C_WIRE_8 = 1,
    B4C_WIRE_BYTES = 2,
    B4C_WIRE_4 = 5
} b4c_wire;

typedef struct b4c_proto {
    b4c_span rest;
} b4c_proto;
typedef struct b4c_field {
    uint32_t number;
    b4c_wire wire;
    uint64_t value; /* of all but BYTES */
    b4c_span bytes; /* of BYTES */
} b4c_field;

/* 1: *f is the next field; 0: the message has ended; -1: it is malformed (or has groups, long
 * out of use). */
int b4c_proto_next(b4c_proto *, b4c_field *f);
/* A varint off the front of *s: 1, or -1 when it is cut or longer than 64 bits. */
int b4c_varint(b4c_span *s, uint64_t *out);
/* Sets *out for a field `number` of the kind; 1 when it was that field. */
bool b4c_field_int(const b4c_field *, uint32_t number, int64_t *out);
bool b4c_field_bytes(const b4c_field *, uint32_t number, b4c_span *out);
/* Bits of a 4-byte field as float. */
float b4c_field_float(const b4c_field *);
/* Repeated integers, packed or one a field: appends at most `room` in all to out[*n]. -1:
 * malformed or too many. */
int b4c_field_ints(const b4c_field *, int64_t *out, int *n, int room);
#endif
