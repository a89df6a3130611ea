/* SPDX-License-Identifier: Apache-2.0
 * The bytes of one file. Two offsets: `cursor`, up to where bytes were taken, and `done`, up to where they were dealt with;
 * only the second is ever stored. The bytes before the cursor are read again in front of every read, so that not one byte of
 * what was truncated and written anew is mistaken for the old log's. NULs where a record should begin are what a writer without
 * O_APPEND leaves behind after a truncation: they are passed over, unless nothing has followed them yet. */
#include "base/log.h"
#include "base/mem.h"
#include "input/tail_room.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define NULS_MOST ((uint64_t)64 << 20) /* looked through in one go for a byte that is none */

/* Bytes that are in hand now: the head as far as it is not full, and the last ones. */
static void remember_taken(struct tail_file *f, const char *at, size_t n)
{
	size_t keep;

	if (f->cursor < FINGERPRINT_N && f->n_head == f->cursor) {
		size_t more = n < FINGERPRINT_N - f->n_head ? n : FINGERPRINT_N - f->n_head;

		memcpy(f->head + f->n_head, at, more);
		f->n_head += (uint32_t)more;
	}
	if (n >= FINGERPRINT_N) {
		memcpy(f->trail, at + n - FINGERPRINT_N, FINGERPRINT_N);
		f->n_trail = FINGERPRINT_N;
		return;
	}
	keep = f->n_trail + n <= FINGERPRINT_N ? f->n_trail : FINGERPRINT_N - n;
	memmove(f->trail, f->trail + f->n_trail - keep, keep);
	memcpy(f->trail + keep, at, n);
	f->n_trail = (uint32_t)(keep + n);
}

/* ---- reading ---- */

/* It may have been written anew, unseen, before anything was read of it: its first bytes are looked at again. */
static void begun(struct tail_file *f)
{
	if (f->cursor == 0)
		index_drop(&f->tail->by_first, &f->by_first);
}

static void pass_over(struct tail_file *f, uint64_t to)
{
	bool all_done = f->done == f->cursor;

	begun(f);
	f->tail->stats.nul_bytes_skipped += to - f->cursor;
	if (f->hole_to != f->cursor || f->hole_to == 0)
		f->hole_from = f->cursor;
	f->hole_to = f->cursor = to;
	if (f->tried < to)
		f->tried = to;
	file_remember(f);
	if (!all_done)
		return;
	f->done = to;
	f->marker = fingerprint_of(f->trail, f->n_trail);
	f->dirty = true;
}

/* Where the NULs at the cursor end, or the cursor when nothing but NULs has come so far. `room` bytes at `to` are scratch. */
static uint64_t nuls_end(const struct tail_file *f, char *to, size_t room)
{
	off_t data = lseek(f->fd, (off_t)f->cursor, SEEK_DATA);
	uint64_t at = data < 0 ? f->cursor : (uint64_t)data;

	if (data < 0 && errno == ENXIO)
		return f->cursor;
	while (at - f->cursor < NULS_MOST || (uint64_t)data == at) {
		ssize_t n = pread(f->fd, to, room, (off_t)at);

		if (n <= 0)
			return f->cursor;
		if (!nuls_only(to, (size_t)n)) {
			for (ssize_t i = 0; to[i] == 0; i++)
				at++;
			return at;
		}
		at += (uint64_t)n;
	}
	return at;
}

/* One read of the bytes before the cursor and those behind it; -ESTALE when the former are not what they were. */
static ssize_t read_behind(struct tail_file *f, char *to, size_t room)
{
	char before[FINGERPRINT_N];
	struct iovec parts[] = {{before, f->n_trail}, {to, room}};
	ssize_t n = preadv(f->fd, parts, 2, (off_t)(f->cursor - f->n_trail));

	if (n < 0)
		return -errno;
	if (n < (ssize_t)f->n_trail || memcmp(before, f->trail, f->n_trail) != 0)
		return -ESTALE;
	return n - (ssize_t)f->n_trail;
}

static ssize_t read_bytes(struct tail_file *f, char *to, size_t room)
{
	ssize_t n = read_behind(f, to, room);

	if (n > 0 && to[0] == 0 && !f->skipping) {
		uint64_t end = nuls_end(f, to, room);

		if (end == f->cursor) { /* perhaps room set aside for what is still to be written */
			f->tried = f->size;
			return 0;
		}
		pass_over(f, end);
		n = read_behind(f, to, room);
	}
	if (n == -ESTALE) {
		if (!f->network || f->size >= f->cursor)
			file_begins_anew(f);
		tail_wake(f->tail);
		return 0;
	}
	return n;
}

ssize_t tail_file_read(struct tail_file *f, char *to, size_t room, struct error *e)
{
	ssize_t n;
	int r;

	assert(room > 0 && f->where != FILE_FINISHED && f->where != FILE_ABSENT);
	f->busy = false;
	r = file_open(f);
	if (r == -ESTALE || r == -ENOENT) { /* renamed while it was closed: a scan finds where to */
		f->failed = true;
		tail_wake(f->tail);
		file_ready_set(f);
		return 0;
	}
	if (r == 0)
		file_refresh(f);
	n = r < 0 ? r : f->truncated || f->size < f->cursor ? 0 : read_bytes(f, to, room);
	if (f->truncated)
		tail_wake(f->tail);
	if (n > 0) {
		f->offered = f->cursor + (uint64_t)n;
		f->at_end = (size_t)n < room;
		f->read_final = f->at_end && tail_file_final(f);
		f->busy = true;
		if (f->offered > f->size)
			f->size = f->offered;
		if (f->offered > f->peak)
			f->peak = f->offered;
		return n;
	}
	f->failed = n < 0;
	f->tried = f->size; /* until it changes */
	file_ready_set(f);
	return n == 0 ? 0 : error_set(e, (int)n, "%s: cannot be read at offset %llu: %s", f->path,
				   (unsigned long long)f->cursor, strerror((int)-n));
}

struct tail_mark tail_file_take(struct tail_file *f, const char *at, size_t n, bool skipping, int64_t newest_us)
{
	struct fingerprint marker;

	assert(f->busy && f->cursor + n <= f->offered);
	f->busy = false;
	begun(f);
	remember_taken(f, at, n);
	f->cursor += n;
	f->skipping = skipping;
	f->tried = n == 0 && f->at_end ? f->offered : f->cursor;
	f->offered_last = f->read_final;
	marker = fingerprint_of(f->trail, f->n_trail);
	file_settle(f);
	return (struct tail_mark){
		.file = f,
		.offset = f->cursor,
		.skipping = skipping,
		.newest_us = newest_us,
		.marker_n = marker.n,
		.marker_hash = marker.hash,
	};
}

void tail_advance(const struct tail_mark *m)
{
	struct tail_file *f = m->file;

	assert(m->offset >= f->done && m->offset <= f->cursor);
	f->done = m->offset;
	f->done_skipping = m->skipping;
	f->marker = (struct fingerprint){.n = m->marker_n, .hash = m->marker_hash};
	if (f->hole_to > f->hole_from && f->done == f->hole_from && f->done < f->cursor) {
		f->done = f->hole_to;
		f->marker = fingerprint_of(f->trail, f->done == f->cursor ? f->n_trail : 0);
	}
	if (m->newest_us > f->newest_us)
		f->newest_us = m->newest_us;
	f->touched_us = clock_now(f->tail->options.clock);
	f->dirty = true;
	file_settle(f);
}
