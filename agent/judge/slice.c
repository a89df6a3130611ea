/* SPDX-License-Identifier: Apache-2.0
 * The book of slices: counts added up, and what they say. See slice.h, and README.md, "Slices". */
#include "judge/slice.h"

#include "base/clock.h"
#include "base/mem.h"
#include "judge/slice_gap.h"
#include "model/pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void slice_book_open(struct slice_book *b, const struct reference *r, int64_t period_us)
{
	const struct slices *s = &r->slices;

	*b = (struct slice_book){.r = r, .period_us = period_us, .since_us = TIME_NONE, .period_start_us = TIME_NONE};
	b->last.period_start_us = b->last.period_end_us = b->last.where_from_us = TIME_NONE;
	if (s->n == 0)
		return;
	b->n = (s->n + 1) * s->width;
	b->since = mem_zero(b->n, sizeof *b->since);
	b->period = mem_zero(b->n, sizeof *b->period);
	b->counts = mem_zero(b->n, sizeof *b->counts);
	b->base = mem_zero(b->n, sizeof *b->base);
	slice_base(r, b->base);
}

void slice_book_done(struct slice_book *b)
{
	free(b->since);
	free(b->period);
	free(b->counts);
	free(b->base);
	slice_signal_done(&b->last);
	*b = (struct slice_book){0};
}

static void add(int64_t *to, const int64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

/* The window's stretch behind what all of its records come to in the same bins. */
static void window_take(struct slice_book *b, const struct window *w)
{
	const struct slices *s = &b->r->slices;

	slice_all(b->r, w->v, w->n, w->n_flagged, b->counts);
	memcpy(b->counts + s->width, w->v + s->first, s->n * s->width * sizeof *b->counts);
}

/* Start of the period that holds this time. */
static int64_t period_of(const struct slice_book *b, int64_t us)
{
	int64_t rest = us % b->period_us;

	return us - (rest < 0 ? rest + b->period_us : rest);
}

static void period_end(struct slice_book *b)
{
	struct slice_signal *last = &b->last;

	free(last->gaps.at);
	free(last->parity.at);
	free(last->counts);
	*last = (struct slice_signal){.period_start_us = b->period_start_us, .period_end_us = b->period_start_us + b->period_us,
		.period_n = b->period[SLICE_RECORDS], .counts = mem_copy(b->period, b->n * sizeof *b->period), .period_fresh = true,
		.level = SLICE_LEVEL};
	b->last_windows = b->period_windows;
	slice_gaps_find(b->r, b->period, b->base, b->period_windows, &last->gaps);
	slice_parity_find(b->r, b->period, b->base, b->period_windows, &last->parity);
}

/* A window that begins in a later period ends this one; windows of wrong clocks that come late are added to what is open. */
static void period_move(struct slice_book *b, const struct window *w)
{
	int64_t start = period_of(b, w->start_us);

	b->last.period_fresh = false;
	if (b->period_start_us != TIME_NONE && start > b->period_start_us) {
		period_end(b);
		memset(b->period, 0, b->n * sizeof *b->period);
		b->period_windows = 0;
	}
	if (b->period_start_us == TIME_NONE || start > b->period_start_us)
		b->period_start_us = start;
	add(b->period, b->counts, b->n);
	b->period_windows++;
}

/* Since the window that spoke last; while nothing moves, nothing is kept. */
static void since_move(struct slice_book *b, const struct window *w, const struct signal *s)
{
	if (!s->alarm || s->fresh) {
		memset(b->since, 0, b->n * sizeof *b->since);
		b->since_us = s->alarm ? w->start_us : TIME_NONE;
	}
	if (s->alarm)
		add(b->since, b->counts, b->n);
}

static void *copied(const void *at, size_t n)
{
	return n ? mem_copy(at, n) : NULL;
}

void slice_book_window(struct slice_book *b, const struct window *w, struct signal *s)
{
	struct slice_signal *to = &s->slices;

	*to = (struct slice_signal){.period_start_us = TIME_NONE, .period_end_us = TIME_NONE, .where_from_us = TIME_NONE};
	if (b->n == 0)
		return;
	window_take(b, w);
	period_move(b, w);
	since_move(b, w, s);
	*to = b->last;
	to->of = b->r;
	to->gaps.at = copied(b->last.gaps.at, b->last.gaps.n * sizeof *b->last.gaps.at);
	to->parity.at = copied(b->last.parity.at, b->last.parity.n * sizeof *b->last.parity.at);
	to->counts = b->last.counts ? mem_copy(b->last.counts, b->n * sizeof *b->last.counts) : NULL;
	to->where_from_us = b->since_us;
	if (s->alarm)
		slice_where_find(b->r, b->since, b->base, s, to);
}

void slice_book_pack(const struct slice_book *b, struct buf *to)
{
	pack_array(to, 8);
	pack_int(to, (int64_t)b->n);
	pack_ints(to, b->since, b->n);
	pack_ints(to, b->period, b->n);
	pack_ints(to, b->last.counts, b->last.counts ? b->n : 0);
	pack_int(to, b->since_us);
	pack_int(to, b->period_start_us);
	pack_int(to, b->period_windows);
	pack_array(to, 2);
	pack_int(to, b->last.period_start_us);
	pack_int(to, b->last_windows);
}

/* The last period is told again from its counts. */
static void last_read(struct slice_book *b, const int64_t *counts, int64_t start_us, int64_t windows)
{
	int64_t *open = b->period, open_start_us = b->period_start_us, open_windows = b->period_windows;

	b->period = (int64_t *)counts;
	b->period_start_us = start_us;
	b->period_windows = windows;
	period_end(b);
	b->period = open;
	b->period_start_us = open_start_us;
	b->period_windows = open_windows;
	b->last.period_fresh = false;
}

static bool book_read(struct slice_book *b, const struct msgpack_object *o, int64_t *counts)
{
	const struct msgpack_object *last = unpack_item(o, 3), *when = unpack_item(o, 7);
	int64_t n, start_us, windows;

	if (!unpack_int(unpack_item(o, 0), (int64_t)b->n, (int64_t)b->n, &n) || !unpack_ints(unpack_item(o, 1), b->since, b->n) ||
		!unpack_ints(unpack_item(o, 2), b->period, b->n) ||
		!unpack_int(unpack_item(o, 4), INT64_MIN, INT64_MAX, &b->since_us) ||
		!unpack_int(unpack_item(o, 5), INT64_MIN, INT64_MAX - b->period_us, &b->period_start_us) ||
		!unpack_int(unpack_item(o, 6), 0, INT64_MAX - 1, &b->period_windows) ||
		!unpack_int(unpack_item(when, 0), INT64_MIN, INT64_MAX - b->period_us, &start_us) ||
		!unpack_int(unpack_item(when, 1), 0, INT64_MAX - 1, &windows))
		return false;
	if (start_us == TIME_NONE)
		return unpack_length(last) == 0;
	if (!unpack_ints(last, counts, b->n))
		return false;
	b->last_windows = windows;
	last_read(b, counts, start_us, windows);
	return true;
}

void slice_book_read(struct slice_book *b, const struct msgpack_object *o)
{
	int64_t *counts;
	const struct reference *r = b->r;
	int64_t period_us = b->period_us;
	bool fits;

	if (b->n == 0)
		return;
	counts = mem_zero(b->n, sizeof *counts);
	fits = book_read(b, o, counts);
	free(counts);
	if (fits)
		return;
	slice_book_done(b);
	slice_book_open(b, r, period_us);
}
