/* SPDX-License-Identifier: Apache-2.0
 * Our own program as a child: three handles (process, two pipes), a callback when all three have ended. */
#include "learn_fit.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 4096, READ_BYTES = 4096 };

/* One of the child's outputs, cut into lines. */
struct outlet {
	uv_pipe_t pipe;
	struct fit_job *job;
	bool errors;
	struct buf line;
	char room[READ_BYTES];
};

struct fit_job {
	uv_process_t process;
	struct outlet out, err;
	int running;            /* of the three: not yet ended */
	int open;               /* handles not yet closed */
	int code;
	bool quiet;
	char *said;             /* last line on standard error */
	void (*done)(void *context, int code, const char *said);
	void *context;
};

static void job_closed(uv_handle_t *handle)
{
	struct fit_job *j = handle->data;

	if (--j->open)
		return;
	buf_done(&j->out.line);
	buf_done(&j->err.line);
	free(j->said);
	free(j);
}

static void job_ended_part(struct fit_job *j)
{
	if (--j->running)
		return;
	if (j->done)
		j->done(j->context, j->code, j->said);
	uv_close((uv_handle_t *)&j->process, job_closed);
	uv_close((uv_handle_t *)&j->out.pipe, job_closed);
	uv_close((uv_handle_t *)&j->err.pipe, job_closed);
}

static void line_out(struct outlet *o)
{
	static const char prefix[] = "oodd fit: ";
	const char *line = buf_cstr(&o->line);

	if (!strncmp(line, prefix, sizeof prefix - 1))
		line += sizeof prefix - 1;
	if (*line && o->errors) {
		free(o->job->said);
		o->job->said = mem_copy_text(line);
	}
	if (*line && !o->job->quiet)
		log_line(o->errors ? LOG_WARNING_ : LOG_INFO_, "fit", line, NULL);
	buf_clear(&o->line);
}

static void room_lent(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct outlet *o = (struct outlet *)handle;

	(void)suggested;
	*ret = uv_buf_init(o->room, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *at)
{
	struct outlet *o = (struct outlet *)stream;

	for (ssize_t i = 0; i < n; i++) {
		if (at->base[i] == '\n')
			line_out(o);
		else if (o->line.n < LINE_MOST)
			buf_put(&o->line, at->base + i, 1);
	}
	if (n >= 0)
		return;
	line_out(o);
	uv_read_stop(stream);
	job_ended_part(o->job);
}

static void child_exited(uv_process_t *process, int64_t status, int signal)
{
	struct fit_job *j = process->data;

	j->code = signal ? -1 : (int)status;
	if (signal && !j->said)
		j->said = mem_format("it was ended by signal %d", signal);
	job_ended_part(j);
}

static void outlet_open(struct outlet *o, struct fit_job *j, uv_loop_t *loop, bool errors)
{
	uv_pipe_init(loop, &o->pipe, 0);
	o->pipe.data = j;
	o->job = j;
	o->errors = errors;
}

/* The words of the command line; what was made for it stands in `owned`. */
struct words {
	char **at;
	size_t n;
};

static void word(struct words *w, char *text)
{
	w->at = mem_grow(w->at, w->n + 1, sizeof *w->at);
	w->at[w->n++] = text;
}

static void words_of(const struct fit_order *o, struct words *w)
{
	word(w, mem_copy_text("oodd"));
	word(w, mem_copy_text("fit"));
	word(w, mem_copy_text("--background"));
	word(w, mem_format("--config=%s", o->config));
	word(w, mem_format("--model=%s", o->model));
	word(w, mem_format("--version=%s", o->version));
	word(w, mem_format("--output=%s", o->output));
	for (size_t i = 0; o->also[i]; i++)
		word(w, mem_copy_text(o->also[i]));
	for (size_t i = 0; i < o->n_logs; i++)
		word(w, mem_format("--of=%s=%s", o->logs[i].source, o->logs[i].path));
	w->at = mem_grow(w->at, w->n + 1, sizeof *w->at);
	w->at[w->n] = NULL;
}

static int job_spawn(struct fit_job *j, uv_loop_t *loop, const struct fit_order *o)
{
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&j->out.pipe},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&j->err.pipe},
	};
	struct words w = {0};
	uv_process_options_t options = {.exit_cb = child_exited, .file = "/proc/self/exe", .stdio_count = 3, .stdio = stdio};
	int status;

	words_of(o, &w);
	options.args = w.at;
	status = uv_spawn(loop, &j->process, &options);
	for (size_t i = 0; i < w.n; i++)
		free(w.at[i]);
	free(w.at);
	return status;
}

int fit_job_start(uv_loop_t *loop, const struct fit_order *o, void (*done)(void *context, int code, const char *said), void *context,
	struct fit_job **ret, struct error *e)
{
	struct fit_job *j = mem_zero(1, sizeof *j);
	int status;

	*j = (struct fit_job){.running = 3, .open = 3, .quiet = o->quiet, .done = done, .context = context};
	outlet_open(&j->out, j, loop, false);
	outlet_open(&j->err, j, loop, true);
	status = job_spawn(j, loop, o);
	j->process.data = j;
	if (status) {
		j->running = 1;
		j->done = NULL;
		job_ended_part(j);
		return error_set(e, status, "oodd fit cannot be started: %s", uv_strerror(status));
	}
	uv_read_start((uv_stream_t *)&j->out.pipe, room_lent, on_read);
	uv_read_start((uv_stream_t *)&j->err.pipe, room_lent, on_read);
	*ret = j;
	return 0;
}

void fit_job_kill(struct fit_job *j)
{
	uv_process_kill(&j->process, SIGKILL);
}

void fit_job_stop(struct fit_job *j)
{
	if (!j)
		return;
	j->done = NULL;
	uv_process_kill(&j->process, SIGTERM);
	j->running = 1;
	job_ended_part(j);
}
