/* TF1 checkpoints: indexes that lie, blocks, checksums, slices, and which prefix is meant. */
#include "support/test.h"

#include "format_check.h"
#include "format_maker.h"
#include "model/format/crc32c.h"

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

static const int64_t shape[] = { 2, 3 };

/* NAME.index with these entries after the header, NAME.data-00000-of-00001 with the numbers. */
static void put_tf1(b4c_buffer *index, const char *const *keys, b4c_buffer *values, int n)
{
    table_maker t = { 0 };
    b4c_buffer header = { 0 };
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    for (int i = 0; i < n; i++) {
        if (i % 2) table_block(&t); /* several data blocks */
        table_add(&t, keys[i], strlen(keys[i]), &values[i]);
        b4c_buffer_done(&values[i]);
    }
    table_end(&t);
    b4c_buffer_add(index, t.file.data, t.file.size);
    table_done(&t);
    b4c_buffer_done(&header);
    temp_file("m.ckpt.data-00000-of-00001", numbers, sizeof numbers);
}

static void several_blocks_and_both_checksums_are_read(void **state)
{
    (void)state;
    static const char *const keys[] = { "bert/a", "bert/ab", "bert/b" };
    b4c_buffer v[3] = { 0 }, index = { 0 };
    b4c_error err = { 0 };
    float x[6];
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 8, numbers + 2, 8);
    tf1_entry(&v[2], 1, shape, 1, 0, 16, numbers, 8); /* checksum of other bytes */
    put_tf1(&index, keys, v, 3);
    b4c_store s = opened("m.ckpt.index", &index);
    holds(&s, "bert/a", numbers, 2);
    holds(&s, "bert/a", numbers, 2); /* the second time without comparing */
    holds(&s, "bert/ab", numbers + 2, 2);
    assert_fails(b4c_store_read(&s, b4c_store_find(&s, "bert/b"), 0, 1, x, &err), &err,
                 B4C_E_FORMAT, "'bert/b': checksum");
    b4c_store_close(&s);
}

static void a_tf1_index_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t shape[2];
        int rank, dtype, shard;
        uint64_t offset, size;
        const char *part;
    } cases[] = {
        { { 2, 4 }, 2, 1, 0, 0, 24, "24 bytes, its shape [2, 4]" },
        { { 2, 3 }, 2, 2, 0, 0, 24, "of f64" },
        { { 2, 3 }, 2, 1, 1, 0, 24, "data file or place" },
        { { 2, 3 }, 2, 1, 0, 4, 24, "bytes 4 to 28 of a file of 24" },
        { { 2, 3 }, 2, 1, 0, UINT64_MAX - 3, 24, "data file or place" },
        { { 2, 3 }, 2, 1, 0, INT64_MAX, 24, "of a file of 24" },
        { { -2, -3 }, 2, 1, 0, 0, 24, "negative" },
        { { INT64_MAX, INT64_MAX }, 2, 1, 0, 0, 24, "[9223372036854775807" },
    };
    static const char *const keys[] = { "a", "b" };
    b4c_buffer v[2] = { 0 }, index = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tf1_entry(&v[0], cases[i].dtype, cases[i].shape, cases[i].rank, cases[i].shard,
                  cases[i].offset, NULL, cases[i].size);
        put_tf1(&index, keys, v, 1);
        refused("m.ckpt.index", &index, B4C_E_FORMAT, cases[i].part);
    }
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 4, numbers + 1, 8);
    put_tf1(&index, keys, v, 2);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "shares bytes");
    static const char *const unordered[] = { "b", "a" };
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 8, numbers + 2, 8);
    put_tf1(&index, unordered, v, 2);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "not in order");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    refused("m.wrong", &index, B4C_E_ARG, "must end in .index");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    refused("other.index", &index, B4C_E_MISSING, "'other.data-00000-of-00001' is not there");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    index.data[3] ^= 1;
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "checksum of a block");

    table_maker t = { .compression = 1 };
    b4c_buffer header = { 0 };
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    table_end(&t);
    refused("m.ckpt.index", &t.file, B4C_E_UNSUPPORTED, "compressed");
    table_done(&t);
    b4c_buffer_done(&header);
}

/* 3,000 keys that share 4,000 bytes: 12 MB of names out of 20 KB. */
static void shared_keys_do_not_unfold(void **state)
{
    (void)state;
    table_maker t = { 0 };
    b4c_buffer header = { 0 }, nothing = { 0 };
    char key[4100];
    memset(key, 'k', sizeof key);
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    for (int i = 0; i < 3000; i++) {
        snprintf(key + 4000, 100, "%08d", i);
        table_add(&t, key, 4008, &nothing);
    }
    table_end(&t);
    refused("m.ckpt.index", &t.file, B4C_E_FORMAT, "longer than any names");
    table_done(&t);
    b4c_buffer_done(&header);
}

/* Key of a slice of variable "v" [2, 3]: columns [start, start + length). */
static size_t slice_key(unsigned char key[16], int start, int length)
{
    const unsigned char bytes[] = { 0,
                                    'v',
                                    0,
                                    1,
                                    1,
                                    2,
                                    0x80,
                                    0x7f,
                                    (unsigned char)(0x80 | start),
                                    (unsigned char)(0x80 | length) };
    memcpy(key, bytes, sizeof bytes);
    return sizeof bytes;
}

/* The variable cut at columns: pieces {start, length}, each with an entry unless its length is 0.
 */
static void put_slices(b4c_buffer *index, const int pieces[2][2], const int64_t widths[2])
{
    table_maker t = { 0 };
    b4c_buffer value = { 0 }, whole = { 0 };
    unsigned char key[16];
    tf1_header(&value, 1);
    table_add(&t, "", 0, &value);
    tf1_entry(&whole, 1, shape, 2, 0, 0, NULL, 0);
    size_t offset = 0;
    for (int i = 0; i < 2; i++) {
        b4c_buffer extents = { 0 }, all = { 0 }, columns = { 0 };
        const int64_t piece[] = { 2, widths[i] };
        const size_t n = (size_t)widths[i] * 2 * 4;
        pb_int(&columns, 1, (uint64_t)pieces[i][0]);
        pb_int(&columns, 2, (uint64_t)pieces[i][1]);
        pb_message(&extents, 1, &all);
        pb_message(&extents, 1, &columns);
        pb_message(&whole, 7, &extents);
        b4c_buffer_done(&value);
        tf1_entry(&value, 1, piece, 2, 0, offset, (const char *)numbers + offset, n);
        offset += n;
        if (widths[i]) table_add(&t, key, slice_key(key, pieces[i][0], pieces[i][1]), &value);
    }
    table_add(&t, "v", 1, &whole);
    table_end(&t);
    b4c_buffer_add(index, t.file.data, t.file.size);
    temp_file("m.ckpt.data-00000-of-00001", numbers, sizeof numbers);
    table_done(&t);
    b4c_buffer_done(&value);
    b4c_buffer_done(&whole);
}

static void slices_cover_their_variable_exactly(void **state)
{
    (void)state;
    static const struct {
        int pieces[2][2];
        int64_t widths[2];
        const char *part;
    } cases[] = {
        { { { 0, 1 }, { 1, 2 } }, { 1, 2 }, NULL },
        { { { 0, 1 }, { 2, 1 } }, { 1, 1 }, "holes" },
        { { { 0, 2 }, { 1, 2 } }, { 1, 1 }, "no entry of its shape" },
        { { { 0, 1 }, { 1, 2 } }, { 1, 0 }, "no entry" },
        { { { 0, 2 }, { 1, 1 } }, { 2, 1 }, "overlap" },
        { { { 0, 1 }, { 1, 3 } }, { 1, 2 }, "beyond its shape" },
    };
    const float want[] = { 1, 3.5f, -4.25f, -2, 5, 6 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer index = { 0 };
        put_slices(&index, cases[i].pieces, cases[i].widths);
        if (cases[i].part) {
            refused("m.ckpt.index", &index, B4C_E_FORMAT, cases[i].part);
        } else {
            b4c_store s = opened("m.ckpt.index", &index);
            assert_int_equal(s.n, 1);
            holds(&s, "v", want, 6);
            b4c_store_close(&s);
        }
    }
    /* its checksums are compared when it is put together */
    b4c_buffer index = { 0 };
    float other[6] = { 0 };
    put_slices(&index, cases[0].pieces, cases[0].widths);
    temp_file("m.ckpt.data-00000-of-00001", other, sizeof other);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "checksum of slice 0");
}

static void the_file_checkpoint_says_which_prefix(void **state)
{
    (void)state;
    static const char *const keys[] = { "a" };
    for (int i = 0; i < 2; i++) {
        b4c_buffer v = { 0 }, index = { 0 };
        tf1_entry(&v, 1, shape, 1, 0, 0, numbers + 2 * i, 8);
        put_tf1(&index, keys, &v, 1);
        temp_file(i ? "train/x-200.index" : "train/x-100.index", index.data, index.size);
        temp_file(i ? "train/x-200.data-00000-of-00001" : "train/x-100.data-00000-of-00001",
                  numbers + 2 * i, 8);
        b4c_buffer_done(&index);
    }
    b4c_store s;
    b4c_error err = { 0 };
    assert_fails(b4c_store_open(&s, temp_path("train"), &err), &err, B4C_E_ARG, "several models");
    temp_text("train/checkpoint", "model_checkpoint_path: \"/home/someone/train/x-200\"\n"
                                  "all_model_checkpoint_paths: \"x-100\"\n");
    assert_ok(b4c_store_open(&s, temp_path("train"), &err), &err);
    holds(&s, "a", numbers + 2, 2);
    b4c_store_close(&s);
    temp_text("train/checkpoint", "model_checkpoint_path: \"x-100\"\n");
    assert_ok(b4c_store_open(&s, temp_path("train"), &err), &err);
    holds(&s, "a", numbers, 2);
    b4c_store_close(&s);
    temp_text("train/checkpoint", "model_checkpoint_path: \"../../secret\"\n");
    assert_fails(b4c_store_open(&s, temp_path("train"), &err), &err, B4C_E_ARG, "several models");
}

static void checksums_agree_by_instruction_and_by_tables(void **state)
{
    (void)state;
    static unsigned char bytes[40000];
    assert_int_equal(b4c_crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(b4c_crc32c("", 0), 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * i >> 3);
    for (size_t n = 0; n < sizeof bytes; n = n * 5 / 4 + 1) {
        const unsigned char *from = bytes + n % 7;
        const size_t size = n < 7 ? n : n - 7;
        const uint32_t whole = b4c_crc32c(from, size);
        assert_int_equal(whole, b4c_crc32c_tables(from, size));
        const size_t half = size / 3;
        assert_int_equal(whole, b4c_crc32c_more(b4c_crc32c(from, half), from + half, size - half));
    }
    assert_int_equal(b4c_crc32c_unmask(tf1_mask(0x12345678)), 0x12345678);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_blocks_and_both_checksums_are_read),
        cmocka_unit_test(a_tf1_index_that_lies_is_refused),
        cmocka_unit_test(shared_keys_do_not_unfold),
        cmocka_unit_test(slices_cover_their_variable_exactly),
        cmocka_unit_test(the_file_checkpoint_says_which_prefix),
        cmocka_unit_test(checksums_agree_by_instruction_and_by_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
