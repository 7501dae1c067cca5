/* proto.c - protobuf's wire format, field by field.
 *
 * Invariant: what a field points to lies within the message it was read from, and every step
 * consumes bytes.
 * Source: protobuf.dev, "Encoding".
 */
#include "base/proto.h"

int b4c_varint(b4c_span *s, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < s->size && i < 10; i++) {
        const uint64_t bits = s->data[i] & 0x7f;
        if (i == 9 && bits > 1) return -1;
        value |= bits << (7 * i);
        if (s->data[i] < 0x80) {
            s->data += i + 1;
            s->size -= i + 1;
            *out = value;
            return 1;
        }
    }
    return -1;
}

static bool skip(b4c_span *s, uint64_t n)
{
    if (n > s->size) return false;
    s->data += n;
    s->size -= n;
    return true;
}

int b4c_proto_next(b4c_proto *p, b4c_field *f)
{
    uint64_t tag, size;
    if (p->rest.size == 0) return 0;
    *f = (b4c_field){ 0 };
    if (b4c_varint(&p->rest, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return -1;
    f->number = (uint32_t)(tag >> 3);
    f->wire = (b4c_wire)(tag & 7);
    const unsigned char *at = p->rest.data;
    switch (f->wire) {
    case B4C_WIRE_VARINT: return b4c_varint(&p->rest, &f->value);
    case B4C_WIRE_8:
        if (!skip(&p->rest, 8)) return -1;
        f->value = b4c_u64(at);
        return 1;
    case B4C_WIRE_4:
        if (!skip(&p->rest, 4)) return -1;
        f->value = b4c_u32(at);
        return 1;
    case B4C_WIRE_BYTES:
        if (b4c_varint(&p->rest, &size) < 0) return -1;
        f->bytes = (b4c_span){ p->rest.data, (size_t)size };
        return skip(&p->rest, size) ? 1 : -1;
    default: return -1;
    }
}

bool b4c_field_int(const b4c_field *f, uint32_t number, int64_t *out)
{
    if (f->number != number || f->wire != B4C_WIRE_VARINT) return false;
    *out = (int64_t)f->value;
    return true;
}

bool b4c_field_bytes(const b4c_field *f, uint32_t number, b4c_span *out)
{
    if (f->number != number || f->wire != B4C_WIRE_BYTES) return false;
    *out = f->bytes;
    return true;
}

float b4c_field_float(const b4c_field *f)
{
    const uint32_t bits = (uint32_t)f->value;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

int b4c_field_ints(const b4c_field *f, int64_t *out, int *n, int room)
{
    if (f->wire == B4C_WIRE_VARINT) {
        if (*n == room) return -1;
        out[(*n)++] = (int64_t)f->value;
        return 1;
    }
    if (f->wire != B4C_WIRE_BYTES) return -1;
    for (b4c_span rest = f->bytes; rest.size;) {
        uint64_t value;
        if (*n == room || b4c_varint(&rest, &value) < 0) return -1;
        out[(*n)++] = (int64_t)value;
    }
    return 1;
}
