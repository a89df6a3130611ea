/* SPDX-License-Identifier: Apache-2.0
 * Three kinds of file behind one read: a table of {magic, open, step, close}, where a step turns some of the bytes at hand
 * into some of the room given. A compressed log that was cut short is told apart from one that is corrupt, since the first is
 * what a rotation in progress leaves behind. */
#include "input/archive.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { CHUNK = 1 << 17 };

struct archive {
	const struct kind *kind; /* NULL until the first bytes are here */
	char *path;
	int fd, failed;          /* failed: what every read answers from now on */
	struct error why;
	unsigned char *at;       /* bytes of the file not yet turned */
	size_t n, from;
	uint64_t read, size;
	bool inside;              /* inside: a member or frame was begun and has not ended */
	z_stream gzip;
	ZSTD_DStream *zstd;
};

struct kind {
	const char *name, *magic;
	size_t n_magic;
	int (*open)(struct archive *a);
	/* Bytes written to `to`, 0 when more of the file is needed, or -EBADMSG with the reason. */
	ssize_t (*step)(struct archive *a, void *to, size_t room, const char **ret_why);
	void (*close)(struct archive *a);
};

/* ---- plain ---- */

static int plain_open(struct archive *a)
{
	(void)a;
	return 0;
}

static void plain_close(struct archive *a)
{
	(void)a;
}

static ssize_t plain_step(struct archive *a, void *to, size_t room, const char **ret_why)
{
	size_t n = a->n - a->from < room ? a->n - a->from : room;

	(void)ret_why;
	memcpy(to, a->at + a->from, n);
	a->from += n;
	return (ssize_t)n;
}

/* ---- gzip ---- */

static int gzip_open(struct archive *a)
{
	return inflateInit2(&a->gzip, 15 + 16) == Z_OK ? 0 : -ENOMEM;
}

static void gzip_close(struct archive *a)
{
	inflateEnd(&a->gzip);
}

static unsigned some(size_t n)
{
	return n < 1 << 30 ? (unsigned)n : 1u << 30;
}

static ssize_t gzip_step(struct archive *a, void *to, size_t room, const char **ret_why)
{
	unsigned offered = some(room);
	int r;

	if (!a->inside && inflateReset(&a->gzip) != Z_OK) /* the next member */
		return -EBADMSG;
	a->inside = true;
	a->gzip.next_in = a->at + a->from;
	a->gzip.avail_in = some(a->n - a->from);
	a->gzip.next_out = to;
	a->gzip.avail_out = offered;
	r = inflate(&a->gzip, Z_NO_FLUSH);
	a->from = (size_t)(a->gzip.next_in - a->at);
	if (r == Z_STREAM_END)
		a->inside = false;
	else if (r != Z_OK && r != Z_BUF_ERROR) {
		*ret_why = a->gzip.msg ? a->gzip.msg : r == Z_NEED_DICT ? "wants a dictionary" : zError(r);
		return -EBADMSG;
	}
	return (ssize_t)(offered - a->gzip.avail_out);
}

/* ---- zstd ---- */

static int zstd_open(struct archive *a)
{
	a->zstd = ZSTD_createDStream();
	return a->zstd ? 0 : -ENOMEM;
}

static void zstd_close(struct archive *a)
{
	ZSTD_freeDStream(a->zstd);
}

static ssize_t zstd_step(struct archive *a, void *to, size_t room, const char **ret_why)
{
	ZSTD_inBuffer in = {.src = a->at, .size = a->n, .pos = a->from};
	ZSTD_outBuffer out = {.dst = to, .size = room};
	size_t left = ZSTD_decompressStream(a->zstd, &out, &in);

	a->from = in.pos;
	if (ZSTD_isError(left)) {
		*ret_why = ZSTD_getErrorName(left);
		return -EBADMSG;
	}
	a->inside = left > 0;
	return (ssize_t)out.pos;
}

static const struct kind kinds[] = {
	{"gzip", "\x1f\x8b", 2, gzip_open, gzip_step, gzip_close},
	{"zstd", "\x28\xb5\x2f\xfd", 4, zstd_open, zstd_step, zstd_close},
	{"plain", "", 0, plain_open, plain_step, plain_close}, /* last: everything begins like it */
};

/* ---- the file ---- */

/* More bytes behind those at hand: how many, 0 at the end, -errno. */
static ssize_t more(struct archive *a)
{
	ssize_t n;

	memmove(a->at, a->at + a->from, a->n - a->from);
	a->n -= a->from;
	a->from = 0;
	do
		n = read(a->fd, a->at + a->n, CHUNK - a->n);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	a->n += (size_t)n;
	a->read += (uint64_t)n;
	return n;
}

static int find_kind(struct archive *a)
{
	while (a->n < 4) {
		ssize_t n = more(a);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
	}
	for (a->kind = kinds; a->n < a->kind->n_magic || memcmp(a->at, a->kind->magic, a->kind->n_magic) != 0;)
		a->kind++;
	return a->kind->open(a);
}

int archive_open(const char *path, struct archive **ret, struct error *e)
{
	bool standard = strcmp(path, "-") == 0;
	struct archive *a = mem_zero(1, sizeof *a);
	struct stat s;
	int r;

	a->path = mem_copy_text(standard ? "standard input" : path);
	a->at = mem_alloc(CHUNK);
	a->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	r = a->fd < 0 ? -errno : fstat(a->fd, &s) < 0 ? -errno : S_ISDIR(s.st_mode) ? -EISDIR : 0;
	if (r == 0) {
		a->size = S_ISREG(s.st_mode) ? (uint64_t)s.st_size : 0;
		r = find_kind(a);
	}
	if (r < 0) {
		error_set(e, r, "%s: cannot be read: %s", a->path, strerror(-r));
		archive_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

void archive_close(struct archive *a)
{
	if (!a)
		return;
	if (a->kind)
		a->kind->close(a);
	if (a->fd > STDIN_FILENO)
		close(a->fd);
	free(a->path);
	free(a->at);
	free(a);
}

static ssize_t fail(struct archive *a, int code, const char *why)
{
	unsigned long long offset = a->read - (a->n - a->from);

	a->failed = code;
	if (code == -EBADMSG)
		error_set(&a->why, code, "%s: corrupt %s at byte %llu: %s", a->path, a->kind->name, offset, why);
	else if (code == -ENODATA)
		error_set(&a->why, code, "%s: ends at byte %llu inside its %s data: cut short, or still being written",
			a->path, offset, a->kind->name);
	else
		error_set(&a->why, code, "%s: cannot be read at byte %llu: %s", a->path, offset, strerror(-code));
	return code;
}

static ssize_t next_bytes(struct archive *a, void *to, size_t room)
{
	for (;;) {
		const char *why = "";
		bool was_empty = a->from == a->n;
		ssize_t n = was_empty && !a->inside ? 0 : a->kind->step(a, to, room, &why);

		if (n > 0)
			return n;
		if (n < 0)
			return fail(a, (int)n, why);
		if (a->from < a->n && !was_empty)
			continue;
		n = more(a);
		if (n < 0)
			return fail(a, (int)n, "");
		if (n == 0)
			return a->inside ? fail(a, -ENODATA, "") : 0;
	}
}

ssize_t archive_read(struct archive *a, void *to, size_t room, struct error *e)
{
	ssize_t n;

	assert(room > 0);
	n = a->failed ? a->failed : next_bytes(a, to, room);
	return n < 0 ? error_set(e, (int)n, "%s", a->why.text) : n;
}

void archive_progress(const struct archive *a, uint64_t *ret_read, uint64_t *ret_size)
{
	*ret_read = a->read - (a->n - a->from);
	*ret_size = a->size;
}
