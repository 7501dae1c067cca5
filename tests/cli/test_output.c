/* test_output.c - files that appear when they are complete, and runs that go on where they were
 * stopped. */
#include "cli/command.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 300 };

/* Short texts, one a line; some of them are equal. */
static const char *lines(void)
{
    static char all[LINES * 12];
    char *to = all;
    if (*all) return all;
    for (int i = 0; i < LINES; i++)
        to += sprintf(to, "%s%s%d\n", i % 2 ? "我" : "想", i % 3 ? "天" : "", i % 3);
    return all;
}

/* A whole file; the last eight stay readable. */
static const char *slurp(const char *path)
{
    static char *bytes[8];
    static int turn;
    turn = (turn + 1) % 8;
    free(bytes[turn]);
    return bytes[turn] = read_file(path, NULL);
}

static int count_lines(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

#define EMBED "embed", "-m", tiny_model()

static void a_file_appears_when_it_is_complete(void **state)
{
    (void)state;
    const char *out = temp_path("plain.jsonl");
    const run to_stdout = bert4c(lines(), EMBED, NULL);
    assert_code(to_stdout, 0);
    assert_int_equal(count_lines(to_stdout.out), LINES);
    const run r = bert4c(lines(), EMBED, "-o", out, NULL);
    assert_code(r, 0);
    assert_string_equal(r.out, "");
    assert_string_equal(slurp(out), to_stdout.out);
    assert_false(exists(temp_path("plain.jsonl.part")));
    assert_false(exists(temp_path("plain.jsonl.part.json")));
}

static void the_extension_says_the_format(void **state)
{
    (void)state;
    assert_code(bert4c("我\n", EMBED, "-o", temp_path("x.tsv"), NULL), 0);
    assert_code(bert4c("我\n", EMBED, "-o", temp_path("x.txt"), NULL), 0);
    assert_code(bert4c("我\n", EMBED, "-o", temp_path("x.npy"), NULL), 0);
    assert_code(bert4c("我\n", EMBED, "-o", temp_path("x.bin"), NULL), 0);
    assert_code(bert4c("我\n", EMBED, "-o", temp_path("y.txt"), "--to", "jsonl", NULL), 0);
    assert_non_null(strchr(slurp(temp_path("x.tsv")), '\t'));
    assert_non_null(strchr(slurp(temp_path("x.txt")), ' '));
    assert_memory_equal(slurp(temp_path("x.npy")), "\x93NUMPY", 6);
    assert_memory_equal(slurp(temp_path("x.bin")), "{\"text\":", 8);
    assert_memory_equal(slurp(temp_path("y.txt")), "{\"text\":", 8);
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", temp_path("x.json"), NULL), 2,
                   "embed does not write json");
    assert_refused(
        bert4c("我\n", "tokenize", "-m", tiny_vocabulary(), "-o", temp_path("x.npy"), NULL), 2,
        "tokenize does not write npy");
}

/* A .npy has the numbers of jsonl, and a header that numpy reads. */
static void npy_has_the_same_numbers_as_jsonl(void **state)
{
    (void)state;
    size_t n;
    const char *out = temp_path("v.npy");
    assert_code(bert4c(lines(), EMBED, "-o", out, NULL), 0);
    char *bytes = read_file(out, &n);
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 40), }";
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(bytes + 10, header, strlen(header));
    assert_int_equal(bytes[127], '\n');
    assert_int_equal(n, 128 + LINES * 40 * 4);
    const char *p = bert4c(lines(), EMBED, NULL).out;
    for (int i = 0; i < LINES; i++) {
        p = strstr(p, "\"vector\":[") + 10;
        for (int k = 0; k < 40; k++) {
            float x;
            char *end;
            memcpy(&x, bytes + 128 + (i * 40 + k) * 4, 4);
            assert_true(strtof(p, &end) == x);
            p = end + 1;
        }
    }
    free(bytes);
    assert_code(bert4c("", EMBED, "-o", out, NULL), 0);
    assert_non_null(strstr(slurp(out) + 10, "'shape': (0, 40)"));
}

static void npy_into_a_pipe_is_refused(void **state)
{
    (void)state;
    const char *argv[] = { EMBED, "-q", "--to", "npy", "我", NULL };
    running r = bert4c_start(argv);
    assert_refused(bert4c_wait(&r), 2, "wanted -o FILE.npy");
    const run file = bert4c(NULL, EMBED, "--to", "npy", "我", NULL); /* redirected to a file */
    assert_code(file, 0);
    assert_int_equal(file.out_size, 128 + 160);
    assert_non_null(strstr(file.out + 10, "'shape': (1, 40)"));
}

static void targets_that_cannot_be_written_are_refused(void **state)
{
    (void)state;
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", temp_path("none/x.jsonl"), NULL), 1,
                   "make its folder first");
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", temp_folder(), NULL), 1,
                   "found a folder, wanted a file");
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", "/dev/full", "--to", "jsonl", NULL), 1,
                   "cannot write: /dev/full: No space left on device; make room\n");
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", temp_path("x.csv"), NULL), 2,
                   "found .csv, which is quoted in many ways, wanted .tsv");
    assert_code(bert4c("我\n", EMBED, "-q", "-o", temp_path("x.csv"), "--to", "tsv", NULL), 0);
}

static void a_device_is_written_to_and_not_replaced(void **state)
{
    (void)state;
    assert_code(bert4c("我\n", EMBED, "-o", "/dev/null", NULL), 0);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_false(exists("/dev/null.part"));
}

static void a_link_keeps_pointing(void **state)
{
    (void)state;
    const char *real = temp_text("real.jsonl", "old"), *link = temp_path("link.jsonl");
    struct stat st;
    assert_int_equal(symlink(real, link), 0);
    assert_code(bert4c("我\n", EMBED, "-o", link, NULL), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_memory_equal(slurp(real), "{\"text\":", 8);
}

static void a_failed_run_leaves_the_old_file(void **state)
{
    (void)state;
    const char *out = temp_text("old.jsonl", "old\n");
    assert_code(bert4c("\xff\n", EMBED, "-o", out, NULL), 1);
    assert_string_equal(slurp(out), "old\n");
    assert_false(exists(temp_path("old.jsonl.part"))); /* nothing to keep */
}

/* ---- resuming ------------------------------------------------------------------------------- */

/* Stop a run after `first` lines: an input that breaks there. Returns the path of the output. */
static const char *stopped_run(const char *name, const char *format, int first)
{
    char input[LINES * 12 + 8];
    const char *p = lines();
    for (int i = 0; i < first; i++) p = strchr(p, '\n') + 1;
    const size_t n = (size_t)(p - lines());
    memcpy(input, lines(), n);
    strcpy(input + n, "\xff\n");
    const char *out = temp_path("%s.%s", name, format);
    const run r = bert4c(input, EMBED, "-o", out, "--to", format, NULL);
    assert_code(r, 1);
    char says[100];
    snprintf(says, sizeof says, "the %d texts before are kept in ", first);
    assert_says(r, says);
    assert_true(exists(temp_path("%s.%s.part", name, format)));
    assert_false(exists(out));
    return out;
}

static void a_resumed_run_equals_one_that_was_not_stopped(void **state)
{
    (void)state;
    static const char *const formats[] = { "jsonl", "tsv", "text", "npy" };
    for (size_t i = 0; i < COUNT(formats); i++) {
        const char *whole = temp_path("whole.%s", formats[i]);
        size_t n, m;
        assert_code(bert4c(lines(), EMBED, "-o", whole, "--to", formats[i], NULL), 0);
        const char *out = stopped_run("stopped", formats[i], 123);
        const run r = bert4c(lines(), EMBED, "-o", out, "--to", formats[i], "--resume", NULL);
        assert_code(r, 0);
        assert_says(r, "123 texts are there already");
        char *a = read_file(whole, &n), *b = read_file(out, &m);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
        assert_false(exists(temp_path("stopped.%s.part.json", formats[i])));
    }
}

static void bytes_behind_the_last_whole_record_are_cut_off(void **state)
{
    (void)state;
    const char *out = stopped_run("torn", "jsonl", 50);
    FILE *f = fopen(temp_path("torn.jsonl.part"), "a");
    fputs("{\"text\":\"half a rec", f); /* as a power cut leaves it */
    fclose(f);
    assert_code(bert4c(lines(), EMBED, "-o", out, "--resume", NULL), 0);
    assert_string_equal(slurp(out), bert4c(lines(), EMBED, NULL).out);
}

static void resume_without_a_stopped_run_begins(void **state)
{
    (void)state;
    const char *out = temp_path("fresh.jsonl");
    assert_code(bert4c(lines(), EMBED, "-o", out, "--resume", NULL), 0);
    assert_int_equal(count_lines(slurp(out)), LINES);
}

static void without_resume_a_stopped_run_is_begun_anew_and_said_so(void **state)
{
    (void)state;
    const char *out = stopped_run("anew", "jsonl", 50);
    const run r = bert4c("我\n", EMBED, "-o", out, NULL);
    assert_code(r, 0);
    assert_says(r, "is begun anew; --resume would have gone on with it");
    assert_int_equal(count_lines(slurp(out)), 1);
}

static void another_run_is_not_gone_on_with(void **state)
{
    (void)state;
    const char *out = stopped_run("other", "jsonl", 50);
    char *changed = strdup(lines());
    memcpy(changed, "天", 3);
    assert_refused(bert4c(changed, EMBED, "-q", "-o", out, "--resume", NULL), 2,
                   "found other texts among the first 50");
    free(changed);
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", out, "--resume", NULL), 2,
                   "found fewer texts in the input than the 50");
    assert_refused(bert4c(lines(), EMBED, "-q", "-o", out, "--resume", "--dim", "8", NULL), 2,
                   "made with another --dim");
    assert_refused(bert4c(lines(), EMBED, "-q", "-o", out, "--resume", "--to", "tsv", NULL), 2,
                   "made with another format");
    assert_refused(bert4c(lines(), "embed", "-q", "-m", tiny_model_without_pooling(), "--to",
                          "jsonl", "-o", out, "--resume", "--pooling", "mean", NULL),
                   2, "made with another --pooling");
    assert_refused(bert4c(lines(), "tokenize", "-q", "-m", tiny_model(), "--to", "jsonl", "-o", out,
                          "--resume", NULL),
                   2, "made with another command");
    /* What changes speed only may change. */
    assert_code(bert4c(lines(), EMBED, "-o", out, "--to", "jsonl", "--resume", "--threads", "1",
                       "--batch-tokens", "64", NULL),
                0);
    assert_string_equal(slurp(out), bert4c(lines(), EMBED, NULL).out);
}

static void another_model_is_noticed(void **state)
{
    (void)state;
    size_t n;
    char *weights = read_file(temp_path("tiny/model.safetensors"), &n);
    const char *argv_model = temp_path("changed");
    weights[n - 1] ^= 1; /* one bit of one weight */
    temp_file("changed/model.safetensors", weights, n);
    free(weights);
    static const char *const others[] = { "config.json", "vocab.txt", "modules.json",
                                          "1_Pooling/config.json",
                                          "config_sentence_transformers.json" };
    for (size_t i = 0; i < COUNT(others); i++) {
        char name[64];
        char *bytes = read_file(temp_path("tiny/%s", others[i]), &n);
        snprintf(name, sizeof name, "changed/%s", others[i]);
        temp_file(name, bytes, n);
        free(bytes);
    }
    const char *out = stopped_run("model", "jsonl", 50);
    assert_refused(bert4c(lines(), "embed", "-q", "-m", argv_model, "-o", out, "--to", "jsonl",
                          "--resume", NULL),
                   2, "made with another model");
}

/* A model given as one file: what stands beside it shapes vectors too. */
static void another_setting_beside_a_file_is_noticed(void **state)
{
    (void)state;
    const char *model = temp_path("changed/model.safetensors"), *out = temp_path("beside.jsonl");
    assert_refused(bert4c("我\n\xff\n", "embed", "-q", "-m", model, "-o", out, NULL), 1,
                   "standard input:2");
    temp_text("changed/1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}");
    assert_refused(bert4c("我\n我\n", "embed", "-q", "-m", model, "-o", out, "--resume", NULL), 2,
                   "made with another model");
}

static void a_spoilt_state_is_refused(void **state)
{
    (void)state;
    const char *out = stopped_run("spoilt", "jsonl", 50);
    static const char *const states[] = {
        "",
        "{",
        "[]",
        "{\"records\":-1,\"bytes\":0,\"input\":\"0\",\"made_by\":{}}",
        "{\"records\":5,\"bytes\":99999999,\"input\":\"0\",\"made_by\":{}}",
        "{\"records\":\"5\"}"
    };
    for (size_t i = 0; i < COUNT(states); i++) {
        temp_text("spoilt.jsonl.part.json", states[i]);
        assert_refused(bert4c(lines(), EMBED, "-q", "-o", out, "--resume", NULL), 1,
                       "cannot resume: ");
    }
}

static void two_runs_do_not_write_one_file(void **state)
{
    (void)state;
    const char *out = temp_path("busy.jsonl");
    const char *argv[] = { EMBED, "-q", "-o", out, NULL };
    running first = bert4c_start(argv);
    while (!exists(temp_path("busy.jsonl.part")))
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    assert_refused(bert4c("我\n", EMBED, "-q", "-o", out, NULL), 1, "another bert4c is writing it");
    assert_int_equal(write(first.in, "想\n", 4), 4);
    assert_code(bert4c_wait(&first), 0);
    assert_memory_equal(slurp(out), "{\"text\":\"想\"", 13);
}

/* Feed lines, stop the run by a signal once a state speaks of them, go on. */
static void stop_by(int signal_number, int code)
{
    const char *out = temp_path("signal-%d.jsonl", signal_number);
    const char *argv[] = { EMBED, "-o", out, NULL };
    running r = bert4c_start(argv);
    const size_t half = (size_t)(strchr(lines() + strlen(lines()) / 2, '\n') + 1 - lines());
    assert_int_equal(write(r.in, lines(), half), (ssize_t)half);
    if (signal_number == SIGKILL) {
        /* A state is saved about once a second, at the end of a chunk. */
        nanosleep(&(struct timespec){ 1, 100000000 }, NULL);
        const char *next = strchr(lines() + half, '\n') + 1;
        assert_int_equal(write(r.in, lines() + half, (size_t)(next - lines() - (long)half)),
                         next - lines() - (long)half);
        while (!exists(temp_path("signal-%d.jsonl.part.json", signal_number)))
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    } else
        nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
    assert_int_equal(kill(r.pid, signal_number), 0);
    const int in = r.in;
    r.in = -1;
    const run done = bert4c_wait(&r);
    close(in);
    assert_code(done, code);
    if (signal_number != SIGKILL) assert_says(done, "--resume goes on with ");
    assert_false(exists(out));
    const run again = bert4c(lines(), EMBED, "-o", out, "--resume", NULL);
    assert_code(again, 0);
    assert_says(again, "texts are there already");
    assert_string_equal(slurp(out), bert4c(lines(), EMBED, NULL).out);
}

static void ctrl_c_keeps_what_was_finished(void **state)
{
    (void)state;
    stop_by(SIGINT, 130);
    stop_by(SIGTERM, 143);
}

static void a_killed_run_is_gone_on_with(void **state)
{
    (void)state;
    stop_by(SIGKILL, 137);
}

/* bert4c embed of one text into x.jsonl, by a shell that says what comes before and after. */
static int by_shell(const char *before, const char *after)
{
    char line[1000];
    snprintf(line, sizeof line, "%s %s embed -m %s --dtype f32 -o %s 我 %s", before, bert4c_path(),
             tiny_model(), temp_path("shell.jsonl"), after);
    const int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void messages_never_stand_in_a_file_of_results(void **state)
{
    (void)state;
    assert_int_equal(by_shell("", "2>&-"), 0);
    assert_string_equal(slurp(temp_path("shell.jsonl")),
                        bert4c(NULL, EMBED, "--dtype", "f32", "我", NULL).out);
    assert_int_equal(by_shell("", "<&- >&- 2>&-"), 0);
    assert_string_equal(slurp(temp_path("shell.jsonl")),
                        bert4c(NULL, EMBED, "--dtype", "f32", "我", NULL).out);
}

static void a_limit_of_file_size_is_an_error_of_writing(void **state)
{
    (void)state;
    assert_int_equal(by_shell("ulimit -f 0;", "2> /dev/null"), 1);
}

static void progress_is_shown_only_when_asked_or_on_a_terminal(void **state)
{
    (void)state;
    const run r = bert4c(lines(), EMBED, NULL);
    assert_null(strstr(r.err, "left"));
    assert_null(strchr(r.err, '\r'));
    const run quiet = bert4c(lines(), EMBED, "-q", NULL);
    assert_string_equal(quiet.err, "");
    const char *argv[] = { EMBED, "--progress", NULL };
    running slow = bert4c_start(argv);
    assert_int_equal(write(slow.in, "我\n", 4), 4);
    nanosleep(&(struct timespec){ 1, 100000000 }, NULL);
    assert_int_equal(write(slow.in, "想\n", 4), 4);
    assert_says(bert4c_wait(&slow), "\n2 texts  2 texts/s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_appears_when_it_is_complete),
        cmocka_unit_test(the_extension_says_the_format),
        cmocka_unit_test(npy_has_the_same_numbers_as_jsonl),
        cmocka_unit_test(npy_into_a_pipe_is_refused),
        cmocka_unit_test(targets_that_cannot_be_written_are_refused),
        cmocka_unit_test(a_device_is_written_to_and_not_replaced),
        cmocka_unit_test(a_link_keeps_pointing),
        cmocka_unit_test(a_failed_run_leaves_the_old_file),
        cmocka_unit_test(a_resumed_run_equals_one_that_was_not_stopped),
        cmocka_unit_test(bytes_behind_the_last_whole_record_are_cut_off),
        cmocka_unit_test(resume_without_a_stopped_run_begins),
        cmocka_unit_test(without_resume_a_stopped_run_is_begun_anew_and_said_so),
        cmocka_unit_test(another_run_is_not_gone_on_with),
        cmocka_unit_test(another_model_is_noticed),
        cmocka_unit_test(another_setting_beside_a_file_is_noticed),
        cmocka_unit_test(a_spoilt_state_is_refused),
        cmocka_unit_test(two_runs_do_not_write_one_file),
        cmocka_unit_test(ctrl_c_keeps_what_was_finished),
        cmocka_unit_test(a_killed_run_is_gone_on_with),
        cmocka_unit_test(messages_never_stand_in_a_file_of_results),
        cmocka_unit_test(a_limit_of_file_size_is_an_error_of_writing),
        cmocka_unit_test(progress_is_shown_only_when_asked_or_on_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
