/* SPDX-License-Identifier: Apache-2.0
 * Units: over many shapes of numbers the right one is told or none; what is no unit is not called one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "judge/unit.h"
#include "stats/quantile.h"

#define REFERENCE 8000
#define WINDOW 240
#define BINS 16
#define MOST (3 * BINS + 4)

static uint64_t seed;

static double uniform(void)
{
	seed++;
	return hash_unit(hash_bytes(&seed, sizeof seed, 5));
}

static double gauss(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static double celsius(void) { return 18 + 4 * gauss(); }
static double weight(void) { return exp(4.2 + .25 * gauss()); }
static double duration(void) { return exp(1 + gauss()); }
static double share(void) { return uniform() * uniform(); }
static double balance(void) { return 50 + 20 * gauss(); }
static double hours(void)
{
	static const double often[] = {8, 20, 30, 38, 40, 40, 40, 45, 60};

	return often[(size_t)(uniform() * 9)];
}

static double (*const shapes[])(void) = {celsius, weight, duration, share, balance, hours};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* A measure as fit would make it of this shape. */
static void measure_make(struct measure *m, double (*shape)(void), double *edges, double *mean)
{
	double x[REFERENCE], sum = 0, square = 0;

	for (size_t i = 0; i < REFERENCE; i++) {
		x[i] = shape();
		sum += x[i] / REFERENCE;
		square += x[i] * x[i] / REFERENCE;
	}
	quantile_sort(x, REFERENCE);
	*m = (struct measure){.kind = MEASURE_NUMERIC, .edges = edges, .other = MEASURE_NO_BIN, .least = x[0], .most = x[REFERENCE - 1],
		.centre = sum, .scale = sqrt(square - sum * sum), .mean = mean, .kappa = 1000};
	m->n_edges = quantile_edges(x, REFERENCE, BINS, edges);
	m->n = m->n_edges + 1;
	m->below = m->n++;
	m->above = m->n++;
	m->missing = m->n++;
	m->mistyped = m->n++;
	m->sums = m->n;
	for (size_t i = 0; i < m->n; i++)
		mean[i] = .5;
	for (size_t i = 0; i < REFERENCE; i++)
		mean[measure_bin(m, x[i])]++;
	for (size_t i = 0; i < m->n; i++)
		mean[i] /= REFERENCE + (double)m->n / 2;
}

/* What is told of a window in which this share of the numbers is a x + b; "" when nothing. */
static const char *told(const struct measure *m, double (*shape)(void), double of, double a, double b)
{
	int64_t v[MOST + 8] = {0};
	struct unseen beyond = {0};
	struct unit unit;
	const char *sign = "";

	for (int64_t i = 0; i < WINDOW; i++) {
		double x = shape(), y = uniform() < of ? a * x + b : x;
		size_t bin = measure_bin(m, y);
		char text[32];

		v[bin]++;
		v[m->sums] += (int64_t)rint((y - m->centre) / m->scale * 0x1p20);
		v[m->sums + 1]++;
		if (bin == m->below || bin == m->above)
			unseen_put(&beyond, 0, hash_bytes(&i, sizeof i, seed), (struct text){text, (uint32_t)snprintf(text, sizeof text, "%.17g", y)}, i);
	}
	if (unit_guess(m, m->centre, v, unseen_find(&beyond, 0), &unit))
		sign = unit.sign;
	unseen_done(&beyond);
	return sign;
}

static const struct {
	double factor, offset;
	const char *sign;
} units[] = {{60, 0, "x60"}, {1 / 60.0, 0, "/60"}, {3600, 0, "x3600"}, {1000, 0, "x1000"}, {.001, 0, "/1000"}, {100, 0, "x100"}, {.01, 0, "/100"}, {1e6, 0, "x1e6"},
	{2.204623, 0, "x2.205"}, {2.54, 0, "x2.54"}, {3.28084, 0, "x3.281"}, {-1, 0, "the sign flipped"}};
#define UNITS (sizeof units / sizeof *units)

static void test_right_or_silent(void **state)
{
	double edges[MOST], mean[MOST];
	size_t right = 0, wrong = 0, all = 0;
	struct measure m;

	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		measure_make(&m, shapes[s], edges, mean);
		for (size_t u = 0; u < UNITS; u++)
			for (int part = 1; part <= 2; part++) {
				const char *sign = told(&m, shapes[s], part == 1 ? 1 : .3, units[u].factor, units[u].offset);

				all++;
				right += !strcmp(sign, units[u].sign);
				wrong += *sign && strcmp(sign, units[u].sign);
				if (*sign && strcmp(sign, units[u].sign))
					print_message("shape %zu, %s in part %d: %s\n", s, units[u].sign, part, sign);
			}
	}
	print_message("%zu units: %zu told right, %zu wrong\n", all, right, wrong);
	assert_int_equal(wrong, 0);
	assert_true(right > all / 2);
}

static void test_temperatures(void **state)
{
	double edges[MOST], mean[MOST];
	struct measure m;

	(void)state;
	measure_make(&m, celsius, edges, mean);
	assert_string_equal(told(&m, celsius, 1, 1.8, 32), "x1.8 + 32");
	assert_string_equal(told(&m, celsius, .4, 1, 273.15), "+273.15");
}

static void test_no_unit(void **state)
{
	static const double changes[][2] = {{1, 0}, {1.2, 0}, {1.5, 0}, {2, 0}, {3, 0}, {.5, 0}, {.7, 0}, {1, 3}, {1, 30}, {4, -20}, {5, 1}};
	double edges[MOST], mean[MOST];
	size_t called = 0, all = 0;
	struct measure m;

	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		measure_make(&m, shapes[s], edges, mean);
		for (size_t c = 0; c < sizeof changes / sizeof *changes; c++)
			for (int part = 1; part <= 2; part++) {
				const char *sign = told(&m, shapes[s], part == 1 ? 1 : .4, changes[c][0], changes[c][1]);

				all++;
				called += *sign != 0;
				if (*sign)
					print_message("shape %zu, %g x + %g in part %d: %s\n", s, changes[c][0], changes[c][1], part, sign);
			}
	}
	print_message("%zu changes that are no unit: %zu called one\n", all, called);
	assert_true(called <= all / 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_or_silent),
		cmocka_unit_test(test_temperatures),
		cmocka_unit_test(test_no_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
