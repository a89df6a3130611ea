/* SPDX-License-Identifier: Apache-2.0
 * Predictions that wait for labels, in the database: in segments of a thousand, so that a commit writes those that changed and no
 * others. Beside them one small state of everything else, and the judge's. */
#include "truth_parts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUTH_FORMAT 2
enum { KEPT_NUMBERS = 7 };

/* Out. */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void kept_numbers(const struct kept *k, int64_t *to)
{
	uint32_t confidence, p;

	memcpy(&confidence, &k->confidence, sizeof confidence);
	memcpy(&p, &k->p, sizeof p);
	memcpy(&to[0], &k->id, 8);
	memcpy(&to[1], &k->said, 8);
	to[2] = k->time_us;
	to[3] = k->class;
	to[4] = confidence;
	to[5] = (int64_t)k->sure << 34 | (int64_t)p << 1 | k->met;
	memcpy(&to[6], k->slice, 8);
}

static void segment_pack(const struct truth_book *t, uint64_t segment, struct buf *to)
{
	uint64_t from = larger(t->first, segment * TRUTH_SEGMENT), end = smaller(t->next, (segment + 1) * TRUTH_SEGMENT);
	int64_t *numbers = mem_zero(TRUTH_SEGMENT * KEPT_NUMBERS, sizeof *numbers);

	for (uint64_t i = from; i < end; i++)
		kept_numbers(&t->ring[i % t->room], numbers + (i - from) * KEPT_NUMBERS);
	pack_array(to, 3);
	pack_int(to, (int64_t)from);
	pack_int(to, (int64_t)(end - from));
	pack_ints(to, numbers, (size_t)(end - from) * KEPT_NUMBERS);
	free(numbers);
}

static void beside_pack(const struct performance_beside *b, size_t n, struct buf *to)
{
	pack_array(to, n);
	for (size_t i = 0; i < n; i++)
		pack_ints(to, (const int64_t[]){b[i].n, b[i].n_sure, b[i].n_right}, 3);
}

static void open_pack(const struct truth_book *t, struct buf *to)
{
	size_t width = t->judge ? t->r->performance.truth->width : 0;

	pack_array(to, t->n_open);
	for (size_t i = 0; i < t->n_open; i++) {
		const struct labelled *l = &t->open[i];

		pack_array(to, 7);
		pack_int(to, l->start_us);
		pack_int(to, l->n);
		pack_int(to, l->n_right);
		pack_int(to, l->n_mislabelled);
		pack_ints(to, l->v, width);
		pack_ints(to, l->opportunity, t->r->performance.n_opportunity);
		beside_pack(&l->beside, 1, to);
	}
}

static void past_pack(const struct truth_book *t, struct buf *to)
{
	pack_array(to, t->n_past);
	for (size_t i = 0; i < t->n_past; i++) {
		const struct truth_window *w = &t->past[i];

		pack_array(to, 7);
		pack_int(to, w->start_us);
		pack_int(to, w->n);
		pack_int(to, w->n_labels);
		pack_int(to, w->n_right);
		pack_real(to, w->atc);
		pack_real(to, w->cbpe);
		pack_bool(to, w->amended);
	}
}

static void frame_pack(const struct truth_book *t, struct buf *to)
{
	pack_map(to, 10);
	pack_text(to, "oodd_truth");
	pack_int(to, TRUTH_FORMAT);
	pack_text(to, "reference");
	pack_text(to, t->r->hash);
	pack_text(to, "first");
	pack_int(to, (int64_t)t->first);
	pack_text(to, "next");
	pack_int(to, (int64_t)t->next);
	pack_text(to, "closed_us");
	pack_int(to, t->closed_us);
	pack_text(to, "period");
	pack_ints(to, t->period, t->r->performance.n_opportunity);
	pack_text(to, "period_windows");
	pack_int(to, t->period_windows);
	pack_text(to, "open");
	open_pack(t, to);
	pack_text(to, "past");
	past_pack(t, to);
	pack_text(to, "beside");
	beside_pack(t->beside, t->n_beside, to);
}

static void put(struct txn *txn, char *key, struct buf *blob)
{
	txn_put_state(txn, STATE_LABEL, key, blob->at, blob->n);
	free(key);
	buf_clear(blob);
}

void truth_save(struct truth_book *t, const char *key, struct txn *txn)
{
	struct buf blob = BUF_EMPTY;

	for (size_t i = 0; i < t->n_stale; i++) {
		if ((t->stale[i] + 1) * TRUTH_SEGMENT <= t->first)
			continue;
		segment_pack(t, t->stale[i], &blob);
		put(txn, mem_format("segment %" PRIu64 " %s", t->stale[i], key), &blob);
	}
	for (size_t i = 0; i < t->n_gone; i++) {
		char *gone = mem_format("segment %" PRIu64 " %s", t->gone[i], key);

		txn_drop_state(txn, STATE_LABEL, gone);
		free(gone);
	}
	frame_pack(t, &blob);
	put(txn, mem_format("frame %s", key), &blob);
	if (t->judge) {
		judge_pack(t->judge, &blob);
		put(txn, mem_format("judge %s", key), &blob);
	}
	buf_done(&blob);
	t->n_stale = t->n_gone = 0;
	t->moved = false;
}

/* In. */

static void kept_of(const int64_t *from, struct kept *to)
{
	uint32_t confidence = (uint32_t)from[4], p = (uint32_t)((uint64_t)from[5] >> 1);

	memcpy(&to->confidence, &confidence, sizeof confidence);
	memcpy(&to->p, &p, sizeof p);
	memcpy(&to->id, &from[0], 8);
	memcpy(&to->said, &from[1], 8);
	to->time_us = from[2];
	to->class = (int32_t)from[3];
	to->met = from[5] & 1;
	to->sure = from[5] >> 34 & 3;
	memcpy(to->slice, &from[6], 8);
}

/* Absent in what an earlier version wrote: then it begins anew. How many there were. */
static size_t beside_read(const struct msgpack_object *o, struct performance_beside *to, size_t most)
{
	size_t n = unpack_length(o), found = 0;

	for (size_t i = 0; i < n && i < most; i++) {
		int64_t at[3];

		if (unpack_ints(unpack_item(o, i), at, 3) && at[0] >= 0 && at[1] >= 0 && at[2] >= 0 && at[1] <= at[0] && at[2] <= at[0])
			to[found++] = (struct performance_beside){at[0], at[1], at[2]};
	}
	return found;
}

static bool open_read(struct truth_book *t, const struct msgpack_object *o)
{
	size_t width = t->judge ? t->r->performance.truth->width : 0;

	for (size_t i = 0; i < unpack_length(o); i++) {
		const struct msgpack_object *item = unpack_item(o, i);
		struct labelled *l;
		int64_t start;

		if (t->n_open == TRUTH_MOST_OPEN || !unpack_int(unpack_item(item, 0), INT64_MIN, INT64_MAX, &start))
			return false;
		l = truth_open_at(t, start);
		if (!unpack_int(unpack_item(item, 1), 0, INT64_MAX, &l->n) || !unpack_int(unpack_item(item, 2), 0, l->n, &l->n_right) ||
			!unpack_int(unpack_item(item, 3), 0, l->n, &l->n_mislabelled) || !unpack_ints(unpack_item(item, 4), l->v, width) ||
			!unpack_ints(unpack_item(item, 5), l->opportunity, t->r->performance.n_opportunity))
			return false;
		beside_read(unpack_item(item, 6), &l->beside, 1);
	}
	return true;
}

static bool past_read(struct truth_book *t, const struct msgpack_object *o)
{
	for (t->n_past = 0; t->n_past < unpack_length(o); t->n_past++) {
		const struct msgpack_object *item = unpack_item(o, t->n_past);
		struct truth_window *w = &t->past[t->n_past];

		if (t->n_past == TRUTH_PAST || !unpack_int(unpack_item(item, 0), INT64_MIN, INT64_MAX, &w->start_us) ||
			!unpack_int(unpack_item(item, 1), 0, INT64_MAX, &w->n) || !unpack_int(unpack_item(item, 2), 0, INT64_MAX, &w->n_labels) ||
			!unpack_int(unpack_item(item, 3), 0, w->n_labels, &w->n_right) || !unpack_real(unpack_item(item, 4), &w->atc) ||
			!unpack_real(unpack_item(item, 5), &w->cbpe) || !unpack_bool(unpack_item(item, 6), &w->amended))
			return false;
	}
	return true;
}

static int frame_read(struct truth_book *t, const struct msgpack_object *o, struct error *e)
{
	int64_t format, first, next;

	if (!unpack_int(unpack_field(o, "oodd_truth"), TRUTH_FORMAT, TRUTH_FORMAT, &format))
		return error_set(e, -EINVAL, "labels: expected \"oodd_truth\" of format %d", TRUTH_FORMAT);
	if (!unpack_is_text(unpack_field(o, "reference"), t->r->hash))
		return error_set(e, -EINVAL, "labels: of another reference than %.12s", t->r->hash);
	if (!unpack_int(unpack_field(o, "first"), 0, INT64_MAX, &first) || !unpack_int(unpack_field(o, "next"), first, INT64_MAX, &next) ||
		next - first > INT64_C(1) << 28 || !unpack_int(unpack_field(o, "closed_us"), INT64_MIN, INT64_MAX, &t->closed_us) ||
		!unpack_ints(unpack_field(o, "period"), t->period, t->r->performance.n_opportunity) ||
		!unpack_int(unpack_field(o, "period_windows"), 0, INT64_MAX, &t->period_windows) || !open_read(t, unpack_field(o, "open")) || !past_read(t, unpack_field(o, "past")))
		return error_set(e, -EINVAL, "labels: a field is absent, of another type, or out of range");
	t->n_beside = beside_read(unpack_field(o, "beside"), t->beside, PERFORMANCE_BESIDE);
	t->first = t->next = (uint64_t)first;
	while (t->next < (uint64_t)next) { /* room for all at once; segments fill it */
		truth_room(t);
		t->next = smaller((uint64_t)next, t->first + t->room);
	}
	return 0;
}

static int segment_read(struct truth_book *t, const struct msgpack_object *o, struct error *e)
{
	int64_t from, n, *numbers;
	bool fits = unpack_int(unpack_item(o, 0), 0, INT64_MAX, &from) && unpack_int(unpack_item(o, 1), 0, TRUTH_SEGMENT, &n);

	if (!fits)
		return error_set(e, -EINVAL, "labels: a segment of predictions that is none");
	numbers = mem_zero((size_t)n * KEPT_NUMBERS + 1, sizeof *numbers);
	fits = unpack_ints(unpack_item(o, 2), numbers, (size_t)n * KEPT_NUMBERS);
	for (uint64_t i = 0; fits && i < (uint64_t)n; i++) {
		uint64_t number = (uint64_t)from + i;
		struct kept k;

		kept_of(numbers + i * KEPT_NUMBERS, &k);
		if (number < t->first || number >= t->next)
			continue;
		for (size_t tag = 0; tag < t->r->slices.n_tags; tag++)
			fits &= k.slice[tag] >= -1 && k.slice[tag] < (int)t->r->slices.n;
		if (!fits || k.class < -1 || (k.class >= 0 && (size_t)k.class >= t->r->n_classes)) {
			fits = false;
			break;
		}
		t->ring[number % t->room] = k;
	}
	free(numbers);
	return fits ? 0 : error_set(e, -EINVAL, "labels: a prediction that is none");
}

static void index_all(struct truth_book *t)
{
	if (t->room == 0)
		return;
	memset(t->heads, 0, t->n_heads * sizeof *t->heads);
	for (uint64_t i = t->first; i < t->next; i++)
		truth_index(t, i);
}

void truth_loaded(struct truth_book *t)
{
	index_all(t);
}

static bool segment_of(const char *key, const char *stream)
{
	if (strncmp(key, "segment ", 8) != 0)
		return false;
	key += 8 + strspn(key + 8, "0123456789");
	return *key == ' ' && strcmp(key + 1, stream) == 0;
}

int truth_load(struct truth_book *t, const char *stream, int pass, const char *key, const void *at, size_t n, struct error *e)
{
	bool frame = strncmp(key, "frame ", 6) == 0 && strcmp(key + 6, stream) == 0;
	bool judge = strncmp(key, "judge ", 6) == 0 && strcmp(key + 6, stream) == 0;
	bool segment = segment_of(key, stream);
	struct unpacked *u;
	int code = 0;

	if (!(pass == 0 ? frame || judge : segment))
		return 0;
	if (judge)
		return t->judge ? judge_unpack(t->judge, at, n, e) : 0;
	u = unpack_open(at, n);
	code = frame ? frame_read(t, unpack_root(u), e) : segment_read(t, unpack_root(u), e);
	unpack_close(u);
	if (code < 0)
		truth_clear(t);
	return code;
}
