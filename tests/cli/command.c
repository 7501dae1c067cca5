/* command.c - see command.h. Output goes through files, so that no pipe can fill up. */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 40 };

static void *kept[4096];
static int n_kept;

static void free_kept(void)
{
    while (n_kept) free(kept[--n_kept]);
}

/* Strings of a run live as long as the process. */
static const char *keep(void *memory)
{
    if (!n_kept) atexit(free_kept);
    assert_true(n_kept < (int)COUNT(kept));
    return kept[n_kept++] = memory;
}

const char *bert4c_path(void)
{
    const char *path = getenv("BERT4C");
    return path && *path ? path : "build/bert4c";
}

bool exists(const char *path) { return access(path, F_OK) == 0; }

/* In the child: become the command. */
static void become(const char *const *argv, int in, int out, int err)
{
    const char *all[ARGUMENTS + 2] = { bert4c_path() };
    int n = 0;
    while (argv[n] && n < ARGUMENTS) {
        all[n + 1] = argv[n];
        n++;
    }
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(all[0], (char *const *)all);
    fprintf(stderr, "%s: %s\n", all[0], strerror(errno));
    _exit(127);
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_fresh(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

run bert4c_bytes(const void *input, size_t size, const char *const *argv)
{
    static int runs;
    run r;
    int status;
    runs++;
    const char *out_path = temp_path("run-%d.out", runs), *err_path = temp_path("run-%d.err", runs);
    temp_folder();
    const int in = open_fresh(temp_path("run-%d.in", runs)), out = open_fresh(out_path),
              err = open_fresh(err_path);
    assert_int_equal(write(in, input, size), (ssize_t)size);
    lseek(in, 0, SEEK_SET);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) become(argv, in, out, err);
    close(in);
    close(out);
    close(err);
    assert_int_equal(waitpid(child, &status, 0), child);
    r.code = code_of(status);
    r.out = keep(read_file(out_path, &r.out_size));
    r.err = keep(read_file(err_path, NULL));
    return r;
}

run bert4c(const char *input, ...)
{
    const char *argv[ARGUMENTS + 1];
    int n = 0;
    va_list args;
    va_start(args, input);
    do argv[n] = va_arg(args, const char *);
    while (argv[n] && ++n < ARGUMENTS);
    argv[n] = NULL;
    va_end(args);
    return bert4c_bytes(input ? input : "", input ? strlen(input) : 0, argv);
}

running bert4c_start(const char *const *argv)
{
    static int starts;
    running r;
    int in[2], out[2];
    temp_folder();
    r.err_path = temp_path("started-%d.err", ++starts);
    const int err = open_fresh(r.err_path);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    r.pid = fork();
    assert_true(r.pid >= 0);
    if (r.pid == 0) become(argv, in[0], out[1], err);
    close(in[0]);
    close(out[1]);
    close(err);
    r.in = in[1];
    r.out = out[0];
    return r;
}

run bert4c_wait(running *r)
{
    run done = { 0 };
    int status;
    char *all = malloc(1);
    size_t n = 0;
    char piece[4096];
    ssize_t got;
    if (r->in >= 0) close(r->in);
    while ((got = read(r->out, piece, sizeof piece)) > 0) {
        all = realloc(all, n + (size_t)got + 1);
        assert_non_null(all);
        memcpy(all + n, piece, (size_t)got);
        n += (size_t)got;
    }
    all[n] = 0;
    close(r->out);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    done.code = code_of(status);
    done.out = keep(all);
    done.out_size = n;
    done.err = keep(read_file(r->err_path, NULL));
    return done;
}

/* ---- a model -------------------------------------------------------------------------------- */

#define WEIGHTS    "tests/golden/models/bert/model.safetensors"
#define CONFIG     "tests/golden/models/bert/config.json"
#define VOCABULARY "tests/golden/formats/tf1-bert/vocab.txt"

static void copy(const char *from, const char *to)
{
    size_t n;
    char *bytes = read_file(from, &n);
    temp_file(to, bytes, n);
    free(bytes);
}

/* A file of the model in folder `name`. */
static const char *in_folder(const char *name, const char *file)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", name, file);
    return path[turn];
}

void copy_model(const char *from, const char *name)
{
    static const char *const files[] = { "config.json", "vocab.txt", "model.safetensors" };
    char path[256];
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", from, files[i]);
        copy(path, in_folder(name, files[i]));
    }
}

void copy_tiny_model(const char *name)
{
    if (!exists(WEIGHTS) || !exists(VOCABULARY)) {
        print_message("%s is not there\n", WEIGHTS);
        skip();
    }
    copy(WEIGHTS, in_folder(name, "model.safetensors"));
    copy(CONFIG, in_folder(name, "config.json"));
    copy(VOCABULARY, in_folder(name, "vocab.txt"));
}

const char *tiny_model(void)
{
    static const char *folder;
    if (folder) return folder;
    copy_tiny_model("tiny");
    temp_text("tiny/modules.json", "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_"
                                   "transformers.models.Transformer\"},"
                                   "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":"
                                   "\"sentence_transformers.models.Pooling\"},"
                                   "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\","
                                   "\"type\":\"sentence_transformers.models.Normalize\"}]");
    temp_text("tiny/1_Pooling/config.json",
              "{\"word_embedding_dimension\":40,\"pooling_mode_cls_token\":false,"
              "\"pooling_mode_mean_tokens\":true,\"pooling_mode_max_tokens\":false,"
              "\"pooling_mode_mean_sqrt_len_tokens\":false}");
    temp_text("tiny/config_sentence_transformers.json",
              "{\"prompts\":{\"query\":\"我想\",\"document\":\"\"},\"default_prompt_name\":null}");
    return folder = temp_path("tiny");
}

const char *tiny_model_without_pooling(void)
{
    static const char *folder;
    if (folder) return folder;
    copy_tiny_model("bare");
    return folder = temp_path("bare");
}

const char *tiny_vocabulary(void) { return VOCABULARY; }

const char *number_vocabulary(void)
{
    return temp_text("v/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n一\n二\n三\n四\n五\n六\n"
                                    "七\n八\n九\n十\n");
}
