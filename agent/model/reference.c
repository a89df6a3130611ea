/* SPDX-License-Identifier: Apache-2.0
 * A reference as a file: head, payload, checksum. What stands inside the payload is
 * reference_pack.c's business.
 *
 *     "oodd-ref"   8 bytes
 *     format       4 bytes, big-endian: REFERENCE_FORMAT
 *     length       8 bytes, big-endian: of the payload
 *     payload      msgpack
 *     SHA-256      64 bytes, hex, of the payload
 *
 * It is replaced by rename, so a reader sees the old one or the new one; fsync before, so that a
 * power cut leaves one of them. */
#include "model/reference.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "oodd-ref"
#define HEAD_BYTES 20
#define SUM_BYTES 64

struct reference *reference_new(void)
{
	return mem_zero(1, sizeof(struct reference));
}

static void texts_done(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void reference_detector_done(struct reference_detector *d)
{
	free(d->name);
	free(d->plugin_version);
	for (size_t i = 0; i < d->n_options; i++)
		free(d->options[i].name);
	free(d->options);
	free(d->bytes);
	score_table_done(&d->table);
	for (size_t i = 0; i < d->n_by_class; i++)
		score_table_done(&d->by_class[i]);
	free(d->by_class);
	free(d->muted);
	*d = (struct reference_detector){0};
}

static void windows_done(struct reference_window *windows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(windows[i].v);
	free(windows);
}

void reference_forget_windows(struct reference *r)
{
	windows_done(r->windows, r->n_windows);
	windows_done(r->others, r->n_others);
	r->windows = r->others = NULL;
	r->n_windows = r->n_others = 0;
}

static void categories_done(struct reference_category *category, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(category[i].name);
		texts_done(category[i].words, category[i].n_words);
	}
	free(category);
}

static void left_out_done(struct reference_left_out *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(at[i].name);
		free(at[i].why);
	}
	free(at);
}

static void scoring_done(struct reference *r)
{
	for (size_t i = 0; i < r->n_detectors; i++)
		reference_detector_done(&r->detectors[i]);
	free(r->detectors);
	reference_ways_done(r->ways, r->n_ways);
	score_table_done(&r->fused);
	for (size_t i = 0; i < r->n_partial; i++)
		score_table_done(&r->partial[i].table);
	free(r->partial);
}

void reference_close(struct reference *r)
{
	if (!r)
		return;
	free(r->model);
	free(r->version);
	free(r->inherited_from);
	free(r->made_by);
	free(r->season_why);
	free(r->doubt);
	texts_done(r->logs, r->n_logs);
	texts_done(r->classes, r->n_classes);
	texts_done(r->numeric, r->n_numeric);
	categories_done(r->category, r->n_category);
	left_out_done(r->left_out, r->n_left_out);
	scoring_done(r);
	reference_rows_done(r->rows, r->n_rows);
	reference_odd_done(&r->odd);
	reference_layer_done(&r->layer);
	for (size_t i = 0; i < r->n_measures; i++)
		measure_done(&r->measures[i]);
	free(r->measures);
	for (size_t i = 0; i < r->n_statistics; i++)
		statistic_done(&r->statistics[i]);
	free(r->statistics);
	reference_forget_windows(r);
	performance_done(&r->performance);
	slices_done(&r->slices);
	free(r);
}

/* From memory. */

static int head_check(const char *at, size_t n, const char *name, struct error *e)
{
	uint32_t format;
	uint64_t length;

	if (n < HEAD_BYTES + SUM_BYTES || memcmp(at, MAGIC, 8) != 0)
		return error_set(e, -EINVAL,
			"%s: not a reference of oodd: it does not begin with \"%s\"", name, MAGIC);
	memcpy(&format, at + 8, sizeof format);
	memcpy(&length, at + 12, sizeof length);
	if (be32toh(format) != REFERENCE_FORMAT)
		return error_set(e, -EINVAL,
			"%s: a reference of format %u, this program reads format %d; fit it anew",
			name, (unsigned)be32toh(format), REFERENCE_FORMAT);
	if (be64toh(length) != n - HEAD_BYTES - SUM_BYTES)
		return error_set(e, -EINVAL,
			"%s: cut short or grown: it says %llu bytes of payload, and holds %zu",
			name, (unsigned long long)be64toh(length), n - HEAD_BYTES - SUM_BYTES);
	return 0;
}

int reference_unpack(
	const void *at, size_t n, const char *name, struct reference **ret, struct error *e)
{
	const char *bytes = at;
	struct reference *r;
	char sum[65];
	int code = head_check(bytes, n, name, e);

	if (code < 0)
		return code;
	hash_sha256_hex(bytes + HEAD_BYTES, n - HEAD_BYTES - SUM_BYTES, sum);
	if (memcmp(sum, bytes + n - SUM_BYTES, SUM_BYTES) != 0)
		return error_set(e, -EINVAL,
			"%s: damaged: the SHA-256 of its payload is %s, and it says %.64s", name,
			sum, bytes + n - SUM_BYTES);
	code = reference_unpack_payload(bytes + HEAD_BYTES, n - HEAD_BYTES - SUM_BYTES, &r, e);
	if (code < 0) {
		error_prefix(e, "%s: whole as it was written, but not understood: made by a newer oodd? install that one, or fit again", name);
		return code;
	}
	memcpy(r->hash, sum, sizeof r->hash);
	code = performance_unseal(&r->performance, r->hash, e);
	if (code < 0) {
		error_prefix(e, "%s", name);
		reference_close(r);
		return code;
	}
	*ret = r;
	return 0;
}

/* From a file. */

static int read_all(int fd, char *to, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = read(fd, to + done, n - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static int file_unpack(int fd, const char *path, struct reference **ret, struct error *e)
{
	struct stat is;
	char *bytes;
	int code;

	if (fstat(fd, &is) < 0)
		return error_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(is.st_mode) || is.st_size > REFERENCE_MOST_BYTES)
		return error_set(e, -EINVAL, "%s: expected a regular file of at most %lld bytes",
			path, (long long)REFERENCE_MOST_BYTES);
	bytes = mem_alloc((size_t)is.st_size + 1);
	code = read_all(fd, bytes, (size_t)is.st_size);
	if (code < 0)
		error_set(e, code, "%s: %s", path, strerror(-code));
	else
		code = reference_unpack(bytes, (size_t)is.st_size, path, ret, e);
	free(bytes);
	return code;
}

int reference_read(const char *path, struct reference **ret, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;

	if (fd < 0)
		return error_set(e, -errno, "%s: %s", path, strerror(errno));
	code = file_unpack(fd, path, ret, e);
	close(fd);
	return code;
}

/* To a file. */

static int write_all(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

static void file_bytes(const struct reference *r, struct buf *to, char sum[65])
{
	uint32_t format = htobe32(REFERENCE_FORMAT);
	uint64_t length;

	buf_put(to, MAGIC, 8);
	buf_put(to, &format, sizeof format);
	buf_put(to, "12345678", 8); /* of the length, known below */
	reference_pack(r, to);
	length = htobe64(to->n - HEAD_BYTES);
	memcpy(to->at + 12, &length, sizeof length);
	hash_sha256_hex(to->at + HEAD_BYTES, to->n - HEAD_BYTES, sum);
	buf_put(to, sum, SUM_BYTES);
}

/* Not for other users: its words are values of the log. What the umask takes away stays away. */
static int beside_open(const char *beside)
{
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 || errno != EEXIST)
		return fd < 0 ? -errno : fd;
	unlink(beside); /* of a process of this number that died while writing */
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? mem_copy_span(path, slash == path ? 1 : (size_t)(slash - path)) : mem_copy_text(".");
}

static int beside_give(int fd, const char *beside)
{
	char *folder = folder_of(beside);
	int code = file_give(fd, folder);

	free(folder);
	return code;
}

static int beside_write(const char *beside, const struct buf *bytes)
{
	int fd = beside_open(beside), code;

	if (fd < 0)
		return fd;
	code = write_all(fd, bytes->at, bytes->n);
	if (code == 0)
		code = beside_give(fd, beside);
	if (code == 0 && fsync(fd) < 0)
		code = -errno;
	if (close(fd) < 0 && code == 0)
		code = -errno;
	return code;
}

static int folder_sync(const char *path)
{
	char *folder = folder_of(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;

	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0 &&
		errno != EINVAL) /* a filesystem that cannot sync folders says EINVAL */
		code = -errno;
	close(fd);
	return code;
}

static int file_replace(const char *path, const struct buf *bytes)
{
	char *beside = mem_format("%s.new-%ld", path, (long)getpid());
	int code = beside_write(beside, bytes);

	if (code == 0 && rename(beside, path) < 0)
		code = -errno;
	if (code < 0)
		unlink(beside);
	free(beside);
	return code < 0 ? code : folder_sync(path);
}

int reference_write(struct reference *r, const char *path, struct error *e)
{
	struct buf bytes = BUF_EMPTY;
	char sum[65];
	int code = reference_check(r, e);

	if (code < 0)
		return code;
	file_bytes(r, &bytes, sum);
	code = bytes.n > (size_t)REFERENCE_MOST_BYTES ? -EFBIG : file_replace(path, &bytes);
	buf_done(&bytes);
	if (code < 0)
		return error_set(e, code, "%s: the reference could not be written: %s", path,
			strerror(-code));
	memcpy(r->hash, sum, sizeof r->hash);
	return 0;
}
