/* test_memory.c - what opening a model takes: its packed weights and little else, at no moment
 * more.
 *
 * Each measurement is a process of its own, whose highest use of memory the kernel keeps. Pages of
 * the mapped file count too while they are there.
 */
#include "bert4c.h"
#include "model/format/safetensors_write.h"
#include "support/sanitized.h"
#include "support/test.h"

#include <sys/wait.h>
#include <unistd.h>

enum { LAYERS = 6, WIDTH = 384, INNER = 1536, TOKENS = 16000, POSITIONS = 64 };

typedef struct made {
    b4c_tensor_out tensor[16 * LAYERS + 8];
    char name[16 * LAYERS + 8][96];
    int n;
} made;

static void add(made *m, const char *format, int layer, int rows, int cols)
{
    char *name = m->name[m->n];
    snprintf(name, sizeof m->name[0], format, layer);
    m->tensor[m->n++] =
        (b4c_tensor_out){ name, B4C_STORED_F32, cols ? 2 : 1, { rows, cols }, NULL };
}

#define DENSE(m, part, l, rows, cols)                                   \
    do {                                                                \
        add(m, "bert.encoder.layer.%d." part ".weight", l, rows, cols); \
        add(m, "bert.encoder.layer.%d." part ".bias", l, rows, 0);      \
    } while (0)

/* A BERT of 67 MB with a vocabulary. */
static const char *make_model(void)
{
    static made m;
    b4c_error err = { 0 };
    b4c_safetensors_out out;
    add(&m, "bert.embeddings.word_embeddings.weight", 0, TOKENS, WIDTH);
    add(&m, "bert.embeddings.position_embeddings.weight", 0, POSITIONS, WIDTH);
    add(&m, "bert.embeddings.token_type_embeddings.weight", 0, 2, WIDTH);
    add(&m, "bert.embeddings.LayerNorm.weight", 0, WIDTH, 0);
    add(&m, "bert.embeddings.LayerNorm.bias", 0, WIDTH, 0);
    for (int l = 0; l < LAYERS; l++) {
        DENSE(&m, "attention.self.query", l, WIDTH, WIDTH);
        DENSE(&m, "attention.self.key", l, WIDTH, WIDTH);
        DENSE(&m, "attention.self.value", l, WIDTH, WIDTH);
        DENSE(&m, "attention.output.dense", l, WIDTH, WIDTH);
        DENSE(&m, "attention.output.LayerNorm", l, WIDTH, 0);
        DENSE(&m, "intermediate.dense", l, INNER, WIDTH);
        DENSE(&m, "output.dense", l, WIDTH, INNER);
        DENSE(&m, "output.LayerNorm", l, WIDTH, 0);
    }
    char *vocabulary = malloc(TOKENS * 12 + 64);
    assert_non_null(vocabulary);
    int n = sprintf(vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n我\n");
    for (int i = 6; i < TOKENS; i++) n += sprintf(vocabulary + n, "w%d\n", i);
    temp_text("large/vocab.txt", vocabulary);
    free(vocabulary);
    temp_text("large/config.json",
              "{\"model_type\":\"bert\",\"vocab_size\":16000,\"hidden_size\":384,"
              "\"num_hidden_layers\":6,\"num_attention_heads\":6,\"intermediate_size\":1536,"
              "\"max_position_embeddings\":64}");
    assert_ok(
        b4c_safetensors_begin(&out, temp_path("large/model.safetensors"), m.tensor, m.n, &err),
        &err);
    float x[WIDTH];
    for (int i = 0; i < WIDTH; i++) x[i] = (float)(i * 7919 % 1000) / 10000 - 0.05f;
    for (int t = 0; t < m.n; t++)
        for (int64_t left =
                 m.tensor[t].shape[0] * (m.tensor[t].rank > 1 ? m.tensor[t].shape[1] : 1);
             left > 0; left -= WIDTH)
            assert_ok(b4c_safetensors_put(&out, x, WIDTH, &err), &err);
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    return temp_path("large");
}

/* Kilobytes of a line of /proc/self/status. */
static long status(const char *key)
{
    char line[200];
    long kilobytes = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key))) kilobytes = atol(line + strlen(key));
    if (f) fclose(f);
    return kilobytes;
}

typedef struct taken {
    long peak, packed; /* KB */
    int rc;
} taken;

/* Opens the model and encodes a sentence, in a process of its own. */
static taken open_alone(const char *folder, b4c_dtype dtype)
{
    int pipe_of[2], code;
    taken t = { -1, 0, -1 };
    assert_int_equal(pipe(pipe_of), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        float out[WIDTH];
        b4c_model_options o = B4C_MODEL_DEFAULT;
        b4c_model_info info = { 0 };
        const b4c_encode_options mean = { .pooling = B4C_POOL_MEAN };
        const b4c_session_options two = { .threads = 2 }; /* each takes its own scratch */
        const long before = status("VmRSS:");
        o.dtype = dtype;
        b4c_model *m = b4c_model_open(folder, &o, NULL);
        b4c_session *s = m ? b4c_session_new(m, &two, NULL) : NULL;
        if (s) t.rc = b4c_encode(s, (const char *[]){ "我" }, NULL, 1, &mean, out, NULL);
        if (m) b4c_model_describe(m, &info);
        t.packed = (long)(info.packed_bytes / 1024);
        t.peak = before < 0 ? -1 : status("VmHWM:") - before;
        _exit(write(pipe_of[1], &t, sizeof t) == sizeof t ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_int_equal(code, 0);
    assert_int_equal(read(pipe_of[0], &t, sizeof t), sizeof t);
    close(pipe_of[0]);
    close(pipe_of[1]);
    assert_int_equal(t.rc, 0);
    return t;
}

/* REPORTS S07: a server took 8 GB while it loaded what then took 4, so that every machine had to be
 * twice as large. 1.1 x the packed weights, and the memory of a session with its threads. */
static void opening_takes_the_packed_weights_and_no_copy_of_the_file(void **state)
{
    (void)state;
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
    const long session = 16 * 1024;
    if (SANITIZED || status("VmHWM:") < 0) skip();
    const char *folder = make_model();
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        const taken t = open_alone(folder, dtypes[d]);
        assert_true(t.packed > 10 * 1024);
        if (t.peak > t.packed + t.packed / 10 + session)
            fail_msg("%s: %ld KB at most, of which %ld are weights", b4c_dtype_name(dtypes[d]),
                     t.peak, t.packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_takes_the_packed_weights_and_no_copy_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
