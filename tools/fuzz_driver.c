/* fuzz_driver.c - runs a fuzz target (LLVMFuzzerTestOneInput) where libFuzzer is not at hand.
 *
 *     TARGET [-max_total_time=SECONDS | -runs=0] [-artifact_prefix=PATH] [-seed=N] FILE|FOLDER ...
 *
 * It takes the same arguments as libFuzzer does, so that tools/fuzz.sh need not know which one it
 * runs. Every file is run as it is; then, until the time is over, random files are changed at
 * random and run. It does not know which code an input reached, so it finds less than libFuzzer,
 * but what it finds is just as real. A failing input is written to PREFIXcrash. The same seed tries
 * the same inputs in the same order.
 */
#include "base/file.h"
#include "base/rng.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Of the sanitizers' runtime, when it is there. */
void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

enum { MOST_BYTES = 1 << 20, GROWTH = 64 };

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

static input *corpus;
static size_t n_corpus;
static struct {
    uint8_t *data;
    size_t size;
    char path[4096];
} current; /* what is running now: the evidence, should it fail */

static void die(const char *what, const char *why)
{
    fprintf(stderr, "fuzz_driver: %s: %s\n", what, why);
    exit(2);
}

static void keep_evidence(void)
{
    const int fd = open(current.path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) return;
    for (size_t at = 0; at < current.size;) {
        const ssize_t n = write(fd, current.data + at, current.size - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    close(fd);
    static const char note[] = "fuzz_driver: the failing input is kept: ";
    (void)!write(STDERR_FILENO, note, sizeof note - 1);
    (void)!write(STDERR_FILENO, current.path, strlen(current.path));
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void on_signal(int number)
{
    keep_evidence();
    signal(number, SIG_DFL);
    raise(number);
}

/* A copy of exactly its size, so that the sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t size)
{
    current.data = malloc(size ? size : 1);
    current.size = size;
    if (!current.data) die("input", "no memory");
    if (size) memcpy(current.data, data, size);
    (void)LLVMFuzzerTestOneInput(current.data, size);
    free(current.data);
    current.data = NULL;
    current.size = 0;
}

/* ---- corpus --------------------------------------------------------------------------------- */

static void add_file(const char *path)
{
    b4c_error err = { 0 };
    b4c_file file;
    if (b4c_file_map(&file, path, &err) < 0) die(path, err.message);
    if (file.size <= MOST_BYTES) {
        input *grown = realloc(corpus, (n_corpus + 1) * sizeof *corpus);
        uint8_t *data = malloc(file.size + 1);
        if (!grown || !data) die(path, "no memory");
        corpus = grown;
        if (file.size) memcpy(data, file.data, file.size);
        corpus[n_corpus++] = (input){ data, file.size };
    }
    b4c_file_unmap(&file);
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void add_path(const char *path)
{
    if (!b4c_folder_exists(path)) {
        add_file(path);
        return;
    }
    struct dirent **entry;
    /* Sorted, since the order of files is part of the seed. */
    const int n = scandir(path, &entry, visible, alphasort);
    if (n < 0) die(path, "cannot be listed");
    for (int i = 0; i < n; i++) {
        char *full = b4c_path_join(path, entry[i]->d_name);
        if (!full) die(path, "no memory");
        if (b4c_file_exists(full)) add_file(full);
        free(full);
        free(entry[i]);
    }
    free(entry);
}

/* ---- change --------------------------------------------------------------------------------- */

static size_t below(b4c_rng *r, size_t n) { return b4c_rng_below(r, (uint32_t)n); }

/* Numbers at which sizes and offsets break, little-endian over 1, 2, 4 or 8 bytes. */
static void put_number(b4c_rng *r, uint8_t *data, size_t size)
{
    static const uint64_t numbers[] = {
        0,         1,          0x7f,       0x80,       0xff,        0x7fff,    0x8000,
        0xffff,    0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX, (uint64_t)1 << 63,
        UINT64_MAX
    };
    const uint64_t x = numbers[below(r, sizeof numbers / sizeof *numbers)] + below(r, 3) - 1;
    const size_t width = (size_t)1 << below(r, 4);
    if (width > size) return;
    uint8_t *at = data + below(r, size - width + 1);
    for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(x >> 8 * i);
}

/* One change in data, which has room for `room` bytes. Returns the new size. */
static size_t change(b4c_rng *r, uint8_t *data, size_t size, size_t room)
{
    const size_t at = size ? below(r, size) : 0;
    const size_t run_length = 1 + below(r, GROWTH);
    switch (below(r, 7)) {
    case 0: /* a bit */
        if (size) data[at] ^= (uint8_t)(1u << below(r, 8));
        return size;
    case 1: /* a byte */
        if (size) data[at] = (uint8_t)b4c_rng_word(r);
        return size;
    case 2:
        if (size) put_number(r, data, size);
        return size;
    case 3: /* cut a piece out */
        if (at + run_length >= size) return at;
        memmove(data + at, data + at + run_length, size - at - run_length);
        return size - run_length;
    case 4: /* say a piece again */
        if (at + run_length > size || size + run_length > room) return size;
        memmove(data + at + run_length, data + at, size - at);
        return size + run_length;
    case 5: /* put something in */
        if (size + run_length > room) return size;
        memmove(data + at + run_length, data + at, size - at);
        for (size_t i = 0; i < run_length; i++) data[at + i] = (uint8_t)b4c_rng_word(r);
        return size + run_length;
    default: { /* a piece of another file */
        const input *other = &corpus[below(r, n_corpus)];
        if (!other->size || !size) return size;
        const size_t from = below(r, other->size);
        size_t n = run_length;
        if (n > other->size - from) n = other->size - from;
        if (n > size - at) n = size - at;
        memcpy(data + at, other->data + from, n);
        return size;
    }
    }
}

int main(int argc, char **argv)
{
    long seconds = 60;
    unsigned long seed = 1;
    const char *prefix = "";
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (argv[i][0] != '-')
            add_path(argv[i]);
        else if (value && strncmp(argv[i], "-max_total_time=", 16) == 0)
            seconds = strtol(value + 1, NULL, 10);
        else if (strcmp(argv[i], "-runs=0") == 0)
            seconds = 0;
        else if (value && strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoul(value + 1, NULL, 10);
        else if (value && strncmp(argv[i], "-artifact_prefix=", 17) == 0)
            prefix = value + 1;
        /* other options of libFuzzer mean nothing here */
    }
    snprintf(current.path, sizeof current.path, "%scrash", prefix);
    const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(keep_evidence);

    run(NULL, 0);
    for (size_t i = 0; i < n_corpus; i++) run(corpus[i].data, corpus[i].size);
    if (n_corpus == 0) {
        corpus = calloc(1, sizeof *corpus); /* from nothing: insertions make the first inputs */
        if (!corpus) die("corpus", "no memory");
        n_corpus = 1;
    }

    const time_t end = time(NULL) + seconds;
    b4c_rng r;
    b4c_rng_init(&r, seed, 0, 0);
    unsigned long runs = 0;
    for (; time(NULL) < end; runs++) {
        const input *from = &corpus[below(&r, n_corpus)];
        const size_t room = from->size + 16 * GROWTH;
        uint8_t *data = malloc(room);
        if (!data) die("input", "no memory");
        if (from->size) memcpy(data, from->data, from->size);
        size_t size = from->size;
        for (size_t k = 1 + below(&r, 8); k > 0; k--) size = change(&r, data, size, room);
        run(data, size);
        free(data);
    }
    printf("fuzz_driver: %zu files, %lu changed inputs in %ld s\n", n_corpus, runs, seconds);
    for (size_t i = 0; i < n_corpus; i++) free(corpus[i].data);
    free(corpus);
    return 0;
}
