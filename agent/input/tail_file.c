/* SPDX-License-Identifier: Apache-2.0
 * One file as the kernel has it: its descriptor, size and times, and whether what was read of it still stands there. The last
 * bytes before the cursor are kept, and compared whenever something about the file changed: what was truncated and written
 * anew, even past the old offset, shows there. */
#include "base/log.h"
#include "base/mem.h"
#include "input/tail_room.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- descriptors ---- */

int file_open_path(const struct tail *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (t->options.follow_symlinks ? 0 : O_NOFOLLOW));

	return fd < 0 ? -errno : fd;
}

void file_close(struct tail_file *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	f->tail->n_open--;
}

bool file_under_way(const struct tail_file *f)
{
	return f->busy || f->done != f->cursor;
}

/* Only one that a path leads to can be opened again. */
static bool may_close(const struct tail_file *f)
{
	return f->fd >= 0 && f->where == FILE_PRESENT && !file_under_way(f) && !f->truncated && !f->unlinked && !f->copy_of &&
		!(f->copied && f->tail->n_copies) && f != f->tail->pinned;
}

/* Those read to their end first, the longest quiet first. */
static bool rather_close(const struct tail_file *a, const struct tail_file *b)
{
	bool a_read = a->cursor >= a->size, b_read = b->cursor >= b->size;

	return a_read != b_read ? a_read : a->changed_us < b->changed_us;
}

static void close_one(struct tail *t, const struct tail_file *but)
{
	struct tail_file *victim = NULL;

	for (struct tail_file *f = t->files; f; f = f->after)
		if (f != but && may_close(f) && (!victim || rather_close(f, victim)))
			victim = f;
	if (victim)
		file_close(victim);
}

void file_fd_give(struct tail_file *f, int fd)
{
	struct tail *t = f->tail;
	struct stat s;

	assert(f->fd < 0 && fd >= 0);
	if (t->n_open >= t->options.most_open)
		close_one(t, f);
	f->fd = fd;
	t->n_open++;
	if (fstat(fd, &s) == 0) {
		f->device = s.st_dev;
		f->inode = s.st_ino;
	}
}

int file_open(struct tail_file *f)
{
	struct identity id;
	int fd, r;

	if (f->fd >= 0)
		return 0;
	fd = file_open_path(f->tail, f->path);
	if (fd < 0)
		return fd;
	r = identity_of(fd, &id);
	if (r == 0 && strcmp(id.text, f->identity) != 0)
		r = -ESTALE;
	if (r < 0) {
		close(fd);
		return r;
	}
	file_fd_give(f, fd);
	return 0;
}

/* ---- what was read of it ---- */

struct fingerprint file_head(const struct tail_file *f)
{
	if (f->from_store)
		return f->stored_head;
	return fingerprint_of(f->head, f->done < f->n_head ? (uint32_t)f->done : f->n_head);
}

static uint32_t read_part(const struct tail_file *f, char *to, uint64_t from, uint64_t n)
{
	ssize_t got = pread(f->fd, to, n < FINGERPRINT_N ? n : FINGERPRINT_N, (off_t)from);

	return got > 0 ? (uint32_t)got : 0;
}

void file_met(struct tail_file *f)
{
	f->tail->n_from_store -= f->from_store;
	f->from_store = false;
}

void file_remember(struct tail_file *f)
{
	uint64_t n = f->cursor < FINGERPRINT_N ? f->cursor : FINGERPRINT_N;

	f->n_head = read_part(f, f->head, 0, n);
	f->n_trail = read_part(f, f->trail, f->cursor - n, n);
	file_met(f);
}

void file_begin(struct tail_file *f, uint64_t offset)
{
	f->cursor = f->done = f->tried = offset;
	f->skipping = f->done_skipping = false;
	file_remember(f);
	f->marker = fingerprint_of(f->trail, f->n_trail);
}

static bool trail_stands(const struct tail_file *f)
{
	char now[FINGERPRINT_N];

	return f->n_trail == 0 || (pread(f->fd, now, f->n_trail, (off_t)(f->cursor - f->n_trail)) == (ssize_t)f->n_trail &&
					  memcmp(now, f->trail, f->n_trail) == 0);
}

/* ---- what the kernel says ---- */

/* By a scan that begins after now: whoever copied the log before truncating it made the copy's name before. */
void file_begins_anew(struct tail_file *f)
{
	f->truncated = true;
	f->truncated_round = f->tail->round;
}

/* A network filesystem may tell a size older than the data it gave us: there a shorter file must stay shorter for a while,
 * and what we read must be gone. */
static void shrunk(struct tail_file *f)
{
	int64_t now = tail_time(f->tail);

	if (f->shrunk_us == TIME_NONE)
		f->shrunk_us = now;
	if (f->network && (now - f->shrunk_us < 2 * f->tail->options.poll_us || trail_stands(f)))
		return;
	file_begins_anew(f);
}

static void take_stat(struct tail_file *f, const struct stat *s)
{
	int64_t mtime_ns = s->st_mtim.tv_sec * INT64_C(1000000000) + s->st_mtim.tv_nsec;
	bool changed = (uint64_t)s->st_size != f->size || mtime_ns != f->mtime_ns;

	f->unlinked = s->st_nlink == 0;
	f->size = (uint64_t)s->st_size;
	f->mtime_ns = mtime_ns;
	if (changed) {
		f->changed_us = tail_time(f->tail);
		f->offered_last = false;
		if (!f->busy)
			f->tried = f->cursor;
	}
	if (f->truncated)
		return;
	if (f->size < f->cursor || (f->n_trail == 0 && f->size < f->peak)) {
		shrunk(f);
		return;
	}
	f->shrunk_us = TIME_NONE;
	if (changed && !trail_stands(f))
		file_begins_anew(f);
	else
		f->peak = f->size;
}

void file_refresh(struct tail_file *f)
{
	struct stat s;

	if (f->where == FILE_FINISHED || f->where == FILE_ABSENT)
		return;
	if (f->fd < 0) {
		if (stat(f->path, &s) < 0 || s.st_ino != f->inode || s.st_dev != f->device)
			return; /* the scan will find out what became of it */
		if ((uint64_t)s.st_size == f->size &&
			s.st_mtim.tv_sec * INT64_C(1000000000) + s.st_mtim.tv_nsec == f->mtime_ns)
			return;
		if (file_open(f) < 0)
			return;
	}
	if (fstat(f->fd, &s) == 0)
		take_stat(f, &s);
}

bool file_intact(struct tail_file *f)
{
	if (f->from_store || (f->where != FILE_PRESENT && f->where != FILE_DETACHED) || file_open(f) < 0)
		return false;
	file_refresh(f);
	if (!f->truncated && !trail_stands(f))
		file_begins_anew(f);
	return !f->truncated && f->size >= f->cursor;
}

/* ---- met again ---- */

bool nuls_only(const char *at, size_t n)
{
	return n == 0 || (at[0] == 0 && memcmp(at, at + 1, n - 1) == 0);
}

/* A crash of the machine may take the end of a log that was not yet on disk, while our position was: then the file is
 * shorter than the offset, or ends in NULs, and is still the same log. To begin it anew would count everything twice. */
static bool lost_its_end(struct tail_file *f)
{
	char now[FINGERPRINT_N];
	uint32_t n = f->marker.n < FINGERPRINT_N ? f->marker.n : FINGERPRINT_N;

	if (!f->tail->options.rebooted || !f->stored)
		return false;
	if (f->size >= f->stored_head.n && !fingerprint_holds(&f->stored_head, f->fd, 0))
		return false;
	if (f->size >= f->done)
		return n && read_part(f, now, f->done - n, n) == n && nuls_only(now, n);
	f->tail->stats.rewound_bytes += f->done - f->size;
	log_warning("tail", "file lost its end in a crash; going on from its new end", "path", log_s(f->path), "bytes",
		log_n((long long)(f->done - f->size)));
	f->cursor = f->done = f->tried = f->size;
	f->dirty = true;
	return true;
}

void file_resume(struct tail_file *f)
{
	struct fingerprint head = file_head(f);
	struct stat s;

	if (fstat(f->fd, &s) < 0)
		return;
	f->size = (uint64_t)s.st_size;
	f->changed_us = tail_time(f->tail);
	if ((f->size < f->done || !fingerprint_holds(&head, f->fd, 0) ||
		    !fingerprint_holds(&f->marker, f->fd, f->done - f->marker.n)) &&
		!(f->from_store && lost_its_end(f)))
		file_begins_anew(f);
	if (f->truncated)
		return;
	if (f->size > f->peak)
		f->peak = f->size;
	file_remember(f);
	f->marker = fingerprint_of(f->trail, f->n_trail);
}

/* ---- asked by the caller ---- */

void tail_file_busy_set(struct tail_file *f, bool busy)
{
	f->busy = busy;
}

int64_t tail_file_time(const struct tail_file *f)
{
	return f->next_us;
}

uint64_t tail_file_cursor(const struct tail_file *f)
{
	return f->cursor;
}

bool tail_file_skipping(const struct tail_file *f)
{
	return f->skipping;
}

uint64_t tail_file_unread(const struct tail_file *f)
{
	bool counts = f->where != FILE_FINISHED && f->where != FILE_ABSENT && !f->copy_of && !f->ignored;

	return counts && f->size > f->cursor ? f->size - f->cursor : 0;
}

uint64_t tail_file_generation(const struct tail_file *f)
{
	return f->generation;
}

const char *tail_file_path(const struct tail_file *f)
{
	return f->path;
}
