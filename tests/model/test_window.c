/* SPDX-License-Identifier: Apache-2.0
 * Windows: the sum of two is the window of the union, however records are shared out; written and
 * read back the same; whatever stands in the bytes, unpack answers with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/signal.h"
#include "model/window.h"

#define WIDTH 300
#define HASH "5d7c39d7b8804f071cdd1f2a7c460872"

static uint64_t draw(uint64_t *state)
{
	*state += 1;
	return hash_bytes(state, sizeof *state, 7);
}

/* One record: a few counts and a fixed-point sum, negative half of the time. */
static void record(struct window *w, uint64_t seed)
{
	w->n++;
	w->n_flagged += draw(&seed) % 10 == 0;
	for (int i = 0; i < 4; i++)
		w->v[draw(&seed) % (WIDTH - 1)]++;
	w->v[WIDTH - 1] += (int64_t)(draw(&seed) % 2000001) - 1000000;
}

static void same(const struct window *a, const struct window *b)
{
	assert_int_equal(a->start_us, b->start_us);
	assert_int_equal(a->end_us, b->end_us);
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->n_flagged, b->n_flagged);
	assert_int_equal(a->cut, b->cut);
	assert_int_equal(a->width, b->width);
	assert_memory_equal(a->v, b->v, a->width * sizeof *a->v);
}

static void test_sum_is_union(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 50; round++) {
		struct window whole, part[3];
		uint64_t seed = round << 32;
		window_init(&whole, 0, 300, WIDTH);
		for (int i = 0; i < 3; i++)
			window_init(&part[i], 0, 300, WIDTH);
		for (uint64_t i = 0; i < 200; i++) {
			uint64_t host = draw(&seed) % 3;
			record(&whole, seed + (i << 16));
			record(&part[host], seed + (i << 16));
		}
		part[1].cut = whole.cut = round % 2;
		/* Any order of addition. */
		int first = (int)(round % 3);
		for (int i = 1; i < 3; i++)
			window_add(&part[first], &part[(first + i) % 3]);
		same(&part[first], &whole);
		for (int i = 0; i < 3; i++)
			window_done(&part[i]);
		window_done(&whole);
	}
}

static void test_pack_round(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 40; round++) {
		struct window w, back;
		struct buf b = BUF_EMPTY;
		struct error e = {""};
		window_init(&w, -600000000, -300000000, round ? WIDTH : 0);
		w.cut = round % 2;
		for (uint64_t i = 0; i < round * round && w.width; i++)
			record(&w, round << 32 | i << 8);
		if (round == 3)
			w.v[0] = INT64_MIN, w.v[1] = INT64_MAX;
		window_pack(&w, HASH, &b);
		assert_int_equal(window_unpack(b.at, b.n, HASH, &back, &e), 0);
		same(&w, &back);
		window_done(&back);
		assert_int_equal(window_unpack(b.at, b.n, "another", &back, &e), -EINVAL);
		assert_non_null(strstr(e.text, "another reference"));
		window_done(&w);
		buf_done(&b);
	}
}

static void test_zeros_are_short(void **state)
{
	struct window w;
	struct buf b = BUF_EMPTY;

	(void)state;
	window_init(&w, 0, 1, 8192);
	window_pack(&w, HASH, &b);
	assert_in_range(b.n, 1, 200);
	window_done(&w);
	buf_done(&b);
}

/* Every prefix and every single damaged byte: a sentence or a window, never a crash (run under the
 * sanitizers). */
static void test_broken_bytes(void **state)
{
	struct window w, back;
	struct buf b = BUF_EMPTY;

	(void)state;
	window_init(&w, 0, 300, WIDTH);
	for (uint64_t i = 0; i < 30; i++)
		record(&w, i << 8);
	window_pack(&w, HASH, &b);
	for (size_t n = 0; n < b.n; n++) {
		struct error e = {""};
		assert_int_equal(window_unpack(b.at, n, HASH, &back, &e), -EINVAL);
		assert_string_not_equal(e.text, "");
	}
	for (size_t i = 0; i < b.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.at[i] ^= (char)(1 << bit);
			if (window_unpack(b.at, b.n, HASH, &back, NULL) == 0)
				window_done(&back);
			b.at[i] ^= (char)(1 << bit);
		}
	window_done(&w);
	buf_done(&b);
}

static void test_signal_words(void **state)
{
	struct signal s = {0};

	(void)state;
	assert_string_equal(signal_state_words[SIGNAL_UNJUDGED], "unjudged");
	signal_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum_is_union),
		cmocka_unit_test(test_pack_round),
		cmocka_unit_test(test_zeros_are_short),
		cmocka_unit_test(test_broken_bytes),
		cmocka_unit_test(test_signal_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
