/* SPDX-License-Identifier: Apache-2.0
 * The vector of a window: made, added, written and read back. Integers only, so that addition is
 * exact and its order cannot matter; a checkpoint is a copy, a fleet is a sum. */
#include "model/window.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/pack.h"

#define WINDOW_FORMAT 1

void window_init(struct window *w, int64_t start_us, int64_t end_us, size_t width)
{
	assert(start_us < end_us && width <= WINDOW_MOST_WIDTH);
	*w = (struct window){.start_us = start_us, .end_us = end_us, .width = width};
	w->v = mem_zero(width ? width : 1, sizeof *w->v);
}

void window_done(struct window *w)
{
	free(w->v);
	free(w->ends);
	unseen_done(&w->unseen);
	*w = (struct window){0};
}

void window_ends(struct window *w, size_t n_sums)
{
	free(w->ends);
	w->ends = mem_alloc((2 * n_sums + 1) * sizeof *w->ends);
	w->n_ends = n_sums;
	for (size_t i = 0; i < n_sums; i++) {
		w->ends[2 * i] = INT64_MAX;
		w->ends[2 * i + 1] = INT64_MIN;
	}
}

static void ends_add(struct window *to, const struct window *from)
{
	if (from->n_ends > 0 && to->n_ends == 0)
		window_ends(to, from->n_ends);
	for (size_t i = 0; i < from->n_ends; i++) {
		if (from->ends[2 * i] < to->ends[2 * i])
			to->ends[2 * i] = from->ends[2 * i];
		if (from->ends[2 * i + 1] > to->ends[2 * i + 1])
			to->ends[2 * i + 1] = from->ends[2 * i + 1];
	}
}

void window_add(struct window *to, const struct window *from)
{
	assert(to->start_us == from->start_us && to->end_us == from->end_us &&
		to->width == from->width);
	to->n += from->n;
	to->n_flagged += from->n_flagged;
	to->cut |= from->cut;
	for (size_t i = 0; i < to->width; i++)
		to->v[i] += from->v[i];
	unseen_add(&to->unseen, &from->unseen);
	ends_add(to, from);
}

void window_pack(const struct window *w, const char *reference_hash, struct buf *to)
{
	pack_map(to, 12);
	pack_text(to, "oodd_window");
	pack_int(to, WINDOW_FORMAT);
	pack_text(to, "reference");
	pack_text(to, reference_hash);
	pack_text(to, "start_us");
	pack_int(to, w->start_us);
	pack_text(to, "end_us");
	pack_int(to, w->end_us);
	pack_text(to, "n");
	pack_int(to, w->n);
	pack_text(to, "n_flagged");
	pack_int(to, w->n_flagged);
	pack_text(to, "cut");
	pack_bool(to, w->cut);
	pack_text(to, "width");
	pack_int(to, (int64_t)w->width);
	pack_text(to, "v");
	pack_ints(to, w->v, w->width);
	pack_text(to, "unseen");
	unseen_pack(&w->unseen, to);
	pack_text(to, "n_ends");
	pack_int(to, (int64_t)w->n_ends);
	pack_text(to, "ends");
	pack_ints(to, w->ends, 2 * w->n_ends);
}

/* What stands beside the vector; windows written before it did have none. */
static bool beside_read(const struct msgpack_object *o, struct window *ret)
{
	const struct msgpack_object *ends = unpack_field(o, "ends");
	int64_t n = 0;

	if (unpack_field(o, "n_ends") && !unpack_int(unpack_field(o, "n_ends"), 0, (int64_t)ret->width, &n))
		return false;
	if (n > 0)
		window_ends(ret, (size_t)n);
	return (n == 0 || unpack_ints(ends, ret->ends, 2 * (size_t)n)) && unseen_read(unpack_field(o, "unseen"), &ret->unseen);
}

int window_read(const struct msgpack_object *o, const char *reference_hash, struct window *ret,
	struct error *e)
{
	int64_t format, start, end, n, flagged, width;
	bool cut;

	if (!unpack_int(unpack_field(o, "oodd_window"), 1, INT64_MAX, &format))
		return error_set(e, -EINVAL,
			"window: expected a msgpack map with \"oodd_window\", found something "
			"else");
	if (format != WINDOW_FORMAT)
		return error_set(e, -EINVAL, "window: format %lld, this program reads %d",
			(long long)format, WINDOW_FORMAT);
	if (!unpack_is_text(unpack_field(o, "reference"), reference_hash))
		return error_set(e, -EINVAL, "window: counted with another reference than %.12s",
			reference_hash);
	if (!unpack_int(unpack_field(o, "start_us"), INT64_MIN, INT64_MAX, &start) ||
		!unpack_int(unpack_field(o, "end_us"), INT64_MIN, INT64_MAX, &end) ||
		start >= end || !unpack_int(unpack_field(o, "n"), 0, INT64_MAX, &n) ||
		!unpack_int(unpack_field(o, "n_flagged"), 0, n, &flagged) ||
		!unpack_bool(unpack_field(o, "cut"), &cut) ||
		!unpack_int(unpack_field(o, "width"), 0, WINDOW_MOST_WIDTH, &width))
		return error_set(
			e, -EINVAL, "window: a field is absent, of another type, or out of range");
	window_init(ret, start, end, (size_t)width);
	ret->n = n;
	ret->n_flagged = flagged;
	ret->cut = cut;
	if (unpack_ints(unpack_field(o, "v"), ret->v, ret->width) && beside_read(o, ret))
		return 0;
	window_done(ret);
	return error_set(
		e, -EINVAL, "window: expected %lld counts, found others", (long long)width);
}

int window_unpack(
	const void *at, size_t n, const char *reference_hash, struct window *ret, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	int code;

	if (!u)
		return error_set(e, -EINVAL, "window: %zu bytes that are not one msgpack value", n);
	code = window_read(unpack_root(u), reference_hash, ret, e);
	unpack_close(u);
	return code;
}
