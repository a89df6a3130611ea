/* SPDX-License-Identifier: Apache-2.0
 * What became of a file: whether it is a copy, was truncated, has ended, has bytes to read.
 *
 * copytruncate makes a copy and then empties the log. Everything in the copy is in the log too until that moment, so as long
 * as the log still holds what was read of it the copy is left alone, and the log is read. When the log is found truncated, the
 * copy is read from where the log had been read to: nothing twice, and nothing lost but what was written between the copying
 * and the truncation. A copy that goes on by itself (somebody made a backup and wrote to it) is read from where the two part.
 * One that was only thought to be a copy is read from its beginning.
 *
 * A log is given a new generation only by a scan that began after it was found truncated (so the copy, which was made before,
 * has been seen) and only when nothing of it is under way, so the positions of the two always change in one transaction. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "input/tail_room.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DETACHED_US (600 * SECOND_US) /* a file renamed out of sight is held open that long after its last byte */

/* ---- copies ---- */

static struct past past_of(const struct tail_file *f)
{
	return (struct past){
		.head = file_head(f),
		.marker = f->marker,
		.offset = f->done,
		.skipping = f->done_skipping,
		.newest_us = f->newest_us,
	};
}

/* NULs before the offset are those of a hole and prove nothing: any sparse log has them. Where only a hole was passed over
 * nothing was read either, so there is nothing to go on from. */
static bool has_text_before(const struct tail_file *f, const struct past *p)
{
	char before[FINGERPRINT_N];
	size_t n = p->marker.n < sizeof before ? p->marker.n : sizeof before;

	return pread(f->fd, before, n, (off_t)(p->offset - n)) == (ssize_t)n && !nuls_only(before, n);
}

/* Does f hold before that one's cursor what was read there? From memory: the file itself may have changed since. */
static bool holds_trail_of(const struct tail_file *f, const struct tail_file *original)
{
	char there[FINGERPRINT_N];
	size_t n = original->n_trail;

	return f->size >= original->cursor && !nuls_only(original->trail, n) &&
		pread(f->fd, there, n, (off_t)(original->cursor - n)) == (ssize_t)n &&
		memcmp(there, original->trail, n) == 0;
}

/* Does f hold, up to the offset, what that one held? By its head and the bytes before the offset. */
static bool continues(const struct tail_file *f, const struct past *p, uint64_t least)
{
	return p->offset >= least && p->head.n > 0 && p->marker.n > 0 && f->size >= p->offset && f->fd >= 0 &&
		fingerprint_holds(&p->head, f->fd, 0) &&
		fingerprint_holds(&p->marker, f->fd, p->offset - p->marker.n) && has_text_before(f, p);
}

static void copy_of_set(struct tail_file *f, struct tail_file *original)
{
	f->tail->n_copies -= f->copy_of != NULL;
	f->copy_of = original;
	if (original)
		original->copied = true;
	f->tail->n_copies += original != NULL;
	f->fresh = false;
}

static void begin_at(struct tail_file *f, uint64_t offset, bool skipping, int64_t newest_us)
{
	copy_of_set(f, NULL);
	file_begin(f, offset);
	f->skipping = f->done_skipping = skipping;
	f->peak = f->size;
	if (offset == 0)
		return;
	f->newest_us = newest_us;
	f->touched_us = clock_now(f->tail->options.clock);
	f->dirty = true;
	f->tail->stats.copies++;
	log_info("tail", "a copy of what was read already; going on from there", "path", log_s(f->path), "offset",
		log_n((long long)offset));
}

static void adopt(struct tail_file *f, const struct past *p)
{
	begin_at(f, p->offset, p->skipping, p->newest_us);
}

static bool same_bytes(int a, int b, uint64_t from, uint64_t end)
{
	char left[FINGERPRINT_N], right[FINGERPRINT_N];
	size_t n = end - from < FINGERPRINT_N ? (size_t)(end - from) : FINGERPRINT_N;

	return pread(a, left, n, (off_t)from) == (ssize_t)n && pread(b, right, n, (off_t)from) == (ssize_t)n &&
		memcmp(left, right, n) == 0;
}

static uint64_t back_from(uint64_t end)
{
	return end < FINGERPRINT_N ? 0 : end - FINGERPRINT_N;
}

/* As far as both go: at the head, where the original was read to, and where the shorter of the two ends. */
static bool begins_like(struct tail_file *f, const struct tail_file *original)
{
	uint64_t end = f->size < original->size ? f->size : original->size, read = original->cursor;
	bool alike = same_bytes(f->fd, original->fd, 0, end) && same_bytes(f->fd, original->fd, back_from(end), end) &&
		(read > end || same_bytes(f->fd, original->fd, back_from(read), read));

	f->alike = alike ? end : 0;
	return alike;
}

/* Neither was read yet: the younger one is the copy. False: f is the original. */
static bool is_younger_twin_of(struct tail_file *f, struct tail_file *other)
{
	if (other->birth_us <= f->birth_us || file_under_way(other)) {
		copy_of_set(f, other);
		return true;
	}
	other->alike = f->alike;
	copy_of_set(other, f);
	file_ready_set(other);
	return false;
}

/* Is f a copy of this one? Then it waits for it, or goes on where that one was left. */
static bool is_copy_of(struct tail_file *f, struct tail_file *original)
{
	struct past p;

	if (original == f || original->copy_of || original->ignored || original->where == FILE_FINISHED)
		return false;
	if (file_intact(original)) {
		if (begins_like(f, original) && original->cursor == 0)
			return is_younger_twin_of(f, original);
		if (f->alike > 0) {
			copy_of_set(f, original);
			return true;
		}
		if (file_intact(original)) /* else it was truncated while they were compared */
			return false;
	}
	file_refresh(f); /* truncated since f was looked at, which may have been while it was still being copied to */
	p = past_of(original);
	if (original->truncated && file_under_way(original) ? !holds_trail_of(f, original) : !continues(f, &p, COPY_LEAST))
		return false;
	if (original->where == FILE_ABSENT) {
		adopt(f, &p);
		file_release(original);
		tail_file_where_set(original, FILE_FINISHED);
	} else { /* truncated already: what becomes of f shows when the original begins its new generation */
		f->alike = 0;
		copy_of_set(f, original);
		tail_wake(f->tail);
	}
	return true;
}

/* Files are found by their first bytes; those known from the store only, of which there are few once all were met, one by one. */
static bool is_copy(struct tail_file *f)
{
	struct tail *t = f->tail;
	struct index_link *next = index_next(&t->by_first, f->first, NULL);

	for (unsigned n = 0; next && n < ALIKE_MOST; n++) {
		struct tail_file *other = next->owner;

		next = index_next(&t->by_first, f->first, next);
		if (is_copy_of(f, other))
			return true;
	}
	if (t->n_from_store)
		for (struct tail_file *other = t->files; other; other = other->after)
			if (other->from_store && is_copy_of(f, other))
				return true;
	for (size_t i = 0; i < t->n_past; i++)
		if (continues(f, &t->past[i], COPY_LEAST)) {
			adopt(f, &t->past[i]);
			return true;
		}
	return false;
}

static void keep_first(struct tail_file *f, const char *head)
{
	uint64_t hash = hash_bytes(head, COPY_LEAST, 0);

	snprintf(f->first, sizeof f->first, "%016llx", (unsigned long long)hash);
}

/* Where copies of it will look for it, once it is long enough to be told from others. */
void file_be_found(struct tail_file *f)
{
	bool was_read = f->n_head >= COPY_LEAST; /* then its bytes are known, and may be truncated by now */
	char head[COPY_LEAST];

	if (f->by_first.text || f->fresh || f->ignored || f->where == FILE_FINISHED)
		return;
	if (!was_read && (f->truncated || f->fd < 0 || pread(f->fd, head, sizeof head, 0) != sizeof head))
		return;
	keep_first(f, was_read ? f->head : head);
	index_put(&f->tail->by_first, &f->by_first, f->first, f);
}

static bool is_compressed(const char *head, size_t n)
{
	static const char gzip[] = "\x1f\x8b", zstd[] = "\x28\xb5\x2f\xfd";

	return (n >= 2 && memcmp(head, gzip, 2) == 0) || (n >= 4 && memcmp(head, zstd, 4) == 0);
}

/* A new file with its first bytes. */
static void decide(struct tail_file *f)
{
	struct tail *t = f->tail;
	char head[FINGERPRINT_N];
	ssize_t n = file_open(f) < 0 ? 0 : pread(f->fd, head, sizeof head, 0);

	if (n <= 0)
		return;
	f->fresh = false;
	if (is_compressed(head, (size_t)n)) {
		f->ignored = true;
		t->stats.compressed++;
		log_warning("tail", "file is compressed; passed over", "path", log_s(f->path));
		return;
	}
	if (n < COPY_LEAST)
		return;
	keep_first(f, head);
	is_copy(f);
}

/* Two logs may begin with the same few letters: those are no reason to pass over what follows. */
static uint64_t enough(uint64_t common, uint64_t least)
{
	return common < least ? 0 : common;
}

/* Still a copy? One that goes on by itself shares more with the original than two logs that begin with the same record. */
static void compare(struct tail_file *f)
{
	struct tail_file *original = f->copy_of;

	if (original->truncated || f->size == 0 || file_open(f) < 0)
		return;
	if (!file_intact(original)) {
		if (original->truncated)
			tail_wake(f->tail);
		return;
	}
	if (!begins_like(f, original)) {
		if (file_intact(original))
			begin_at(f, 0, false, TIME_NONE);
		else if (original->truncated) /* while they were compared */
			tail_wake(f->tail);
	} else if (f->size > original->size)
		begin_at(f, enough(original->size, PART_LEAST), false, original->newest_us);
}

/* ---- truncation ---- */

static void keep_past(struct tail *t, const struct past *p)
{
	if (p->offset < COPY_LEAST)
		return;
	if (t->n_past == PAST_MOST)
		memmove(t->past, t->past + 1, --t->n_past * sizeof *t->past);
	t->past[t->n_past++] = *p;
}

/* They were compared, but before anything was read of it a log may be written anew unseen: what was read of it counts. */
static bool head_agrees(const struct tail_file *f, const struct tail_file *original)
{
	char head[FINGERPRINT_N];
	size_t n = original->n_head < f->alike ? original->n_head : (size_t)f->alike;

	return pread(f->fd, head, n, 0) == (ssize_t)n && memcmp(head, original->head, n) == 0;
}

/* The copies of a log that was truncated stand for it now. Returns up to where they hold it. */
static uint64_t let_copies_go(struct tail_file *original, const struct past *p)
{
	uint64_t held = 0;

	for (struct tail_file *f = original->tail->files; f; f = f->after) {
		if (f->copy_of != original)
			continue;
		file_refresh(f);
		if (file_open(f) == 0 && !head_agrees(f, original))
			f->alike = 0;
		if (f->fd >= 0 && (f->alike >= p->offset || continues(f, p, 1))) {
			if (held == 0) {
				adopt(f, p);
				tail_file_follow(original, f);
				held = f->size;
			} else { /* a second copy of the same: the first is read */
				begin_at(f, f->size, false, p->newest_us);
			}
		} else {
			begin_at(f, f->size == f->alike ? enough(f->size, COPY_LEAST) : 0, false, p->newest_us);
		}
		file_ready_set(f);
	}
	return held;
}

static void turn_over(struct tail_file *f)
{
	struct tail *t = f->tail;
	struct past p = past_of(f);
	uint64_t held = t->n_copies ? let_copies_go(f, &p) : 0;
	uint64_t read = held > f->cursor ? held : f->cursor;
	uint64_t lost = f->peak > read ? f->peak - read : 0;

	keep_past(t, &p);
	t->stats.truncations++;
	t->stats.truncated_bytes_unread += lost;
	(lost ? log_warning("tail", "file was truncated with unread bytes", "path", log_s(f->path), "lost",
			log_n((long long)lost))
	      : log_info("tail", "file was truncated; it begins anew", "path", log_s(f->path)));
	f->generation++;
	f->truncated = false;
	file_met(f);
	index_drop(&t->by_first, &f->by_first);
	f->shrunk_us = TIME_NONE;
	f->hole_from = f->hole_to = 0;
	f->n_head = f->n_trail = 0;
	f->cursor = f->done = f->tried = f->peak = 0;
	f->skipping = f->done_skipping = f->offered_last = false;
	f->marker = (struct fingerprint){0};
	tail_file_time_set(f, TIME_NONE);
	f->touched_us = clock_now(t->options.clock);
	f->dirty = true;
	f->fresh = true; /* the log may have been copied once more since */
	file_refresh(f);
}

/* ---- the end ---- */

void file_release(struct tail_file *original)
{
	if (!original->tail->n_copies)
		return;
	for (struct tail_file *f = original->tail->files; f; f = f->after) {
		if (f->copy_of != original)
			continue;
		file_refresh(f);
		if (file_open(f) < 0) {
			copy_of_set(f, NULL);
			continue;
		}
		if (original->fd >= 0)
			begins_like(f, original);
		else if (f->alike > original->cursor)
			f->alike = original->cursor;
		begin_at(f, enough(f->alike, f->size > original->size ? PART_LEAST : COPY_LEAST), false,
			original->newest_us);
		file_ready_set(f);
	}
}

/* Deleted and read to its end: over. Renamed out of sight: held for a while, then remembered only. */
static void end(struct tail_file *f)
{
	bool read = f->cursor >= f->size || f->offered_last || f->ignored;
	int64_t quiet_us = tail_time(f->tail) - f->changed_us;

	if (f->where != FILE_DETACHED || file_under_way(f) || !file_quiet(f) || f->truncated)
		return;
	if (!read && !(f->copy_of && file_intact(f->copy_of)))
		return;
	if (!f->unlinked && quiet_us < DETACHED_US)
		return;
	if (f->size > f->cursor && !f->copy_of && !f->ignored)
		f->tail->stats.truncated_bytes_unread += f->size - f->cursor;
	file_release(f);
	copy_of_set(f, NULL);
	file_close(f);
	f->changed_us = tail_time(f->tail);
	tail_file_where_set(f, f->unlinked ? FILE_FINISHED : FILE_ABSENT);
}

static bool wants_polling(const struct tail_file *f)
{
	bool away = f->moved || f->unlinked || f->where == FILE_DETACHED;

	if (f->where != FILE_PRESENT && f->where != FILE_DETACHED)
		return false;
	return !f->watched || f->symlink || f->network || f->shrunk_us != TIME_NONE ||
		(away && (!file_quiet(f) || f->cursor < f->size || f->unlinked));
}

static void settle_truncated(struct tail_file *f)
{
	if (!f->truncated || file_under_way(f))
		return;
	if (f->tail->scanning && f->truncated_round < f->tail->round)
		turn_over(f);
	else
		tail_wake(f->tail);
}

static void settle_copy(struct tail_file *f)
{
	f->tail->pinned = f;
	if (f->fresh && f->size > 0)
		decide(f);
	if (f->copy_of)
		compare(f);
	file_be_found(f);
	f->tail->pinned = NULL;
}

void file_settle(struct tail_file *f)
{
	struct tail *t = f->tail;
	bool polled;

	if (f->where == FILE_PRESENT || f->where == FILE_DETACHED) {
		settle_truncated(f);
		settle_copy(f);
		end(f);
	}
	polled = wants_polling(f);
	if (polled != f->polled)
		t->n_polled = polled ? t->n_polled + 1 : t->n_polled - 1;
	f->polled = polled;
	file_ready_set(f);
}
