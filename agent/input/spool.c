/* SPDX-License-Identifier: Apache-2.0
 * A file that only grows, and is cut back to what was committed when it is opened again. */
#include "input/spool.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARKED = 4096 }; /* bytes before the end that are hashed */

struct spool {
	char *path;
	int fd;
	uint64_t length;
};

static int wrong(const struct spool *s, int code, const char *what, struct error *e)
{
	return error_set(e, code, "%s: the spool cannot be %s: %s", s->path, what, strerror(-code));
}

/* pwrite and pread until all is done. */
static int all_written(int fd, const char *at, size_t n, uint64_t offset)
{
	while (n) {
		ssize_t put = pwrite(fd, at, n, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -ENOSPC;
		at += put;
		offset += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

static int all_read(int fd, char *at, size_t n, uint64_t offset)
{
	while (n) {
		ssize_t got = pread(fd, at, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ESTALE;
		at += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int hash_before(int fd, uint64_t length, uint64_t *ret)
{
	char last[MARKED];
	size_t n = length < MARKED ? (size_t)length : MARKED;
	int status = all_read(fd, last, n, length - n);

	if (!status)
		*ret = hash_bytes(last, n, length);
	return status;
}

/* Is the file the one that was committed, as far as then? */
static int known_again(struct spool *s, const struct spool_mark *known, struct error *e)
{
	struct stat st;
	uint64_t hash;
	int status;

	if (fstat(s->fd, &st))
		return wrong(s, -errno, "looked at", e);
	if ((uint64_t)st.st_size < known->length)
		return error_set(e, -ESTALE, "%s: the spool holds %lld bytes, and %llu were committed", s->path,
			(long long)st.st_size, (unsigned long long)known->length);
	status = hash_before(s->fd, known->length, &hash);
	if (status)
		return wrong(s, status, "read", e);
	if (hash != known->hash)
		return error_set(e, -ESTALE, "%s: the spool is not the one that was committed", s->path);
	s->length = known->length;
	return 0;
}

/* No link is followed and nothing but a plain file is taken: it is cut. */
static int file_open(struct spool *s, struct error *e)
{
	struct stat st;

	s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (s->fd < 0)
		return wrong(s, -errno, "opened", e);
	if (fstat(s->fd, &st) || !S_ISREG(st.st_mode))
		return error_set(e, -EEXIST, "%s: the spool must be a plain file", s->path);
	return 0;
}

int spool_open(const char *path, const struct spool_mark *known, struct spool **ret, struct error *e)
{
	struct spool *s = mem_zero(1, sizeof *s);
	int status;

	s->path = mem_copy_text(path);
	s->fd = -1;
	status = file_open(s, e);
	if (!status && known && known->length)
		status = known_again(s, known, e);
	if (!status && ftruncate(s->fd, (off_t)s->length))
		status = wrong(s, -errno, "cut", e);
	if (status) {
		spool_close(s);
		return status;
	}
	*ret = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s);
}

void spool_remove(struct spool *s)
{
	if (s)
		unlink(s->path);
	spool_close(s);
}

int spool_put(struct spool *s, const void *at, size_t n, struct error *e)
{
	int status = all_written(s->fd, at, n, s->length);

	if (!status) {
		s->length += n;
		return 0;
	}
	/* Half a record must not stand before the next one; the next put writes over it even where this fails. */
	if (ftruncate(s->fd, (off_t)s->length))
		return wrong(s, -errno, "cut back after a failed write", e);
	return wrong(s, status, "written", e);
}

int spool_clear(struct spool *s, struct error *e)
{
	if (ftruncate(s->fd, 0))
		return wrong(s, -errno, "cut", e);
	s->length = 0;
	return 0;
}

int spool_mark(const struct spool *s, struct spool_mark *ret, struct error *e)
{
	struct spool_mark mark = {.length = s->length};
	int status = hash_before(s->fd, s->length, &mark.hash);

	if (status)
		return wrong(s, status, "read", e);
	*ret = mark;
	return 0;
}

int spool_read(const struct spool *s, uint64_t offset, void *to, size_t n, struct error *e)
{
	int status = offset + n > s->length ? -ESTALE : all_read(s->fd, to, n, offset);

	return status ? wrong(s, status, "read", e) : 0;
}

uint64_t spool_length(const struct spool *s)
{
	return s->length;
}

const char *spool_path(const struct spool *s)
{
	return s->path;
}
