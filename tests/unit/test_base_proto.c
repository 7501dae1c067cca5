/* Protobuf's wire format: fields as they were written, and no step beyond the message. */
#include "base/error.h"
#include "base/proto.h"
#include "support/test.h"

static b4c_proto message(const char *bytes, size_t n)
{
    return (b4c_proto){ { (const unsigned char *)bytes, n } };
}
#define MESSAGE(text) message(text, sizeof text - 1)

static void fields_come_in_order_with_their_values(void **state)
{
    (void)state;
    /* 1: 150; 2: "你"; 3: fixed32 1.0f; 4: fixed64; 5: packed 3, 270; number 200: -1 */
    b4c_proto p = MESSAGE("\x08\x96\x01" "\x12\x03\xe4\xbd\xa0" "\x1d\x00\x00\x80\x3f"
                          "\x21\x01\x02\x03\x04\x05\x06\x07\x08" "\x2a\x03\x03\x8e\x02"
                          "\xc0\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    b4c_field f;
    b4c_span s;
    int64_t x, many[4];
    int n = 0;
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_false(b4c_field_int(&f, 2, &x) || b4c_field_bytes(&f, 1, &s));
    assert_true(b4c_field_int(&f, 1, &x));
    assert_int_equal(x, 150);
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_true(b4c_field_bytes(&f, 2, &s) && b4c_span_is(s, "你"));
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_true(f.number == 3 && f.wire == B4C_WIRE_4 && b4c_field_float(&f) == 1);
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_true(f.wire == B4C_WIRE_8 && f.value == 0x0807060504030201u);
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_int_equal(b4c_field_ints(&f, many, &n, 4), 1);
    assert_int_equal(n, 2);
    assert_int_equal(many[1], 270);
    assert_int_equal(b4c_field_ints(&f, many, &n, 3), -1); /* no room for both again */
    assert_int_equal(b4c_proto_next(&p, &f), 1);
    assert_true(b4c_field_int(&f, 200, &x) && x == -1);
    assert_int_equal(b4c_proto_next(&p, &f), 0);
}

static void malformed_messages_are_told(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        { "\x08", 1 },                                             /* no value */
        { "\x00\x01", 2 },                                         /* field 0 */
        { "\x0b\x0c", 2 },                                         /* a group */
        { "\x12\x05" "abc", 5 },                                   /* longer than what is left */
        { "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },    /* nearly 2^64 bytes */
        { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 },    /* 65 bits */
        { "\x1d\x00\x00\x80", 4 }, { "\x21\x00\x00\x80", 4 },      /* fixed, cut */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        b4c_proto p = message(bad[i].bytes, bad[i].n);
        b4c_field f;
        assert_int_equal(b4c_proto_next(&p, &f), -1);
    }
}

/* Reads a message and, as a reader of nested messages would, every field of bytes as a message. */
static int walk(const void *bytes, size_t n, void *depth, b4c_error *err)
{
    b4c_proto p = message(bytes, n);
    b4c_field f;
    int rc, deep = *(int *)depth + 1, count = 0;
    int64_t many[8];
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        count = 0;
        (void)b4c_field_ints(&f, many, &count, 8);
        assert_true(count <= 8);
        if (f.wire != B4C_WIRE_BYTES) continue;
        const unsigned char *end = (const unsigned char *)bytes + n;
        assert_true(f.bytes.size <= (size_t)(end - f.bytes.data));
        if (deep < 4 && walk(f.bytes.data, f.bytes.size, &deep, NULL) < 0) continue;
    }
    return rc < 0 ? b4c_fail(err, B4C_E_FORMAT, "malformed message") : 0;
}

static void broken_messages_never_leave_their_bytes(void **state)
{
    (void)state;
    static const char good[] = "\x08\x96\x01\x12\x0a\x0a\x03" "abc" "\x1d\x00\x00\x80\x3f"
                               "\x21\x01\x02\x03\x04\x05\x06\x07\x08\x2a\x03\x03\x8e\x02";
    int depth = 0;
    const cut_result r = cut_bytes(good, sizeof good - 1, 1, walk, &depth);
    assert_true(r.cuts > r.cuts_taken && r.changes > r.changes_taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_in_order_with_their_values),
        cmocka_unit_test(malformed_messages_are_told),
        cmocka_unit_test(broken_messages_never_leave_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
