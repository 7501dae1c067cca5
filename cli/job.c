/* job.c - see job.h.
 *
 * A chunk grows until it takes about half a second: long enough that all threads are busy all the
 * time, short enough that Ctrl-C, progress and records are not held up. What a record is does not
 * depend on the chunk (the library's first law), so its size is free.
 */
#include "job.h"
#include "number.h"
#include "progress.h"
#include "signals.h"
#include <stdlib.h>
#include <string.h>

enum { LEAST = 32, MOST = 8192 };

/* Drop as many records of the input as the output has, and see that they are the same ones. */
static int skip_done(cli_input *in, cli_chunk *chunk, const cli_output *out, b4c_error *err)
{
    uint64_t hash = out->input;
    for (long long left = out->records; left > 0;) {
        const int n = cli_input_next(in, chunk, left < MOST ? (int)left : MOST, err);
        if (n < 0) return n;
        if (n == 0)
            return cli_stopped() ? B4C_E_STOPPED
                                 : cli_fail(err, B4C_E_ARG,
                                            "another run: %s: found fewer texts in the input than "
                                            "the %lld it has; leave --resume out to begin anew",
                                            out->part, out->records);
        hash = chunk->record[n - 1].hash;
        left -= n;
    }
    if (hash != out->input)
        return cli_fail(err, B4C_E_ARG,
                        "another run: %s: found other texts among the first %lld of the input, "
                        "wanted the same; leave --resume out to begin anew",
                        out->part, out->records);
    return 0;
}

/* Records of a chunk one by one, up to one that fails; its place goes in front of the message. */
static int one_by_one(const cli_job *job, const cli_input *in, const cli_chunk *chunk,
                      cli_output *out, b4c_error *err)
{
    char where[512];
    for (int i = 0; i < chunk->n; i++) {
        const size_t used = out->used;
        cli_chunk one = *chunk;
        b4c_error why = { 0 };
        one.record = chunk->record + i;
        one.n = 1;
        const int rc = job->chunk(job->self, &one, out, &why);
        if (rc < 0) {
            out->used = used;
            return cli_fail(err, rc, "%s: %s", cli_input_where(in, one.record, where, sizeof where),
                            why.message);
        }
        out->records++;
        out->input = one.record->hash;
    }
    return 0;
}

static int do_chunk(const cli_job *job, const cli_input *in, const cli_chunk *chunk,
                    cli_output *out, b4c_error *err)
{
    const size_t used = out->used;
    if (chunk->n > 1 && job->chunk(job->self, chunk, out, err) == 0) {
        out->records += chunk->n;
        out->input = chunk->record[chunk->n - 1].hash;
        return 0;
    }
    out->used = used;
    return one_by_one(job, in, chunk, out, err);
}

static int run_all(const cli_job *job, cli_input *in, cli_output *out, cli_progress *progress,
                   b4c_error *err)
{
    cli_chunk chunk = { 0 };
    int most = LEAST, rc = skip_done(in, &chunk, out, err);
    bool begun = out->written > 0 && out->format != CLI_NPY;
    while (rc == 0) {
        long long total;
        const int n = rc = cli_input_next(in, &chunk, most, err);
        if (n >= 0 && !begun && job->begin) job->begin(job->self, out, cli_input_header(in));
        begun = true;
        if (n <= 0) break;
        const double start = cli_clock();
        rc = do_chunk(job, in, &chunk, out, err);
        const int written = cli_output_flush(out, false, rc < 0 ? NULL : err);
        if (rc == 0) rc = written;
        const double took = cli_clock() - start;
        if (n == most && took < 0.25 && most < MOST) most *= 2;
        if (took > 0.5 && most > LEAST) most /= 2;
        const long long bytes = cli_input_bytes(in, &total);
        cli_progress_show(progress, NULL, out->records, bytes, total);
        if (rc == 0 && cli_stopped()) break;
    }
    cli_chunk_done(&chunk);
    if (rc == 0 && cli_stopped()) rc = B4C_E_STOPPED;
    return rc;
}

/* What the records depend on besides the input. Only a file that may be resumed needs it. */
static int describe_run(const cli_job *job, json_t **made_by, b4c_error *err)
{
    json_t *options = cli_settings_shape(job->settings);
    char *model = job->settings->output && job->model->path
                      ? cli_model_fingerprint(job->model->path, err)
                      : strdup("");
    if (!model) {
        json_decref(options);
        return err->code;
    }
    *made_by = json_pack("{s:s,s:s,s:s,s:o*}", "command", job->command->name, "model", model,
                         "dtype", job->model->dtype ? job->model->dtype : "", "options", options);
    free(model);
    return *made_by ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory");
}

static int run(const cli_job *job)
{
    b4c_error err = { 0 };
    cli_output out = { .fd = -1 };
    cli_progress progress = { 0 };
    cli_format format;
    json_t *made_by;
    const int width = job->width ? *job->width : 0;
    const double start = cli_clock();
    long long before = 0;
    int code, rc = -1;

    cli_catch_signals();
    cli_input *in = cli_input_open(job->settings, job->want, &err);
    if (!in || cli_output_format(job->command, job->settings, &format, &err) < 0) goto done;
    if (describe_run(job, &made_by, &err) < 0) goto done;
    if (cli_output_open(&out, job->settings, format, made_by, width, &err) < 0) goto done;
    before = out.records;
    if (before) cli_say("%s: %lld %s are there already", out.part, before, job->unit);
    cli_progress_start(&progress, job->settings, job->unit);
    rc = run_all(job, in, &out, &progress, &err);
    cli_progress_end(&progress);
    if (rc == 0 && job->end) rc = job->end(job->self, &out, &err);
    if (rc == 0) rc = cli_output_finish(&out, &err);
    /* Kept for --resume: all that was written, and no more than the state says. */
    else if (out.part && out.records > before && out.used == 0)
        cli_output_flush(&out, true, NULL);
done:
    if (rc == 0) {
        code = CLI_DONE;
        job->say(job->self, out.records - before, cli_clock() - start);
    } else if (rc == B4C_E_STOPPED && cli_stopped()) {
        code = cli_stop_code();
        if (out.part && out.records)
            cli_say("stopped after %lld %s; --resume goes on with %s", out.records, job->unit,
                    out.part);
        else
            cli_say("stopped after %lld %s", out.records, job->unit);
    } else {
        const size_t n = strlen(err.message);
        if (out.part && out.records > before)
            snprintf(err.message + n, sizeof err.message - n,
                     "; the %lld %s before are kept in %s, and --resume goes on", out.records,
                     job->unit, out.part);
        cli_error(&err);
        code = cli_exit_code(&err);
    }
    cli_output_close(&out);
    cli_input_close(in);
    return code;
}

int cli_job_run(const cli_job *job)
{
    b4c_error err = { 0 };
    if (job->prepare(job->self, &err) == 0) return run(job);
    cli_error(&err);
    return cli_exit_code(&err);
}
