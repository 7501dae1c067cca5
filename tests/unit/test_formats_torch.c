/* PyTorch's files: views of storages, pickles that would run something, archives that lie, and what
 * other versions write. */
#include "support/test.h"

#include "format_check.h"
#include "format_maker.h"

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

#define FLOATS "FloatStorage", "0", 6

static void views_of_a_storage_are_read_as_views(void **state)
{
    (void)state;
    static const pickled_tensor tensors[] = {
        { "plain", FLOATS, 0, 2, { 2, 3 }, { 3, 1 } },
        { "turned", FLOATS, 0, 2, { 3, 2 }, { 1, 3 } },
        { "column", FLOATS, 1, 1, { 2 }, { 3 } },
        { "cube", FLOATS, 0, 3, { 3, 1, 2 }, { 1, 99, 3 } },
        { "number", FLOATS, 5, 0, { 0 }, { 0 } },
        { "nothing", FLOATS, 6, 2, { 0, 4 }, { 4, 1 } },
    };
    const float turned[] = { 1, -4.25f, -2, 5, 3.5f, 6 }, column[] = { -2, 5 };
    for (int legacy = 0; legacy < 2; legacy++) {
        b4c_buffer b = { 0 };
        if (legacy)
            put_torch_legacy(&b, tensors, COUNT(tensors), numbers, 4);
        else
            put_torch_zip(&b, tensors, COUNT(tensors), numbers, sizeof numbers);
        b4c_store s = opened("views.bin", &b);
        assert_int_equal(s.n, COUNT(tensors));
        holds(&s, "plain", numbers, 6);
        holds(&s, "turned", turned, 6);
        holds(&s, "column", column, 2);
        holds(&s, "cube", turned, 6);
        holds(&s, "number", numbers + 5, 1);
        holds(&s, "nothing", numbers, 0);
        b4c_store_close(&s);
    }
}

static void a_tensor_beyond_its_storage_is_refused(void **state)
{
    (void)state;
    static const struct {
        pickled_tensor tensor;
        const char *part;
    } cases[] = {
        { { "t", FLOATS, 0, 2, { 2, 4 }, { 4, 1 } }, "more elements" },
        { { "t", FLOATS, 1, 2, { 2, 3 }, { 3, 1 } }, "reaches element 5" },
        { { "t", FLOATS, 0, 2, { 2, 3 }, { 4, 1 } }, "reaches element 6" },
        { { "t", FLOATS, 7, 0, { 0 }, { 0 } }, "more elements" },
        { { "t", FLOATS, 0, 2, { 3, 100 }, { 1, 0 } }, "contiguous()" },
        { { "t", FLOATS, 0, 1, { 2 }, { INT64_MAX } }, "element" },
        { { "t", FLOATS, 0, 2, { 2, 2 }, { INT64_MAX, INT64_MAX } }, "element" },
        { { "t", FLOATS, 0, 1, { -1 }, { 1 } }, "numbers >= 0" },
        { { "t", FLOATS, 0, 1, { 2 }, { -1 } }, "numbers >= 0" },
        { { "t", FLOATS, -1, 1, { 2 }, { 1 } }, "numbers >= 0" },
        { { "t", FLOATS, 0, 2, { INT64_MAX, 4 }, { 4, 1 } }, "more elements" },
        { { "t", "FloatStorage", "0", INT64_MAX, 0, 1, { 2 }, { 1 } }, "more than the file" },
        { { "t", "FloatStorage", "0", -1, 0, 1, { 2 }, { 1 } }, "more than the file" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        put_torch_zip(&b, &cases[i].tensor, 1, numbers, sizeof numbers);
        refused("beyond.bin", &b, B4C_E_FORMAT, cases[i].part);
    }
    b4c_buffer b = { 0 }; /* the member is shorter than the storage that the pickle speaks of */
    put_torch_zip(&b, &(pickled_tensor){ "t", FLOATS, 0, 1, { 2 }, { 1 } }, 1, numbers, 20);
    refused("beyond.bin", &b, B4C_E_FORMAT, "20 bytes, its storage wants 24");
    put_torch_legacy(&b, &(pickled_tensor){ "t", FLOATS, 0, 1, { 2 }, { 1 } }, 1, numbers, 3);
    refused("beyond.bin", &b, B4C_E_FORMAT, "wants 32 bytes, 26 are left");
}

/* A zip with one pickle of these opcodes. */
static void put_program(b4c_buffer *b, const void *code, size_t n)
{
    zip_maker z = { 0 };
    zip_add(&z, "a/data.pkl", code, n, 0);
    zip_end(&z);
    b4c_buffer_add(b, z.file.data, z.file.size);
    zip_done(&z);
}

static void a_pickle_is_never_executed(void **state)
{
    (void)state;
#define CODE(text) text, sizeof text - 1
    static const struct {
        const char *code;
        size_t n;
        const char *part;
        int code_wanted;
    } cases[] = {
        { CODE("\x80\2cos\nsystem\nX\1\0\0\0x\x85R."), "'os.system'", -8 },
        { CODE("\x80\2c__builtin__\neval\nX\1\0\0\0x\x85R."), "'__builtin__.eval'", -8 },
        { CODE("\x80\4\x8c\5posix\x8c\6system\x93."), "'posix.system'", -8 },
        { CODE("ctorch\nload\n."), "'torch.load'", -8 },
        { CODE("ctorch._utils\n_rebuild_tensor_v2 \n."), "torch._utils", -8 },
        { CODE("(S'x'\nios\nsystem\n."), "opcode 53", -8 }, /* INST */
        { CODE("}X\1\0\0\0x\x81."), "opcode 81", -8 },      /* NEWOBJ */
        { CODE("}R."), "cannot be called", -3 },
        { CODE("K\1K\2R."), "cannot be called", -3 },
        { CODE("."), "without a value", -3 },
        { CODE("K"), "ends too early", -3 },
        { CODE("X\xff\xff\xff\xff"), "ends too early", -3 },
        { CODE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends too early", -3 },
        { CODE("h\7."), "memo", -3 },
        { CODE("}r\xff\xff\xff\xff."), "memo", -3 },
        { CODE("t."), "no mark", -3 },
        { CODE("(0."), "nothing to drop", -3 },
        { CODE("}(K\1u."), "key without a value", -3 },
        { CODE("K\1(K\1K\2u."), "no list or dictionary", -3 },
        { CODE("(K\1K\2u."), "items", -3 },
        { CODE("K\1."), "not a dictionary", -8 },
        { CODE("}."), "no tensors", -5 },
        { CODE("K\1Q0}."), "no storage", -3 },
        { CODE("ccollections\nOrderedDict\n]K\1a\x85R."), "OrderedDict", -3 },
    };
#undef CODE
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        put_program(&b, cases[i].code, cases[i].n);
        refused("program.bin", &b, cases[i].code_wanted, cases[i].part);
    }
}

/* d0 = {}, d1 = {1: d0, 2: d0}, d2 = {1: d1, 2: d1}, ...: a tree of 2^60 leaves in 1 KB, and one
 * that holds itself. */
static void dictionaries_in_one_another_do_not_unfold(void **state)
{
    (void)state;
    b4c_buffer code = { 0 }, b = { 0 };
    b4c_buffer_text(&code, "}");
    for (int i = 0; i < 60; i++) {
        b4c_buffer_add(&code, "q\0", 2);
        b4c_buffer_add(&code, "}K\1h\0sK\2h\0s", 11);
    }
    b4c_buffer_text(&code, ".");
    put_program(&b, code.data, code.size);
    refused("deep.bin", &b, B4C_E_FORMAT, "hold one another");
    put_program(&b, "}q\0K\1h\0sK\2h\0s.", 15);
    refused("deep.bin", &b, B4C_E_FORMAT, "hold one another");
    b4c_buffer_done(&code);
}

static void training_checkpoints_give_dotted_names(void **state)
{
    (void)state;
    /* {"epoch": 3, "state_dict": {"w": tensor}, "optimizer": {"state": {0: {"m": tensor}}}} */
    b4c_buffer code = { 0 }, inner = { 0 }, b = { 0 };
    const pickled_tensor w = { "w", FLOATS, 0, 1, { 6 }, { 1 } },
                         m = { "m", FLOATS, 0, 1, { 2 }, { 1 } };
    zip_maker z = { .zip64 = true };
    b4c_buffer_text(&code, "}(");
    put_pickle_text(&code, "epoch");
    put_pickle_int(&code, 3);
    put_pickle_text(&code, "state_dict");
    put_state_dict(&inner, &w, 1, NULL);
    b4c_buffer_add(&code, inner.data, inner.size - 1); /* without STOP */
    put_pickle_text(&code, "optimizer");
    b4c_buffer_text(&code, "}");
    put_pickle_text(&code, "state");
    b4c_buffer_text(&code, "}");
    put_pickle_int(&code, 0);
    b4c_buffer_done(&inner);
    put_state_dict(&inner, &m, 1, NULL);
    b4c_buffer_add(&code, inner.data, inner.size - 1);
    b4c_buffer_text(&code, "ssu.");
    zip_add(&z, "x/data.pkl", code.data, code.size, 0);
    zip_add(&z, "x/data/0", numbers, sizeof numbers, 0);
    zip_end(&z);
    b4c_buffer_add(&b, z.file.data, z.file.size);
    b4c_store s = opened("training.bin", &b);
    assert_int_equal(s.n, 2);
    holds(&s, "state_dict.w", numbers, 6);
    holds(&s, "optimizer.state.0.m", numbers, 2);
    b4c_store_close(&s);
    zip_done(&z);
    b4c_buffer_done(&inner);
    b4c_buffer_done(&code);
}

/* What other Pythons and PyTorches write: parameters, a list of pairs, torch.Size, a GPU's class,
 * a legacy part of a storage. */
static void other_spellings_of_a_tensor_are_understood(void **state)
{
    (void)state;
    b4c_buffer code = { 0 }, b = { 0 };
    zip_maker z = { 0 };
    b4c_buffer_text(&code, "ccollections\nOrderedDict\n(](](");
    put_pickle_text(&code, "w");
    b4c_buffer_text(&code,
                    "ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor\n((");
    put_pickle_text(&code, "storage");
    b4c_buffer_text(&code, "ctorch.cuda\nFloatStorage\n");
    put_pickle_text(&code, "k");
    put_pickle_text(&code, "cuda:0");
    b4c_buffer_text(&code, "K\6(");
    put_pickle_text(&code, "part");
    b4c_buffer_text(&code, "K\2K\4ttQK\1ctorch\nSize\n(K\3t\x85R(K\1ttR\x88]tReetR.");
    zip_add(&z, "x/data.pkl", code.data, code.size, 0);
    zip_add(&z, "x/data/k", numbers, sizeof numbers, 0);
    zip_end(&z);
    b4c_buffer_add(&b, z.file.data, z.file.size);
    b4c_store s = opened("spelling.bin", &b);
    holds(&s, "w", numbers + 3, 3);
    b4c_store_close(&s);
    zip_done(&z);
    b4c_buffer_done(&code);
}

static void a_zip_that_lies_is_refused(void **state)
{
    (void)state;
    const pickled_tensor t = { "t", FLOATS, 0, 1, { 6 }, { 1 } };
    b4c_buffer pickle = { 0 }, b = { 0 };
    put_state_dict(&pickle, &t, 1, NULL);
    static const struct {
        const char *name[3];
        int method;
        const char *order, *part;
        int code;
    } cases[] = {
        { { "a/data.pkl", "a/data/0", "a/byteorder" }, 8, "little", "compressed", -8 },
        { { "a/data.pkl", "a/data/0", "a/byteorder" }, 0, "big", "'big', wanted 'little'", -8 },
        { { "a/data.pkl", "a/data/1", "a/byteorder" }, 0, "little", "'a/data/0' is missing", -3 },
        { { "a/data.pkl", "a/data/0", "a/data/0" }, 0, "little", "twice", -3 },
        { { "a/data.pkl", "a/data/0", "b/data.pkl" }, 0, "little", "exactly one", -3 },
        { { "data.pkl", "a/data/0", "x" }, 0, "little", "exactly one", -3 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        zip_maker z = { 0 };
        zip_add(&z, cases[i].name[0], pickle.data, pickle.size, cases[i].method);
        zip_add(&z, cases[i].name[1], numbers, sizeof numbers, 0);
        zip_add(&z, cases[i].name[2], cases[i].order, strlen(cases[i].order), 0);
        zip_end(&z);
        b4c_buffer_add(&b, z.file.data, z.file.size);
        refused("zip.bin", &b, cases[i].code, cases[i].part);
        zip_done(&z);
    }
    b4c_buffer_done(&pickle);
}

static void shards_and_folders_are_found(void **state)
{
    (void)state;
    const pickled_tensor a = { "a", FLOATS, 0, 1, { 6 }, { 1 } },
                         b = { "b", FLOATS, 0, 1, { 2 }, { 1 } };
    b4c_buffer file = { 0 };
    put_torch_zip(&file, &a, 1, numbers, sizeof numbers);
    temp_file("torch/one.bin", file.data, file.size);
    b4c_buffer_done(&file);
    put_torch_legacy(&file, &b, 1, numbers, 4);
    temp_file("torch/two.bin", file.data, file.size);
    b4c_buffer_done(&file);
    temp_text("torch/pytorch_model.bin.index.json",
              "{\"weight_map\": {\"a\": \"one.bin\", \"b\": \"two.bin\"}}");
    b4c_store s;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&s, temp_path("torch"), &err), &err);
    assert_int_equal(s.n, 2);
    holds(&s, "a", numbers, 6);
    holds(&s, "b", numbers, 2);
    b4c_store_close(&s);

    /* safetensors beside them win: what both the hub and this library write today */
    put_safetensors(&file,
                    "{\"c\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24]}}",
                    numbers, sizeof numbers);
    temp_file("torch/model.safetensors", file.data, file.size);
    assert_ok(b4c_store_open(&s, temp_path("torch"), &err), &err);
    assert_string_equal(s.layout, "safetensors");
    assert_int_equal(s.n, 1);
    b4c_store_close(&s);

    temp_file("torch/two.bin", file.data, file.size); /* shards of two kinds */
    b4c_buffer_done(&file);
    assert_fails(b4c_store_open(&s, temp_path("torch/pytorch_model.bin.index.json"), &err), &err,
                 B4C_E_FORMAT, "is safetensors, the other shards are torch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_of_a_storage_are_read_as_views),
        cmocka_unit_test(a_tensor_beyond_its_storage_is_refused),
        cmocka_unit_test(a_pickle_is_never_executed),
        cmocka_unit_test(dictionaries_in_one_another_do_not_unfold),
        cmocka_unit_test(training_checkpoints_give_dotted_names),
        cmocka_unit_test(other_spellings_of_a_tensor_are_understood),
        cmocka_unit_test(a_zip_that_lies_is_refused),
        cmocka_unit_test(shards_and_folders_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
