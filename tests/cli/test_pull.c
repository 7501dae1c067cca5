/* test_pull.c - pull against a hub on loopback: the cache's layout, resuming, checking, and to whom
 * the token goes. */
#include "cli/command.h"
#include "cli/fake_hub.h"

#include <sys/stat.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define BLOB   "136f334d647619879743ff33fde1ac6547f40e314692441f2a125e087cad47c9"
enum { WEIGHTS = 300000 };

/* Hashes by sha256sum and git hash-object. */
static char weights[WEIGHTS];
static fake_file files[] = {
    { "README.md", "hello", 5, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0", false },
    { "config.json", "{\"model_type\":\"bert\"}\n", 22, "cc8a6b41c02264f7110eed9d6cac93bc973dcf7b",
      false },
    { "vocab.txt", "[PAD]\n[UNK]\n", 12, "9b63652e4599b6f141f83f77374ca035004e0c8f", false },
    { "1_Pooling/config.json", "{\"pooling_mode_cls_token\":true}\n", 32,
      "1c3936968bdcef753523623e607037f6cb8bd4f5", false },
    { "chat_template.jinja", "{{ bos }}", 9, "e277e9429b46cdaf7b89b0ed97cdb0b1ca340c7d", false },
    { "model.safetensors", weights, WEIGHTS, BLOB, true },
    { "pytorch_model.bin", weights, WEIGHTS, BLOB, true },
    { "onnx/model.onnx", weights, WEIGHTS, BLOB, true },
    { NULL, NULL, 0, NULL, false },
};
static fake_hub hub;
static int caches;
static const char *cache;

static int start_hub(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WEIGHTS; i++) weights[i] = (char)(i * 2654435761u >> 24);
    hub.repo = "lab/tiny";
    hub.commit = COMMIT;
    hub.files = files;
    fake_hub_start(&hub);
    return 0;
}

static int stop_hub(void **state)
{
    (void)state;
    fake_hub_stop();
    return 0;
}

/* A hub without faults and an empty cache for every test. */
static int fresh(void **state)
{
    (void)state;
    hub.status = hub.busy = hub.cuts = 0;
    hub.cut_after = 0;
    hub.files = files;
    hub.no_range = hub.spoil = hub.detour = false;
    hub.list = NULL;
    fake_hub_forget(&hub);
    cache = temp_path("cache-%d", ++caches);
    setenv("HF_HUB_CACHE", cache, 1);
    setenv("HF_ENDPOINT", hub.address, 1);
    setenv("BERT4C_CACHE", temp_path("own-%d", caches), 1);
    unsetenv("HF_TOKEN");
    unsetenv("HF_HUB_OFFLINE");
    setenv("NO_PROXY", "127.0.0.1", 1);
    return 0;
}

static const char *in_cache(const char *name)
{
    return temp_path("cache-%d/models--lab--tiny/%s", caches, name);
}

static void assert_file(const char *path, const char *bytes, size_t size)
{
    size_t n;
    char *found = read_file(path, &n);
    assert_int_equal(n, size);
    assert_memory_equal(found, bytes, size);
    free(found);
}

static void assert_complete(void)
{
    assert_file(in_cache("snapshots/" COMMIT "/model.safetensors"), weights, WEIGHTS);
    assert_file(in_cache("snapshots/" COMMIT "/config.json"), files[1].bytes, files[1].size);
    assert_file(in_cache("snapshots/" COMMIT "/1_Pooling/config.json"), files[3].bytes,
                files[3].size);
    assert_file(in_cache("refs/main"), COMMIT, strlen(COMMIT));
}

static int count_in_log(const char *part)
{
    int n = 0;
    for (const char *p = hub.log; (p = strstr(p, part)); p++) n++;
    return n;
}

static void a_model_lands_in_the_layout_of_the_hubs_cache(void **state)
{
    (void)state;
    char link[300];
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 0);
    char want[512];
    snprintf(want, sizeof want, "%s/models--lab--tiny/snapshots/%s\n", cache, COMMIT);
    assert_string_equal(r.out, want);
    assert_complete();
    ssize_t n = readlink(in_cache("snapshots/" COMMIT "/model.safetensors"), link, sizeof link);
    assert_int_equal(n, 12 + 64);
    assert_memory_equal(link, "../../blobs/" BLOB, 12 + 64);
    n = readlink(in_cache("snapshots/" COMMIT "/1_Pooling/config.json"), link, sizeof link);
    assert_memory_equal(link, "../../../blobs/1c3936968bdcef753523623e607037f6cb8bd4f5", (size_t)n);
    assert_false(exists(in_cache("blobs/" BLOB ".incomplete")));
}

static void only_needed_files_come(void **state)
{
    (void)state;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_true(exists(in_cache("snapshots/" COMMIT "/chat_template.jinja")));
    assert_false(exists(in_cache("snapshots/" COMMIT "/README.md")));
    assert_false(exists(in_cache("snapshots/" COMMIT "/pytorch_model.bin")));
    assert_false(exists(in_cache("snapshots/" COMMIT "/onnx/model.onnx")));
    assert_int_equal(count_in_log("README.md"), 0);
}

static void a_second_pull_downloads_nothing(void **state)
{
    (void)state;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    fake_hub_forget(&hub);
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 0);
    assert_says(r, "5 files are there, 0 of them new");
    assert_int_equal(count_in_log("other GET"), 0);
}

static void a_pulled_model_is_found_by_its_name(void **state)
{
    (void)state;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    fake_hub_forget(&hub);
    /* Found, opened, and refused for what it is. */
    const run r = bert4c(NULL, "embed", "-m", "lab/tiny", "x", NULL);
    assert_code(r, 1);
    assert_says(r, "snapshots/" COMMIT);
    assert_string_equal(hub.log, "");
}

static void nothing_is_downloaded_unless_asked(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "embed", "-m", "lab/tiny", "x", NULL);
    assert_refused(r, 1, "bert4c pull lab/tiny downloads it");
    assert_string_equal(hub.log, "");
    const run asked = bert4c(NULL, "embed", "-m", "lab/tiny", "--pull", "x", NULL);
    assert_code(asked, 1);
    assert_complete();
}

static void a_cut_download_goes_on_where_it_ended(void **state)
{
    (void)state;
    hub.cut_after = 100000;
    hub.cuts = 2;
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 0);
    assert_complete();
    assert_int_equal(count_in_log("other GET /content/model.safetensors range=100000 "), 1);
    assert_int_equal(count_in_log("other GET /content/model.safetensors range=200000 "), 1);
}

static void what_a_stopped_pull_left_is_used_by_the_next(void **state)
{
    (void)state;
    hub.cut_after = 0;
    hub.cuts = 100;
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 1);
    assert_says(r, "pull again goes on from byte 0");
    assert_false(exists(in_cache("refs/main")));
    hub.cuts = 0;
    /* 123456 right bytes, as a pull that was killed leaves them */
    char name[200];
    snprintf(name, sizeof name, "cache-%d/models--lab--tiny/blobs/%s.incomplete", caches, BLOB);
    temp_file(name, weights, 123456);
    fake_hub_forget(&hub);
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
    assert_int_equal(count_in_log("other GET /content/model.safetensors range=123456 "), 1);
}

static void a_server_without_ranges_sends_it_all_again(void **state)
{
    (void)state;
    hub.cut_after = 100000;
    hub.cuts = 1;
    hub.no_range = true;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
}

static void leftovers_longer_than_the_file_are_thrown_away(void **state)
{
    (void)state;
    char name[200];
    char *longer = calloc(1, WEIGHTS + 5);
    snprintf(name, sizeof name, "cache-%d/models--lab--tiny/blobs/%s.incomplete", caches, BLOB);
    temp_file(name, longer, WEIGHTS + 5);
    free(longer);
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
}

static void a_wrong_checksum_is_refused_and_thrown_away(void **state)
{
    (void)state;
    hub.spoil = true;
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 1);
    assert_says(r, "wrong checksum: lab/tiny/model.safetensors: found ");
    assert_says(r, "wanted " BLOB);
    assert_false(exists(in_cache("blobs/" BLOB)));
    assert_false(exists(in_cache("blobs/" BLOB ".incomplete")));
    assert_false(exists(in_cache("refs/main")));
    hub.spoil = false;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
}

static void small_files_are_checked_too(void **state)
{
    (void)state;
    const char *good = files[2].hash;
    files[2].hash = "0000000000000000000000000000000000000000";
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    files[2].hash = good;
    assert_code(r, 1);
    assert_says(r, "wrong checksum: lab/tiny/vocab.txt");
}

static void the_token_goes_to_the_hub_and_to_no_other_host(void **state)
{
    (void)state;
    setenv("HF_TOKEN", "secret", 1);
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
    assert_true(count_in_log("hub GET") > 0 && count_in_log("hub HEAD") > 0);
    for (const char *p = hub.log; *p; p = strchr(p, '\n') + 1) {
        const char *token = strstr(p, "token=");
        assert_memory_equal(token, strncmp(p, "hub ", 4) == 0 ? "token=yes" : "token=no\n", 9);
    }
    assert_int_equal(count_in_log("other GET /content/model.safetensors"), 1);
}

static void a_redirect_within_the_hub_keeps_the_token(void **state)
{
    (void)state;
    hub.detour = true;
    setenv("HF_TOKEN", "secret", 1);
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
    assert_int_equal(count_in_log("hub HEAD /kept/config.json range=- token=yes"), 1);
    assert_int_equal(count_in_log("hub GET /kept/config.json range=- token=yes"), 1);
}

static void a_token_with_a_line_end_is_refused(void **state)
{
    (void)state;
    setenv("HF_TOKEN", "sec\r\nX-Other: 1", 1);
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 2, "HF_TOKEN");
    assert_string_equal(hub.log, "");
}

static void refusals_say_what_to_do(void **state)
{
    (void)state;
    hub.status = 401;
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1,
                   "set HF_TOKEN to a token that may read it");
    setenv("HF_TOKEN", "secret", 1);
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1, "HF_TOKEN may not read it");
    hub.status = 403;
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1,
                   "its page asks to accept terms first");
    hub.status = 404;
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1, "found status 404");
    assert_refused(bert4c(NULL, "pull", "lab/tiny@v9", NULL), 1, "lab/tiny (v9)");
    assert_int_equal(count_in_log("/api/models/lab/tiny/revision/v9 "), 1);
}

static void a_busy_hub_is_asked_again(void **state)
{
    (void)state;
    hub.busy = 2;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_complete();
}

static void an_unreachable_hub_is_one_line_of_advice(void **state)
{
    (void)state;
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_refused(r, 1, "cannot reach the hub: http://127.0.0.1:1");
    assert_says(r, "set HF_ENDPOINT to a mirror");
}

static void offline_uses_what_is_there(void **state)
{
    (void)state;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    fake_hub_forget(&hub);
    setenv("HF_HUB_OFFLINE", "1", 1);
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    assert_code(r, 0);
    assert_non_null(strstr(r.out, "snapshots/" COMMIT));
    assert_refused(bert4c(NULL, "pull", "lab/other", NULL), 1, "HF_HUB_OFFLINE");
    assert_string_equal(hub.log, "");
}

static void a_revision_has_a_reference_of_its_own(void **state)
{
    (void)state;
    assert_code(bert4c(NULL, "pull", "lab/tiny@v1.0", NULL), 0);
    assert_file(in_cache("refs/v1.0"), COMMIT, strlen(COMMIT));
    assert_false(exists(in_cache("refs/main")));
    assert_says(bert4c(NULL, "embed", "-m", "lab/tiny@v1.0", "x", NULL), "snapshots/" COMMIT);
    assert_says(bert4c(NULL, "embed", "-m", "lab/tiny", "x", NULL), "nor a copy in the caches");
}

static void names_that_leave_the_cache_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "../x",        "a/../b",    "/etc/passwd", "a/b/c", "a//b",
                                       "a/b@../../x", "a/.hidden", "a b/c",       "" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bert4c(NULL, "pull", bad[i], NULL), 2, "not a name on the hub");
    assert_string_equal(hub.log, "");
}

static void a_hostile_list_writes_nothing_outside(void **state)
{
    (void)state;
    hub.list = "{\"sha\":\"" COMMIT
               "\",\"siblings\":[{\"rfilename\":\"../../../evil\"},{\"rfilename\":\"/tmp/evil\"},"
               "{\"rfilename\":\"model.safetensors\"},{\"rfilename\":\"1_x/../"
               "config.json\"},{\"rfilename\":7}]}";
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_int_equal(count_in_log("evil"), 0);
    assert_int_equal(count_in_log("hub HEAD"), 1);
    hub.list = "{\"sha\":\"../../x\",\"siblings\":[{\"rfilename\":\"model.safetensors\"}]}";
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 1);
    hub.list = "<html>";
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1, "not the hub's answer");
    hub.list = "{\"sha\":\"" COMMIT "\",\"siblings\":[{\"rfilename\":\"README.md\"}]}";
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1,
                   "no weights: lab/tiny: found 1 files, none of them weights");
    hub.list = "{\"sha\":\"" COMMIT "\",\"siblings\":[{\"rfilename\":\"unet/model.safetensors\"},"
               "{\"rfilename\":\"config.json\"}]}";
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 1,
                   "no weights where they are looked for: lab/tiny: found unet/model.safetensors");
}

#define SMALL(name) { name, "{\"model_type\":\"bert\"}\n", 22, \
                      "cc8a6b41c02264f7110eed9d6cac93bc973dcf7b", false }
#define LARGE(name) { name, weights, WEIGHTS, BLOB, true }

/* sentence-transformers before version 1: all of the transformer in a folder of its own. */
static void weights_in_a_modules_folder_are_found(void **state)
{
    (void)state;
    static const fake_file old[] = { SMALL("modules.json"),
                                     SMALL("0_Transformer/config.json"),
                                     SMALL("0_Transformer/vocab.txt"),
                                     SMALL("0_Transformer/sentence_bert_config.json"),
                                     LARGE("0_Transformer/pytorch_model.bin"),
                                     SMALL("0_Transformer/notes.txt"),
                                     SMALL("1_Pooling/config.json"),
                                     { NULL, NULL, 0, NULL, false } };
    hub.files = old;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    for (int i = 0; old[i].name; i++) {
        char path[128];
        snprintf(path, sizeof path, "snapshots/" COMMIT "/%s", old[i].name);
        if (exists(in_cache(path)) != !strstr(old[i].name, "notes"))
            fail_msg("%s", old[i].name);
    }
}

/* Of GGUF files one is a model, with all of its parts: the only one, or the one that is named. */
static void one_gguf_model_comes_where_there_is_nothing_else(void **state)
{
    (void)state;
    static const fake_file several[] = { LARGE("m-Q4_K_M.gguf"),
                                         LARGE("m-Q8_0-00001-of-00002.gguf"),
                                         LARGE("m-Q8_0-00002-of-00002.gguf"), SMALL("config.json"),
                                         { NULL, NULL, 0, NULL, false } };
    hub.files = several;
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 2,
                   "several GGUF files: lab/tiny: found m-Q4_K_M.gguf, ");
    assert_refused(bert4c(NULL, "pull", "--weights", "Q5", "lab/tiny", NULL), 2,
                   "no such GGUF file: lab/tiny: found m-Q4_K_M.gguf, ");
    assert_code(bert4c(NULL, "pull", "--weights", "Q8_0", "lab/tiny", NULL), 0);
    assert_true(exists(in_cache("snapshots/" COMMIT "/m-Q8_0-00001-of-00002.gguf")));
    assert_true(exists(in_cache("snapshots/" COMMIT "/m-Q8_0-00002-of-00002.gguf")));
    assert_false(exists(in_cache("snapshots/" COMMIT "/m-Q4_K_M.gguf")));
    hub.files = several + 1;
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
}

static void without_safetensors_the_next_kind_is_taken(void **state)
{
    (void)state;
    hub.list = "{\"sha\":\"" COMMIT "\",\"siblings\":[{\"rfilename\":\"pytorch_model.bin\"},{"
               "\"rfilename\":\"onnx/model.onnx\"},"
               "{\"rfilename\":\"config.json\"}]}";
    assert_code(bert4c(NULL, "pull", "lab/tiny", NULL), 0);
    assert_true(exists(in_cache("snapshots/" COMMIT "/pytorch_model.bin")));
    assert_false(exists(in_cache("snapshots/" COMMIT "/onnx/model.onnx")));
}

static void shards_come_with_their_index(void **state)
{
    (void)state;
    static const fake_file shards[] = {
        { "model.safetensors.index.json", "{}", 2, "9e26dfeeb6e641a33dae4961196235bdb965b21b",
          false },
        { "model-00001-of-00002.safetensors", weights, WEIGHTS, BLOB, true },
        { "model-00002-of-00002.safetensors", weights, WEIGHTS, BLOB, true },
        { "config.json", "{\"model_type\":\"bert\"}\n", 22,
          "cc8a6b41c02264f7110eed9d6cac93bc973dcf7b", false },
        { NULL, NULL, 0, NULL, false },
    };
    hub.files = shards;
    const run r = bert4c(NULL, "pull", "lab/tiny", NULL);
    hub.files = files;
    assert_code(r, 0);
    assert_true(exists(in_cache("snapshots/" COMMIT "/model-00002-of-00002.safetensors")));
    assert_int_equal(count_in_log("other GET"), 1); /* the same content, once */
}

static void our_own_cache_comes_first(void **state)
{
    (void)state;
    char name[100];
    snprintf(name, sizeof name, "own-%d/models/lab/tiny/config.json", caches);
    temp_text(name, "{}");
    assert_says(bert4c(NULL, "embed", "-m", "lab/tiny", "x", NULL), "models/lab/tiny");
}

static void quiet_prints_the_folder_only(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "pull", "-q", "lab/tiny", NULL);
    assert_code(r, 0);
    assert_string_equal(r.err, "");
    assert_non_null(strstr(r.out, "/snapshots/"));
}

static void a_wrong_endpoint_is_a_usage_error(void **state)
{
    (void)state;
    setenv("HF_ENDPOINT", "file:///etc", 1);
    assert_refused(bert4c(NULL, "pull", "lab/tiny", NULL), 2, "HF_ENDPOINT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_model_lands_in_the_layout_of_the_hubs_cache, fresh),
        cmocka_unit_test_setup(only_needed_files_come, fresh),
        cmocka_unit_test_setup(a_second_pull_downloads_nothing, fresh),
        cmocka_unit_test_setup(a_pulled_model_is_found_by_its_name, fresh),
        cmocka_unit_test_setup(nothing_is_downloaded_unless_asked, fresh),
        cmocka_unit_test_setup(a_cut_download_goes_on_where_it_ended, fresh),
        cmocka_unit_test_setup(what_a_stopped_pull_left_is_used_by_the_next, fresh),
        cmocka_unit_test_setup(a_server_without_ranges_sends_it_all_again, fresh),
        cmocka_unit_test_setup(leftovers_longer_than_the_file_are_thrown_away, fresh),
        cmocka_unit_test_setup(a_wrong_checksum_is_refused_and_thrown_away, fresh),
        cmocka_unit_test_setup(small_files_are_checked_too, fresh),
        cmocka_unit_test_setup(the_token_goes_to_the_hub_and_to_no_other_host, fresh),
        cmocka_unit_test_setup(a_redirect_within_the_hub_keeps_the_token, fresh),
        cmocka_unit_test_setup(a_token_with_a_line_end_is_refused, fresh),
        cmocka_unit_test_setup(refusals_say_what_to_do, fresh),
        cmocka_unit_test_setup(a_busy_hub_is_asked_again, fresh),
        cmocka_unit_test_setup(an_unreachable_hub_is_one_line_of_advice, fresh),
        cmocka_unit_test_setup(offline_uses_what_is_there, fresh),
        cmocka_unit_test_setup(a_revision_has_a_reference_of_its_own, fresh),
        cmocka_unit_test_setup(names_that_leave_the_cache_are_refused, fresh),
        cmocka_unit_test_setup(a_hostile_list_writes_nothing_outside, fresh),
        cmocka_unit_test_setup(weights_in_a_modules_folder_are_found, fresh),
        cmocka_unit_test_setup(one_gguf_model_comes_where_there_is_nothing_else, fresh),
        cmocka_unit_test_setup(without_safetensors_the_next_kind_is_taken, fresh),
        cmocka_unit_test_setup(shards_come_with_their_index, fresh),
        cmocka_unit_test_setup(our_own_cache_comes_first, fresh),
        cmocka_unit_test_setup(quiet_prints_the_folder_only, fresh),
        cmocka_unit_test_setup(a_wrong_endpoint_is_a_usage_error, fresh),
    };
    return cmocka_run_group_tests(tests, start_hub, stop_hub);
}
