/* SPDX-License-Identifier: Apache-2.0
 * Kinds of odd records: the table row by row; groups that keep coming and those that do not; samples that do not depend on the
 * order of reading; and a state that goes on where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "judge/kind.h"

#define D 16
#define MINUTE INT64_C(60000000)

/* 1,000 held-out records, of whose flagged no two are alike; classes of 500, 480 and 20. */
static int64_t classes[] = {500, 480, 20};
static struct reference reference = {.model = (char *)"m", .version = (char *)"1", .hash = "abc", .flag_rate = .01, .n_embedding = D,
	.n_classes = 3, .odd = {.near_ = .05, .radius = .6, .n_held = 1000, .n_group = 1, .classes = classes, .n_classes = 3}};

static float noise(uint64_t row, uint64_t j)
{
	return (float)(hash_unit(hash_bytes(&row, sizeof row, j + 1)) - .5);
}

/* A record of group `g` (-1: of none), `spread` about its middle. */
static size_t made(struct batch *b, int g, uint64_t row, float spread)
{
	char id[32];

	batch_row_begin(b);
	snprintf(id, sizeof id, "r%llu", (unsigned long long)row);
	b->id[b->n] = (struct text){arena_span(b->arena, id, strlen(id)), (uint32_t)strlen(id)};
	b->hash[b->n] = hash_bytes(&row, sizeof row, 99);
	b->time_us[b->n] = (int64_t)row * 1000000;
	b->confidence[b->n] = .5;
	for (size_t j = 0; j < D; j++)
		b->embedding[b->n * D + j] = spread * noise(row, j) + ((int)j == g ? 5 : 0);
	return b->n++;
}

static struct batch *batch_made(void)
{
	struct batch *b = batch_open("m", 1, "1", 1);

	batch_widths(b, 0, D);
	return b;
}

static struct odd_row row_of(const struct batch *b, size_t row, double doubt, double place)
{
	return (struct odd_row){.batch = b, .row = row, .p = .005, .flagged = true, .class = 0,
		.family = {[ODD_LOGITS] = doubt, [ODD_SPACE] = place, [ODD_FEATURES] = (double)NAN}};
}

static enum odd_kind kind(double doubt, double place, double features, int32_t class, bool faulty)
{
	struct odd_row row = {.flagged = true, .faulty = faulty, .class = class,
		.family = {[ODD_LOGITS] = doubt, [ODD_SPACE] = place, [ODD_FEATURES] = features}};

	return odd_kind_of(&reference, &row);
}

static void the_table(void **state)
{
	const double none = (double)NAN;

	(void)state;
	assert_int_equal(kind(.5, .5, none, 0, true), ODD_FAULT);
	assert_int_equal(kind(.3, .004, none, 2, false), ODD_RARE);        /* 2 % of the reference, no doubt */
	assert_int_equal(kind(.003, .004, none, 2, false), ODD_FAR);       /* in doubt: not that */
	assert_int_equal(kind(.7, .004, none, 0, false), ODD_ADVERSARIAL);
	assert_int_equal(kind(.3, .004, none, 0, false), ODD_FAR);
	assert_int_equal(kind(.3, .02, none, 0, false), ODD_FAR);
	assert_int_equal(kind(.001, .2, none, 0, false), ODD_UNSURE);
	assert_int_equal(kind(.001, .005, none, 0, false), ODD_FAR);
	assert_int_equal(kind(none, .2, none, 0, false), ODD_FAR);
	assert_int_equal(kind(.001, none, none, 0, false), ODD_UNSURE);
	assert_int_equal(kind(none, none, .004, 0, false), ODD_FAR);
	assert_int_equal(kind(.7, none, .004, 0, false), ODD_FAR); /* models are sure of extreme rows */
	assert_int_equal(kind(none, none, none, -1, false), ODD_OTHER);
}

static void put(struct odd *o, int64_t window_us, const struct odd_row *row)
{
	struct sample dropped;

	odd_record(o, window_us, row, &dropped);
	sample_done(&dropped);
}

static void closed(struct odd *o, int64_t window_us, int64_t n, struct signal_odd *ret)
{
	odd_window(o, &(struct window){.start_us = window_us, .end_us = window_us + MINUTE, .n = n}, NULL, NULL, ret);
}

/* Four windows of 100: in each three of one kind and two of none; in the third it is a class. */
static void a_class_that_is_new(void **state)
{
	struct odd *o = odd_open(&reference, &(struct odd_options){20, false});
	struct batch *b = batch_made();
	bool fresh = false;

	(void)state;
	for (int w = 0; w < 4; w++) {
		struct signal_odd s;

		for (int i = 0; i < 5; i++) {
			struct odd_row row;
			size_t at = made(b, i < 3 ? 4 : -1, (uint64_t)(10 * w + i), 1);

			row = row_of(b, at, .1, .001);
			put(o, w * MINUTE, &row);
		}
		closed(o, w * MINUTE, 100, &s);
		assert_int_equal(s.n, 5);
		assert_int_equal(s.kinds[ODD_NOVEL] + s.kinds[ODD_FAR], 5);
		assert_int_equal(s.kinds[ODD_NOVEL], s.n_groups ? 3 : 0);
		if (s.n_groups) {
			assert_true(s.groups[0].fresh == !fresh);
			assert_int_equal(s.groups[0].size, 3 * (w + 1));
			assert_string_equal(s.groups[0].like, s.groups[0].members[0]);
			assert_int_equal(atoi(s.groups[0].like + 1) % 10 < 3, true); /* a member */
			assert_non_null(strstr(s.words, "5 odd records: 3 of a new group (like r"));
			assert_string_equal(s.examples[0].kind, "novel_class");
			fresh = true;
		}
		signal_odd_done(&s);
	}
	assert_true(fresh);
	odd_close(o);
	batch_close(b);
}

/* As many, in one window: no class. Copies of one record: a burst. */
static void bursts_are_no_classes(void **state)
{
	struct odd *o = odd_open(&reference, &(struct odd_options){20, false});
	struct batch *b = batch_made();
	struct signal_odd s;

	(void)state;
	for (int i = 0; i < 24; i++) {
		size_t at = made(b, i < 12 ? 4 : 9, (uint64_t)(i + 1), i < 12 ? 1 : .01f);
		struct odd_row row = row_of(b, at, .1, .001);

		put(o, 0, &row);
	}
	closed(o, 0, 200, &s);
	assert_int_equal(s.kinds[ODD_FAR], 12);
	assert_int_equal(s.kinds[ODD_ADVERSARIAL], 12);
	assert_int_equal(s.n_groups, 0);
	signal_odd_done(&s);
	odd_close(o);
	batch_close(b);
}

/* A probe that asks the same every minute is many copies of one record, and no class. */
static void copies_are_no_class(void **state)
{
	struct odd *o = odd_open(&reference, &(struct odd_options){20, false});
	struct batch *b = batch_made();
	struct signal_odd s;

	(void)state;
	for (int w = 0; w < 10; w++) {
		for (int i = 0; i < 2; i++) {
			struct odd_row row = row_of(b, made(b, 9, (uint64_t)(2 * w + i), .005f), .1, .001);

			put(o, w * MINUTE, &row);
		}
		closed(o, w * MINUTE, 100, &s);
		assert_int_equal(s.n_groups, 0);
		assert_int_equal(s.kinds[ODD_ADVERSARIAL], w < 2 ? 0 : 2);
		signal_odd_done(&s);
	}
	odd_close(o);
	batch_close(b);
}

/* One in a thousand records, for ever: what the reference has too. */
static void what_is_always_odd_is_no_news(void **state)
{
	struct odd *o = odd_open(&reference, &(struct odd_options){0, false});
	struct batch *b = batch_made();

	(void)state;
	for (int w = 0; w < 300; w++) {
		struct odd_row row;
		struct signal_odd s;

		batch_reset(b);
		row = row_of(b, made(b, 4, (uint64_t)w, 1), .1, .001);
		put(o, w * MINUTE, &row);
		closed(o, w * MINUTE, 1000, &s);
		assert_int_equal(s.kinds[ODD_NOVEL], 0);
		signal_odd_done(&s);
	}
	odd_close(o);
	batch_close(b);
}

/* 200 odd records in two orders: the same are kept, the oddest, and some of the fewer kind. */
static void samples_do_not_depend_on_order(void **state)
{
	struct batch *b = batch_made();
	uint64_t kept[2] = {0, 0};

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		made(b, -1, i, 1);
	for (int pass = 0; pass < 2; pass++) {
		struct odd *o = odd_open(&reference, &(struct odd_options){10, false});
		struct buf state_of = BUF_EMPTY;
		struct signal_odd s;
		size_t unsure = 0;

		for (size_t i = 0; i < 200; i++) {
			size_t at = pass ? 199 - i : (i * 77) % 200;
			struct odd_row row = row_of(b, at, at % 40 ? .1 : .001, at % 40 ? .001 : .3);
			struct sample dropped, *sample;

			row.p = at % 40 ? .001 * (double)(at % 7 + 1) : .0099;
			sample = odd_record(o, 0, &row, &dropped);
			kept[pass] += sample ? sample->hash : 0;
			kept[pass] -= dropped.hash;
			sample_done(&dropped);
		}
		closed(o, 0, 200, &s);
		assert_int_equal(s.n_examples, ODD_EXAMPLES);
		for (size_t i = 0; i < s.n_examples; i++)
			unsure += strcmp(s.examples[i].kind, "unsure") == 0;
		assert_int_equal(unsure, 2);
		signal_odd_done(&s);
		buf_done(&state_of);
		odd_close(o);
	}
	assert_true(kept[0] == kept[1]);
	batch_close(b);
}

/* Saved and read in the middle of everything: the same signals, and the same state, as without. */
static void a_restart_changes_nothing(void **state)
{
	struct odd_options options = {5, true};
	struct odd *a = odd_open(&reference, &options), *z = odd_open(&reference, &options);
	struct batch *b = batch_made();
	struct buf one = BUF_EMPTY, other = BUF_EMPTY;
	struct error e = {""};

	(void)state;
	for (int i = 0; i < 600; i++) {
		size_t at = made(b, i % 3 ? i % 7 : -1, (uint64_t)i, 1);
		struct odd_row row = row_of(b, at, .1, i % 5 ? .001 : .2);

		put(a, i / 60 * MINUTE, &row);
		put(z, i / 60 * MINUTE, &row);
		if (i % 37 == 0) {
			struct odd *next = odd_open(&reference, &options);

			buf_clear(&one);
			odd_pack(z, &one);
			assert_int_equal(odd_unpack(next, one.at, one.n, &e), 0);
			odd_close(z);
			z = next;
		}
		if (i % 60 == 59) {
			struct signal_odd s, t;

			closed(a, i / 60 * MINUTE, 3000, &s);
			closed(z, i / 60 * MINUTE, 3000, &t);
			assert_string_equal(s.words, t.words);
			assert_memory_equal(s.kinds, t.kinds, sizeof s.kinds);
			signal_odd_done(&s);
			signal_odd_done(&t);
		}
	}
	buf_clear(&one);
	odd_pack(a, &one);
	odd_pack(z, &other);
	assert_int_equal(one.n, other.n);
	assert_memory_equal(one.at, other.at, one.n);
	for (size_t n = 0; n < one.n; n += 1 + n / 50) /* cut short: refused, and nothing happens */
		assert_true(odd_unpack(z, one.at, n, &e) < 0);
	buf_clear(&other);
	odd_pack(z, &other);
	assert_memory_equal(one.at, other.at, one.n);
	buf_done(&one);
	buf_done(&other);
	odd_close(a);
	odd_close(z);
	batch_close(b);
}

static void garbled_states_are_survived(void **state)
{
	struct odd *o = odd_open(&reference, &(struct odd_options){5, false});
	struct batch *b = batch_made();
	struct buf bytes = BUF_EMPTY;
	struct error e = {""};

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct odd_row row = row_of(b, made(b, i % 5, (uint64_t)i, 1), .1, .001);

		put(o, i / 20 * MINUTE, &row);
	}
	odd_pack(o, &bytes);
	for (uint64_t i = 0; i < 4000; i++) {
		uint64_t h = hash_bytes(&i, sizeof i, 5);
		char *copy = mem_copy(bytes.at, bytes.n);
		struct signal_odd s;

		copy[h % bytes.n] = (char)(h >> 40);
		if (odd_unpack(o, copy, bytes.n, &e) == 0 && i % 10 == 0) {
			closed(o, 0, 100, &s);
			signal_odd_done(&s);
		}
		free(copy);
	}
	buf_done(&bytes);
	odd_close(o);
	batch_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table),
		cmocka_unit_test(a_class_that_is_new),
		cmocka_unit_test(bursts_are_no_classes),
		cmocka_unit_test(copies_are_no_class),
		cmocka_unit_test(what_is_always_odd_is_no_news),
		cmocka_unit_test(samples_do_not_depend_on_order),
		cmocka_unit_test(a_restart_changes_nothing),
		cmocka_unit_test(garbled_states_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
