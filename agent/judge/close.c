/* SPDX-License-Identifier: Apache-2.0
 * Open windows of a stream, oldest first, and the watermark that closes them.
 *
 *        handed out        closed          open            a lone record with a wrong clock
 *     ------|-------|=========|========|---------|--- ... ---|---------|
 *                                      ^ watermark           (opens a window, does not move the
 * watermark)
 *
 * The trouble it solves: agents that close by the wall clock give other windows on replay than
 * live, lose what a slow file still holds, and are emptied by one record from 2099. */
#include "judge/close.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/pack.h"

#define WINDOWS_FORMAT 1

struct windows {
	int64_t window_us, lateness_us;
	size_t width;

	int64_t newest_us;                 /* believed; TIME_NONE at first */
	int64_t last_us[WINDOWS_BELIEVED]; /* times of the last records, oldest first */
	int64_t n_last;
	int64_t watermark_us; /* TIME_NONE: nothing closes */
	int64_t closed_us;    /* every window ending here or before is closed; TIME_NONE */
	int64_t handed_us;    /* end of the last window handed out; TIME_NONE */
	int64_t skipped;
	bool starting;      /* the next window to close is the first after nothing: cut */
	int64_t touched_us; /* wall clock, for idle; TIME_NONE */

	struct window *all; /* memory for `room` windows, of which those handed out are behind `at` */
	size_t room;
	struct window *at; /* closed ones, then open ones, by start */
	size_t n, n_closed;
};

/* As many as their memory allows: what a slow file holds back is kept, wrong clocks are not kept for ever. */
static size_t most_open(size_t width)
{
	size_t fit = WINDOWS_OPEN_BYTES / ((width + 1) * sizeof(int64_t));

	return fit < WINDOWS_LEAST_OPEN ? WINDOWS_LEAST_OPEN : fit > WINDOWS_MOST_OPEN ? WINDOWS_MOST_OPEN : fit;
}

static int64_t leap(const struct windows *w)
{
	int64_t ten = w->window_us > INT64_MAX / 10 ? INT64_MAX : 10 * w->window_us;

	return ten > 3600 * SECOND_US ? ten : 3600 * SECOND_US;
}

struct windows *windows_open(int64_t window_us, int64_t lateness_us, size_t width)
{
	struct windows *w = mem_zero(1, sizeof *w);

	assert(window_us > 0 && lateness_us >= 0 && width <= WINDOW_MOST_WIDTH);
	*w = (struct windows){.window_us = window_us,
		.lateness_us = lateness_us,
		.width = width,
		.newest_us = TIME_NONE,
		.watermark_us = TIME_NONE,
		.closed_us = TIME_NONE,
		.handed_us = TIME_NONE,
		.starting = true,
		.touched_us = TIME_NONE};
	return w;
}

void windows_close(struct windows *w)
{
	for (size_t i = 0; w && i < w->n; i++)
		window_done(&w->at[i]);
	if (w)
		free(w->all);
	free(w);
}

/* Towards minus infinity, so that times before 1970 fall into the right window too. */
static int64_t start_of(const struct windows *w, int64_t time_us)
{
	int64_t rest = time_us % w->window_us;

	return time_us - rest - (rest < 0 ? w->window_us : 0);
}

static int64_t least_of_last(const struct windows *w)
{
	int64_t least = INT64_MAX;

	if (w->n_last < WINDOWS_BELIEVED)
		return TIME_NONE;
	for (size_t i = 0; i < WINDOWS_BELIEVED; i++)
		least = w->last_us[i] < least ? w->last_us[i] : least;
	return least;
}

static void remember(struct windows *w, int64_t time_us)
{
	if (w->n_last == WINDOWS_BELIEVED)
		memmove(w->last_us, w->last_us + 1, (WINDOWS_BELIEVED - 1) * sizeof *w->last_us);
	else
		w->n_last++;
	w->last_us[w->n_last - 1] = time_us;
}

/* Ahead of a believed time by no more than the leap: said so that it cannot overflow. */
static bool is_near(const struct windows *w, int64_t time_us)
{
	return w->newest_us != TIME_NONE &&
	       (time_us <= w->newest_us ||
		       (uint64_t)time_us - (uint64_t)w->newest_us <= (uint64_t)leap(w));
}

static void advance(struct windows *w, int64_t time_us)
{
	int64_t believed;

	remember(w, time_us);
	believed = is_near(w, time_us) ? time_us : least_of_last(w);
	if (believed > w->newest_us)
		w->newest_us = believed;
}

static void close_next(struct windows *w)
{
	w->at[w->n_closed++].cut |= w->starting;
	w->starting = false;
}

static void close_up_to(struct windows *w, int64_t end_us)
{
	if (end_us > w->closed_us)
		w->closed_us = end_us;
	while (w->n_closed < w->n && w->at[w->n_closed].end_us <= w->closed_us)
		close_next(w);
}

static void raise_watermark(struct windows *w, int64_t hold_us)
{
	int64_t held = w->newest_us < hold_us ? w->newest_us : hold_us;

	if (w->newest_us == TIME_NONE || held < INT64_MIN + 1 + w->lateness_us)
		return;
	if (held - w->lateness_us <= w->watermark_us)
		return;
	w->watermark_us = held - w->lateness_us;
	close_up_to(w, start_of(w, w->watermark_us));
}

/* Of the open windows the first that does not begin before: mostly the last one, or the one after. */
static size_t place_of(const struct windows *w, int64_t start_us)
{
	size_t least = w->n_closed, most = w->n;

	if (most > least && w->at[most - 1].start_us < start_us)
		return most;
	while (least < most) {
		size_t middle = least + (most - least) / 2;

		if (w->at[middle].start_us < start_us)
			least = middle + 1;
		else
			most = middle;
	}
	return least;
}

/* Room for one more behind the last: memory before `at` is used again once it is half of all, so that no window is moved often. */
static void make_room(struct windows *w)
{
	size_t gone = (size_t)(w->at - w->all);

	if (gone + w->n < w->room)
		return;
	if (w->n)
		memmove(w->all, w->at, w->n * sizeof *w->at);
	if (2 * gone < w->room || !w->room) {
		w->room = w->room ? 2 * w->room : 8;
		w->all = mem_grow(w->all, w->room, sizeof *w->all);
	}
	w->at = w->all;
}

static int window_at(struct windows *w, int64_t start_us, struct window **ret)
{
	size_t i = place_of(w, start_us);

	if (i == w->n || w->at[i].start_us != start_us) {
		if (w->n - w->n_closed == most_open(w->width))
			return -ERANGE;
		make_room(w);
		memmove(w->at + i + 1, w->at + i, (w->n - i) * sizeof *w->at);
		window_init(&w->at[i], start_us, start_us + w->window_us, w->width);
		w->n++;
	}
	*ret = &w->at[i];
	return 0;
}

/* The record is placed by what was known before it; only then may it close windows for those after
 * it. */
int windows_push(struct windows *w, int64_t time_us, int64_t hold_us, struct window **ret)
{
	struct window *found = NULL;
	int64_t start;
	int code;

	if (time_us < INT64_MIN + 2 * w->window_us || time_us > INT64_MAX - 2 * w->window_us)
		return -ERANGE;
	start = start_of(w, time_us);
	if (start + w->window_us <= w->closed_us)
		code = -ESTALE;
	else
		code = window_at(w, start, &found);
	advance(w, time_us);
	raise_watermark(w, hold_us);
	if (code == 0)
		*ret = found;
	return code;
}

bool windows_due(struct windows *w, struct window *ret)
{
	if (w->n_closed == 0)
		return false;
	*ret = *w->at++;
	w->n--;
	w->n_closed--;
	w->skipped = w->handed_us == TIME_NONE ? 0 : (ret->start_us - w->handed_us) / w->window_us;
	w->handed_us = ret->end_us;
	return true;
}

int64_t windows_skipped(const struct windows *w)
{
	return w->skipped;
}

/* What lies beyond the newest believed time goes out too, but does not make late what comes before
 * it: else the window of one wrong clock would end the stream. */
size_t windows_flush(struct windows *w)
{
	size_t open = w->n - w->n_closed;

	while (w->n_closed < w->n) {
		struct window *next = &w->at[w->n_closed];
		next->cut |= next->end_us > w->newest_us;
		if (next->start_us <= w->newest_us && next->end_us > w->closed_us)
			w->closed_us = next->end_us;
		close_next(w);
	}
	w->starting |= open > 0;
	return open;
}

void windows_touch(struct windows *w, int64_t now_wall_us)
{
	w->touched_us = now_wall_us;
}

size_t windows_idle(struct windows *w, int64_t now_wall_us, int64_t idle_us)
{
	if (w->touched_us == TIME_NONE || now_wall_us - w->touched_us < idle_us)
		return 0;
	return windows_flush(w);
}

int64_t windows_next_end(const struct windows *w)
{
	return w->n > w->n_closed ? w->at[w->n_closed].end_us : TIME_NONE;
}

int64_t windows_watermark(const struct windows *w)
{
	return w->watermark_us;
}

/* The numbers of the state, in the order in which they are written. */
static const struct {
	const char *key;
	size_t at;
} numbers[] = {
	{"window_us", offsetof(struct windows, window_us)},
	{"lateness_us", offsetof(struct windows, lateness_us)},
	{"newest_us", offsetof(struct windows, newest_us)},
	{"n_last", offsetof(struct windows, n_last)},
	{"watermark_us", offsetof(struct windows, watermark_us)},
	{"closed_us", offsetof(struct windows, closed_us)},
	{"handed_us", offsetof(struct windows, handed_us)},
	{"skipped", offsetof(struct windows, skipped)},
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

static int64_t *number(const struct windows *w, size_t i)
{
	return (int64_t *)((char *)(uintptr_t)w + numbers[i].at);
}

void windows_pack(const struct windows *w, const char *reference_hash, struct buf *to)
{
	pack_map(to, 1 + N_NUMBERS + 5);
	pack_text(to, "oodd_windows");
	pack_int(to, WINDOWS_FORMAT);
	for (size_t i = 0; i < N_NUMBERS; i++) {
		pack_text(to, numbers[i].key);
		pack_int(to, *number(w, i));
	}
	pack_text(to, "width");
	pack_int(to, (int64_t)w->width);
	pack_text(to, "last_us");
	pack_ints(to, w->last_us, WINDOWS_BELIEVED);
	pack_text(to, "starting");
	pack_bool(to, w->starting);
	pack_text(to, "n_closed");
	pack_int(to, (int64_t)w->n_closed);
	pack_text(to, "windows");
	pack_array(to, w->n);
	for (size_t i = 0; i < w->n; i++)
		window_pack(&w->at[i], reference_hash, to);
}

static bool numbers_read(struct windows *w, const struct msgpack_object *o)
{
	bool all = true;

	for (size_t i = 0; i < N_NUMBERS; i++)
		all &= unpack_int(
			unpack_field(o, numbers[i].key), INT64_MIN, INT64_MAX, number(w, i));
	return all && unpack_ints(unpack_field(o, "last_us"), w->last_us, WINDOWS_BELIEVED) &&
	       unpack_bool(unpack_field(o, "starting"), &w->starting) && w->window_us > 0 &&
	       w->lateness_us >= 0 && w->n_last >= 0 && w->n_last <= WINDOWS_BELIEVED;
}

static bool in_order(const struct windows *w)
{
	bool all = true;

	for (size_t i = 0; i < w->n; i++)
		all &= w->at[i].width == w->width &&
		       w->at[i].end_us - w->at[i].start_us == w->window_us &&
		       start_of(w, w->at[i].start_us) == w->at[i].start_us &&
		       (i < w->n_closed || w->at[i].end_us > w->closed_us) &&
		       (i == 0 || i == w->n_closed || w->at[i - 1].start_us < w->at[i].start_us);
	return all;
}

static int windows_read(struct windows *w, const struct msgpack_object *o,
	const char *reference_hash, struct error *e)
{
	const struct msgpack_object *list = unpack_field(o, "windows");
	int64_t width, n_closed;
	int code = 0;

	if (!numbers_read(w, o) ||
		!unpack_int(unpack_field(o, "width"), 0, WINDOW_MOST_WIDTH, &width) ||
		!unpack_int(
			unpack_field(o, "n_closed"), 0, (int64_t)unpack_length(list), &n_closed))
		return error_set(e, -EINVAL,
			"open windows: a field is absent, of another type, or out of range");
	w->width = (size_t)width;
	w->n_closed = (size_t)n_closed;
	w->room = unpack_length(list);
	w->at = w->all = mem_zero(w->room, sizeof *w->all);
	for (; code == 0 && w->n < unpack_length(list); w->n += code == 0)
		code = window_read(unpack_item(list, w->n), reference_hash, &w->at[w->n], e);
	if (code == 0 && !in_order(w))
		code = error_set(e, -EINVAL,
			"open windows: they overlap, or do not fit the window length or the "
			"watermark");
	return code;
}

int windows_unpack(
	const void *at, size_t n, const char *reference_hash, struct windows **ret, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	const struct msgpack_object *o = unpack_root(u);
	int64_t format;
	struct windows *w;
	int code;

	if (!unpack_int(unpack_field(o, "oodd_windows"), 1, INT64_MAX, &format) ||
		format != WINDOWS_FORMAT) {
		unpack_close(u);
		return error_set(e, -EINVAL, "open windows: expected \"oodd_windows\" of format %d",
			WINDOWS_FORMAT);
	}
	w = mem_zero(1, sizeof *w);
	w->touched_us = TIME_NONE;
	code = windows_read(w, o, reference_hash, e);
	unpack_close(u);
	if (code == 0)
		*ret = w;
	else
		windows_close(w);
	return code;
}
