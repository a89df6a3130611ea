/* SPDX-License-Identifier: Apache-2.0
 * Which file is read next. Those with bytes to read stand in a heap, so that ten thousand files that all have some do not cost
 * a look at each for every chunk. One that is busy, or whose predecessor must be read first, keeps its place: the search passes
 * by it to what stands below, and there are never many of those. */
#include "base/mem.h"
#include "input/tail_room.h"

#include <assert.h>

bool file_quiet(const struct tail_file *f)
{
	return tail_time(f->tail) - f->changed_us >= f->tail->options.partial_us;
}

/* While its bytes are out for decoding the answer is that of the moment they were read. */
bool tail_file_final(const struct tail_file *f)
{
	if (f->busy)
		return f->read_final;
	return (f->unlinked || f->moved || f->where == FILE_DETACHED) && !f->truncated && file_quiet(f);
}

static bool has_bytes(const struct tail_file *f)
{
	bool readable = f->where == FILE_PRESENT || f->where == FILE_DETACHED;

	if (!readable || f->fresh || f->copy_of || f->truncated || f->ignored || f->failed ||
		f->size <= f->cursor)
		return false;
	return f->size > f->tried || (!f->offered_last && tail_file_final(f));
}

/* ---- the heap ---- */

static bool comes_before(const struct tail_file *a, const struct tail_file *b)
{
	if ((a->next_us == TIME_NONE) != (b->next_us == TIME_NONE))
		return a->next_us == TIME_NONE;
	if (a->next_us != b->next_us)
		return a->next_us < b->next_us;
	if (a->birth_us != b->birth_us)
		return a->birth_us < b->birth_us;
	return a->mtime_ns < b->mtime_ns; /* the clock of births is coarse */
}

static void set(struct tail *t, size_t at, struct tail_file *f)
{
	t->ready[at] = f;
	f->ready_at = at;
}

static void rise(struct tail *t, struct tail_file *f)
{
	size_t at = f->ready_at;

	for (; at > 0 && comes_before(f, t->ready[(at - 1) / 2]); at = (at - 1) / 2)
		set(t, at, t->ready[(at - 1) / 2]);
	set(t, at, f);
}

static void sink(struct tail *t, struct tail_file *f)
{
	size_t at = f->ready_at, below;

	for (; (below = 2 * at + 1) < t->n_ready; at = below) {
		if (below + 1 < t->n_ready && comes_before(t->ready[below + 1], t->ready[below]))
			below++;
		if (!comes_before(t->ready[below], f))
			break;
		set(t, at, t->ready[below]);
	}
	set(t, at, f);
}

static void put(struct tail *t, struct tail_file *f)
{
	if (t->n_ready == t->ready_room) {
		t->ready_room = t->ready_room ? t->ready_room * 2 : 16;
		t->ready = mem_grow(t->ready, t->ready_room, sizeof *t->ready);
	}
	set(t, t->n_ready++, f);
	rise(t, f);
}

static void take_out(struct tail *t, struct tail_file *f)
{
	struct tail_file *last = t->ready[--t->n_ready];

	if (last == f)
		return;
	set(t, f->ready_at, last);
	rise(t, last);
	sink(t, last);
}

void file_ready_set(struct tail_file *f)
{
	bool ready = has_bytes(f);

	if (ready == f->ready)
		return;
	f->ready = ready;
	if (ready)
		put(f->tail, f);
	else
		take_out(f->tail, f);
}

void tail_file_time_set(struct tail_file *f, int64_t next_us)
{
	f->next_us = next_us;
	if (!f->ready)
		return;
	rise(f->tail, f);
	sink(f->tail, f);
}

/* ---- who is next ---- */

static bool must_wait(const struct tail_file *f)
{
	const struct tail_file *p = f->predecessor;

	return f->busy || (p && (p->ready || p->busy));
}

/* Below a file that may be read there is none that comes before it. */
static struct tail_file *first_below(const struct tail *t, size_t at, struct tail_file *best)
{
	if (at >= t->n_ready || (best && !comes_before(t->ready[at], best)))
		return best;
	if (!must_wait(t->ready[at]))
		return t->ready[at];
	best = first_below(t, 2 * at + 1, best);
	return first_below(t, 2 * at + 2, best);
}

struct tail_file *tail_next(struct tail *t)
{
	if (t->scan_wanted)
		tail_scan_run(t);
	return first_below(t, 0, NULL);
}

/* Below a file whose time is known there is none of an earlier one. */
static int64_t oldest_below(const struct tail *t, size_t at, const struct tail_file *except)
{
	int64_t left, right;

	if (at >= t->n_ready)
		return INT64_MAX;
	if (t->ready[at] != except && t->ready[at]->next_us != TIME_NONE)
		return t->ready[at]->next_us;
	left = oldest_below(t, 2 * at + 1, except);
	right = oldest_below(t, 2 * at + 2, except);
	return left < right ? left : right;
}

int64_t tail_pending_oldest(const struct tail *t, const struct tail_file *except)
{
	return oldest_below(t, 0, except);
}

struct tail_file *tail_pending(struct tail *t, const struct tail_file *after)
{
	size_t at = after ? after->ready_at + 1 : 0;

	assert(!after || after->ready);
	return at < t->n_ready ? t->ready[at] : NULL;
}
