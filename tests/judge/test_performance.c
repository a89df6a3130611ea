/* SPDX-License-Identifier: Apache-2.0
 * The estimate beside labels: its error over the last windows that hold enough, and when that is more than chance. Figures from numpy, by
 * the formula in agent/judge/performance_labels.c. */
#include "judge/performance_labels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct performance reference = {.basis = PERFORMANCE_LABELS, .n = 1000, .accuracy = .9, .atc_worth = .5, .width = PERFORMANCE_WIDTH};

static struct performance_checked of(const struct performance_beside *b, size_t n, double atc)
{
	struct performance_signal s = {.known = true, .atc = {atc, atc - .02, atc + .02},
		.checked = {.error = NAN, .corrected = {NAN, NAN, NAN}}};

	performance_of_labels(&reference, b, n, &s);
	return s.checked;
}

static void test_its_error_is_that_of_the_last_labels(void **state)
{
	/* The first was before it changed, and is not needed any more. */
	const struct performance_beside b[] = {{300, 270, 270}, {200, 180, 140}, {200, 180, 140}, {200, 180, 140}};
	struct performance_checked c = of(b, 4, .88);

	(void)state;
	assert_int_equal(c.n, 600);
	assert_int_equal(c.n_windows, 3);
	assert_true(fabs(c.error - .2) < 1e-12);
	assert_true(fabs(c.low - .142951) < 1e-5 && fabs(c.high - .257049) < 1e-5);
	assert_true(c.contradicted);
	assert_true(fabs(c.corrected.at - .68) < 1e-12);
	assert_true(fabs(c.corrected.high - .740453) < 1e-5);
}

static void test_chance_few_labels_and_labels_that_err_together_are_none(void **state)
{
	const struct performance_beside right[] = {{200, 180, 182}, {200, 180, 175}, {200, 180, 181}};
	const struct performance_beside few[] = {{15, 15, 5}, {15, 15, 5}, {15, 15, 5}};
	const struct performance_beside one[] = {{600, 540, 420}};
	/* Two hours of four in which everything went wrong at once. */
	const struct performance_beside bursts[] = {{150, 135, 135}, {150, 135, 60}, {150, 135, 135}, {150, 135, 60}};
	struct performance_signal unknown = {.known = true, .checked = {.error = NAN}};
	struct performance none = reference;

	(void)state;
	assert_false(of(right, 3, .9).contradicted);
	assert_false(of(few, 3, .9).contradicted);
	assert_false(of(one, 1, .9).contradicted);
	assert_true(of(bursts, 4, .9).error > .2);
	assert_false(of(bursts, 4, .9).contradicted);
	assert_int_equal(of(right, 0, .9).n, 0);
	assert_true(isnan(of(right, 3, NAN).corrected.at));
	none.basis = PERFORMANCE_NONE;
	performance_of_labels(&none, right, 3, &unknown);
	assert_int_equal(unknown.checked.n, 0);
}

/* An estimate that is too low is as wrong. */
static void test_too_few_for_right(void **state)
{
	const struct performance_beside b[] = {{200, 120, 190}, {200, 120, 190}, {200, 120, 190}};
	struct performance_checked c = of(b, 3, .99);

	(void)state;
	assert_true(c.contradicted && fabs(c.error + .35) < 1e-12);
	assert_true(c.corrected.at <= 1 && c.corrected.high <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_its_error_is_that_of_the_last_labels),
		cmocka_unit_test(test_chance_few_labels_and_labels_that_err_together_are_none),
		cmocka_unit_test(test_too_few_for_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
