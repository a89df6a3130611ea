/* SPDX-License-Identifier: Apache-2.0
 * Groups of directions: found where they are, bounded, and the same whatever was saved in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "stats/leader.h"

#define D 32

static float noise(uint64_t row, uint64_t j)
{
	return (float)(hash_unit(hash_bytes(&row, sizeof row, 7 * j + 1)) - .5);
}

/* Row of group `g`: a direction of its own and some noise; of no group (g < 0) noise alone. */
static void made(int g, uint64_t row, float spread, float *x)
{
	for (size_t j = 0; j < D; j++)
		x[j] = spread * noise(row, j);
	if (g >= 0)
		x[g] += 5;
}

static size_t put(struct leaders *l, const float *x, bool *ret_new)
{
	int16_t rounded[D];

	return leader_rounded(x, D, rounded) ? leaders_put(l, rounded, ret_new) : SIZE_MAX;
}

static void groups_are_found(void **state)
{
	struct leaders *l = leaders_open(D, .5, LEADERS_MOST);
	size_t place[4];
	float x[D];
	bool new;

	(void)state;
	for (uint64_t row = 0; row < 400; row++) {
		size_t at;

		made((int)(row % 4), row, 1, x);
		at = put(l, x, &new);
		assert_true(new == (row < 4));
		if (row < 4)
			place[row] = at;
		assert_true(at == place[row % 4]);
	}
	assert_int_equal(leaders_largest(l), 100);
	for (size_t g = 0; g < 4; g++) {
		int16_t rounded[D];

		made((int)g, 1000, 0, x);
		assert_true(leader_rounded(x, D, rounded));
		assert_true(leaders_distance(l, place[g], rounded) < .05); /* noise of 100 cancels */
		assert_true(leaders_spread(l, place[g]) > .2 && leaders_spread(l, place[g]) < .45);
	}
	leaders_close(l);
}

static void scatter_stays_scattered(void **state)
{
	struct leaders *l = leaders_open(D, .5, LEADERS_MOST);
	float x[D];

	(void)state;
	for (uint64_t row = 0; row < 2000; row++) {
		made(-1, row, 1, x);
		assert_true(put(l, x, NULL) < LEADERS_MOST);
	}
	assert_true(leaders_largest(l) <= 3);
	leaders_close(l);
}

/* What stands in a full house gives way by rate, what is kept stays. */
static void places_are_given_up(void **state)
{
	struct leaders *l = leaders_open(D, .3, 3);
	size_t first, second, at;
	float x[D];
	bool new;

	(void)state;
	made(0, 0, 0, x);
	first = put(l, x, &new);
	l->at[first].kept = true;
	made(1, 0, 0, x);
	second = put(l, x, &new);
	for (int i = 0; i < 4; i++)
		put(l, x, &new);
	for (int g = 2; g < 12; g++) {
		made(g, 0, 0, x);
		at = put(l, x, &new);
		assert_true(new && at != first);
		assert_true(g > 5 || at != second); /* five in few: not yet the least */
	}
	made(0, 1, 0, x);
	assert_true(put(l, x, &new) == first && !new);
	leaders_close(l);
}

static void nothing_has_no_direction(void **state)
{
	struct leaders *l = leaders_open(D, .5, 4);
	float x[D] = {0};

	(void)state;
	assert_true(put(l, x, NULL) == SIZE_MAX);
	x[3] = NAN;
	assert_true(put(l, x, NULL) == SIZE_MAX);
	x[3] = INFINITY;
	assert_true(put(l, x, NULL) == SIZE_MAX);
	x[3] = 3e38f; /* squares overflow a float, not a double */
	assert_true(put(l, x, NULL) == 0);
	put(l, x, NULL);
	assert_true(leaders_spread(l, 0) < 1e-7); /* copies */
	leaders_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_found),
		cmocka_unit_test(scatter_stays_scattered),
		cmocka_unit_test(places_are_given_up),
		cmocka_unit_test(nothing_has_no_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
