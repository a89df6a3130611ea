/* SPDX-License-Identifier: Apache-2.0
 * Intervals of differences, against scipy.stats.beta and norm put together in Python by the same papers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "stats/gap.h"

static void near(struct gap x, double at, double low, double high)
{
	assert_true(fabs(x.at - at) < 1e-9);
	assert_true(fabs(x.low - low) < 1e-9);
	assert_true(fabs(x.high - high) < 1e-9);
}

static void differences_are_as_scipy_has_them(void **state)
{
	/* 56/70 - 48/80 is the example of Newcombe 1998. */
	struct gap now = gap_difference(gap_share(56, 70, .025), gap_share(48, 80, .025));
	struct gap then = gap_difference(gap_share(9, 10, .025), gap_share(3, 10, .025));

	(void)state;
	near(now, .2, 0.04388687820777562, 0.34417102320815796);
	near(then, .6, 0.10678692989274075, 0.8528065142478838);
	near(gap_difference(now, then), -.4, -0.6971236113840154, 0.11385252403536517);
	near(gap_difference(gap_share(0, 40, .001), gap_share(5, 400.5, .001)), -0.012484394506866416, -0.040501816129164786, 0.1464763339308244);
	assert_true(fabs(gap_deviate(.0005) - 3.2905267314918945) < 1e-9);
	assert_true(fabs(gap_deviate(.025) - 1.9599639845400545) < 1e-9);
	near(gap_mean(2, .5, .025), 2, 2 - .5 * 1.9599639845400545, 2 + .5 * 1.9599639845400545);
}

static void nothing_is_known_of_nothing(void **state)
{
	struct gap x = gap_share(0, 0, .025);

	(void)state;
	assert_true(isnan(x.at) && x.low == 0 && x.high == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_are_as_scipy_has_them),
		cmocka_unit_test(nothing_is_known_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
