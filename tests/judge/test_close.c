/* SPDX-License-Identifier: Apache-2.0
 * Windows by event time: an oracle in a dozen lines, batches that change nothing, restarts at every
 * record, wrong clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "judge/close.h"

#define MINUTE (60 * SECOND_US)
#define HASH "a1"

/* What became of records: sum of 1 per record in vector[0], and a digest of windows in the order
 * handed out. */
struct result {
	size_t late, future, handed, records;
	int64_t starts[4096], counts[4096];
	bool cut[4096];
};

static void take(struct windows *w, struct result *r)
{
	struct window out;

	while (windows_due(w, &out)) {
		r->starts[r->handed] = out.start_us;
		r->counts[r->handed] = out.v[0];
		r->cut[r->handed++] = out.cut;
		r->records += (size_t)out.n;
		assert_int_equal(out.n, out.v[0]);
		window_done(&out);
	}
}

static void push(struct windows *w, int64_t time_us, struct result *r)
{
	struct window *in = NULL;
	int code = windows_push(w, time_us, WINDOWS_NO_HOLD, &in);

	r->late += code == -ESTALE;
	r->future += code == -ERANGE;
	if (code == 0) {
		assert_true(in->start_us <= time_us && time_us < in->end_us);
		in->n++;
		in->v[0]++;
	}
}

/* A log with jitter, gaps, a few stragglers and a few wrong clocks. */
static size_t make_times(long seed, int64_t *to, size_t n)
{
	int64_t now = -20 * MINUTE + seed * 1000;

	srand48(seed);
	for (size_t i = 0; i < n; i++) {
		now += (int64_t)(drand48() * 5 * (double)SECOND_US);
		if (lrand48() % 400 == 0)
			now += 17 * MINUTE;
		to[i] = now - (int64_t)(drand48() * 20 * (double)SECOND_US);
		if (lrand48() % 97 == 0)
			to[i] = now - 11 * MINUTE;
		if (lrand48() % 211 == 0)
			to[i] = now + 90 * 24 * 60 * MINUTE;
	}
	return n;
}

static void test_batches_and_restarts_change_nothing(void **state)
{
	static int64_t times[3000];
	static struct result whole, parts;

	(void)state;
	for (long seed = 0; seed < 6; seed++) {
		size_t n = make_times(seed, times, 3000);
		struct windows *w = windows_open(5 * MINUTE, 30 * SECOND_US, 3),
			       *v = windows_open(5 * MINUTE, 30 * SECOND_US, 3);
		memset(&whole, 0, sizeof whole);
		memset(&parts, 0, sizeof parts);
		for (size_t i = 0; i < n; i++) {
			push(w, times[i], &whole);
			push(v, times[i], &parts);
			if (lrand48() % 50 == 0)
				take(v, &parts);
			if (lrand48() % 20 == 0) {
				struct buf b = BUF_EMPTY, again = BUF_EMPTY;
				windows_pack(v, HASH, &b);
				windows_close(v);
				assert_int_equal(windows_unpack(b.at, b.n, HASH, &v, NULL), 0);
				windows_pack(v, HASH, &again);
				assert_int_equal(b.n, again.n);
				assert_memory_equal(b.at, again.at, b.n);
				buf_done(&b);
				buf_done(&again);
			}
		}
		windows_flush(w);
		windows_flush(v);
		take(w, &whole);
		take(v, &parts);
		assert_memory_equal(&whole, &parts, sizeof whole);
		assert_int_equal(whole.records + whole.late + whole.future, n);
		assert_true(whole.late > 5 && whole.late < 60);
		assert_int_equal(whole.future, 0);
		assert_true(whole.cut[0] && whole.cut[whole.handed - 1] && !whole.cut[1]);
		for (size_t i = 1; i < whole.handed; i++)
			assert_true(whole.starts[i] > whole.starts[i - 1]);
		windows_close(w);
		windows_close(v);
	}
}

/* The rule itself, in the words of the header, for a log without wrong clocks. */
static void test_late_is_what_the_header_says(void **state)
{
	struct windows *w = windows_open(5 * MINUTE, 30 * SECOND_US, 1);
	int64_t newest = INT64_MIN;

	(void)state;
	srand48(1);
	for (int i = 0; i < 2000; i++) {
		int64_t now = i * 3 * SECOND_US,
			time = now - (int64_t)(drand48() * 60 * (double)SECOND_US);
		int64_t end =
			(time - (time % (5 * MINUTE) + 5 * MINUTE) % (5 * MINUTE)) + 5 * MINUTE;
		struct window *in;
		bool late = i >= WINDOWS_BELIEVED && end <= newest - 30 * SECOND_US;
		assert_int_equal(windows_push(w, time, WINDOWS_NO_HOLD, &in), late ? -ESTALE : 0);
		newest = time > newest ? time : newest;
	}
	windows_close(w);
}

static void test_hold(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 1);
	struct window *in, out;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(windows_push(w, i * MINUTE, 2 * MINUTE, &in), 0);
	assert_int_equal(windows_watermark(w), 2 * MINUTE);
	assert_int_equal(windows_next_end(w), 3 * MINUTE);
	assert_true(windows_due(w, &out));
	window_done(&out);
	assert_true(windows_due(w, &out));
	window_done(&out);
	assert_false(windows_due(w, &out));
	assert_int_equal(windows_push(w, 2 * MINUTE, 3 * MINUTE, &in), 0);
	assert_int_equal(windows_push(w, MINUTE, 3 * MINUTE, &in), -ESTALE);
	/* A new file that begins further back does not reopen what is closed. */
	assert_int_equal(windows_push(w, 2 * MINUTE, MINUTE, &in), -ESTALE);
	windows_close(w);
}

static void test_one_wrong_clock(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 1);
	struct window *in;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(windows_push(w, i * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	for (int i = 0; i < WINDOWS_BELIEVED - 1; i++)
		assert_int_equal(
			windows_push(w, INT64_C(4000000000) * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	assert_int_equal(windows_push(w, 9 * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	assert_int_equal(windows_watermark(w), 7 * SECOND_US + 2 * SECOND_US);
	/* After a night without traffic the new day is believed with its fourth record. */
	for (int i = 0; i < WINDOWS_BELIEVED; i++)
		assert_int_equal(windows_push(w, (50000 + i) * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	assert_int_equal(windows_watermark(w), 50000 * SECOND_US);
	assert_int_equal(windows_push(w, 10 * SECOND_US, WINDOWS_NO_HOLD, &in), -ESTALE);
	windows_close(w);
}

static void test_first_clock_wrong(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 1);
	struct window *in;

	(void)state;
	assert_int_equal(windows_push(w, INT64_C(4000000000) * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(windows_push(w, i * SECOND_US, WINDOWS_NO_HOLD, &in), 0);
	windows_close(w);
}

static void test_no_more_than_so_many_open(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 1);
	struct window *in;
	int future = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(windows_push(w, i, WINDOWS_NO_HOLD, &in), 0);
	for (int i = 1; i < WINDOWS_MOST_OPEN + 100; i++) {
		future += windows_push(w, i * 10000 * MINUTE, WINDOWS_NO_HOLD, &in) == -ERANGE;
		assert_int_equal(windows_push(w, 4, WINDOWS_NO_HOLD, &in), 0);
	}
	assert_int_equal(future, 100);
	assert_int_equal(windows_push(w, INT64_MAX, WINDOWS_NO_HOLD, &in), -ERANGE);
	assert_int_equal(windows_push(w, INT64_MIN, WINDOWS_NO_HOLD, &in), -ERANGE);
	windows_close(w);
}

static void test_gaps_and_idle(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 1);
	struct window *in, out;

	(void)state;
	windows_touch(w, 1000 * SECOND_US);
	for (int i = 0; i < 4; i++)
		windows_push(w, 10 * SECOND_US + i, WINDOWS_NO_HOLD, &in);
	windows_push(w, 5 * MINUTE, WINDOWS_NO_HOLD, &in);
	assert_true(windows_due(w, &out));
	assert_true(out.cut);
	window_done(&out);
	assert_int_equal(windows_idle(w, 1200 * SECOND_US, 300 * SECOND_US), 0);
	assert_int_equal(windows_idle(w, 1300 * SECOND_US, 300 * SECOND_US), 1);
	assert_true(windows_due(w, &out));
	assert_true(out.cut);
	assert_int_equal(windows_skipped(w), 4);
	window_done(&out);
	/* Closed is closed; what follows starts anew, cut. */
	assert_int_equal(windows_push(w, 5 * MINUTE + 1, WINDOWS_NO_HOLD, &in), -ESTALE);
	assert_int_equal(windows_push(w, 6 * MINUTE, WINDOWS_NO_HOLD, &in), 0);
	assert_int_equal(windows_push(w, 7 * MINUTE, WINDOWS_NO_HOLD, &in), 0);
	assert_true(windows_due(w, &out));
	assert_true(out.cut);
	window_done(&out);
	/* A stray clock does not end the stream when it falls idle. */
	assert_int_equal(windows_push(w, 90000 * MINUTE, WINDOWS_NO_HOLD, &in), 0);
	assert_int_equal(windows_flush(w), 2);
	assert_int_equal(windows_push(w, 8 * MINUTE, WINDOWS_NO_HOLD, &in), 0);
	windows_close(w);
}

static void test_broken_state(void **state)
{
	struct windows *w = windows_open(MINUTE, 0, 2), *back;
	struct window *in;
	struct buf b = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 50; i++)
		windows_push(w, i * 7 * SECOND_US, WINDOWS_NO_HOLD, &in);
	windows_pack(w, HASH, &b);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(windows_unpack(b.at, n, HASH, &back, NULL), -EINVAL);
	assert_int_equal(windows_unpack(b.at, b.n, "b2", &back, NULL), -EINVAL);
	for (size_t i = 0; i < b.n; i++) {
		b.at[i] ^= 0x11;
		if (windows_unpack(b.at, b.n, HASH, &back, NULL) == 0)
			windows_close(back);
		b.at[i] ^= 0x11;
	}
	windows_close(w);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches_and_restarts_change_nothing),
		cmocka_unit_test(test_late_is_what_the_header_says),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_one_wrong_clock),
		cmocka_unit_test(test_first_clock_wrong),
		cmocka_unit_test(test_no_more_than_so_many_open),
		cmocka_unit_test(test_gaps_and_idle),
		cmocka_unit_test(test_broken_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
