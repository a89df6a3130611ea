/* SPDX-License-Identifier: Apache-2.0
 * Lines to files. Alerts are rare and precious: an open, a write, an fdatasync and a close for each
 * cost a millisecond. */
#include "deliver/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

struct sink_write {
	uv_work_t work;
	char *path;
	struct buf line;
	int code;
	struct error why;
	void (*done)(void *context, int code, const char *why);
	void *context;
};

/* The whole line, or how far it came. */
static size_t write_all(int fd, const struct buf *line)
{
	size_t n = 0;

	while (n < line->n) {
		ssize_t wrote = write(fd, line->at + n, line->n - n);

		if (wrote > 0) {
			n += (size_t)wrote;
		} else if (wrote < 0 && errno == EAGAIN) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};

			/* A pipe nobody reads: try again later rather than hold a thread. */
			if (poll(&ready, 1, 5000) <= 0)
				break;
		} else if (!(wrote < 0 && errno == EINTR)) {
			break;
		}
	}
	return n;
}

static int append(int fd, const char *path, const struct buf *line, struct error *e)
{
	struct stat st;
	size_t n = write_all(fd, line);
	int code = errno;

	if (n == line->n && (!fdatasync(fd) || errno == EINVAL ||
				    errno == EROFS)) /* EINVAL: a pipe or terminal */
		return 0;
	if (n == line->n)
		code = errno;
	/* Half a line would spoil the next one too. */
	if (n && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= (off_t)n &&
		ftruncate(fd, st.st_size - (off_t)n))
		return error_set(e, -EIO,
			"%s: half a line was written and cannot be taken back: %s", path,
			strerror(errno));
	return error_set(e, code ? -code : -EIO, "%s: %s", path, strerror(code ? code : EIO));
}

static void run(uv_work_t *work)
{
	struct sink_write *w = work->data;
	int fd;

	if (!w->path) {
		w->code = append(STDOUT_FILENO, "standard output", &w->line, &w->why);
		return;
	}
	/* O_NONBLOCK: a named pipe that nobody reads is an error, not a wait. */
	fd = open(w->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
	if (fd < 0) {
		w->code = error_set(&w->why, -errno, "%s: %s", w->path, strerror(errno));
		return;
	}
	w->code = append(fd, w->path, &w->line, &w->why);
	if (close(fd) && !w->code)
		w->code = error_set(&w->why, -errno, "%s: %s", w->path, strerror(errno));
}

static void ran(uv_work_t *work, int status)
{
	struct sink_write *w = work->data;

	(void)status;
	if (w->done)
		w->done(w->context, w->code, w->why.text);
	buf_done(&w->line);
	free(w->path);
	free(w);
}

struct sink_write *sink_write(uv_loop_t *loop, const char *path, struct buf *line,
	void (*done)(void *context, int code, const char *why), void *context)
{
	struct sink_write *w = mem_zero(1, sizeof *w);

	*w = (struct sink_write){
		.path = mem_copy_text(path), .line = *line, .done = done, .context = context};
	*line = BUF_EMPTY;
	w->work.data = w;
	if (uv_queue_work(loop, &w->work, run, ran))
		abort();
	return w;
}

void sink_forget(struct sink_write *w)
{
	w->done = NULL;
}
