/* SPDX-License-Identifier: Apache-2.0
 * The shadow of a last layer: that of weights that are known, that of log-probabilities, and none where logits are something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "score/fit_last_layer.h"

enum { D = 24, C = 7, N = LAYER_COMBINATIONS, LEARN = 400, HELD = 100 };

static double draw(uint64_t a, uint64_t b)
{
	uint64_t key[2] = {a, b};

	return 2 * hash_unit(hash_bytes(key, sizeof key, 3)) - 1;
}

static double weight(size_t c, size_t j)
{
	return draw(1000000 + c, j);
}

/* Rows from `from` on; logits are W x + b, changed by `make`. */
static struct vectors rows_of(uint64_t from, size_t n, void (*make)(float *z, uint64_t row))
{
	struct vectors v = {n, D, C, mem_zero(n * D, sizeof(float)), mem_zero(n * C, sizeof(float)), mem_zero(n, sizeof(int32_t))};

	for (size_t i = 0; i < n; i++) {
		float *x = v.x + i * D, *z = v.z + i * C;

		for (size_t j = 0; j < D; j++)
			x[j] = (float)draw(from + i, j);
		for (size_t c = 0; c < C; c++) {
			double sum = .1 * (double)c;

			for (size_t j = 0; j < D; j++)
				sum += weight(c, j) * (double)x[j];
			z[c] = (float)sum;
		}
		make(z, from + i);
	}
	return v;
}

static void as_it_is(float *z, uint64_t row)
{
	(void)z;
	(void)row;
}

/* Each row less a number of its own. */
static void log_softmax(float *z, uint64_t row)
{
	double sum = 0;

	(void)row;
	for (size_t c = 0; c < C; c++)
		sum += exp((double)z[c]);
	for (size_t c = 0; c < C; c++)
		z[c] = (float)((double)z[c] - log(sum));
}

/* As vectors_gather hands them to the least squares. */
static void log_softmax_centred(float *z, uint64_t row)
{
	double mean = 0;

	log_softmax(z, row);
	for (size_t c = 0; c < C; c++)
		mean += (double)z[c] / C;
	for (size_t c = 0; c < C; c++)
		z[c] = (float)((double)z[c] - mean);
}

static void rounded(float *z, uint64_t row)
{
	(void)row;
	for (size_t c = 0; c < C; c++)
		z[c] = (float)(rint((double)z[c] * 100) / 100);
}

static void noisy(float *z, uint64_t row)
{
	for (size_t c = 0; c < C; c++)
		z[c] += (float)(.4 * draw(row, 500 + c));
}

static double residual(const struct reference_layer *l, const struct vectors *v, size_t row)
{
	return reference_layer_residual(l, v->z + row * C, C, v->x + row * D, D);
}

static struct last_layer found(void (*make)(float *z, uint64_t row))
{
	struct vectors learn = rows_of(0, LEARN, make), held = rows_of(50000, HELD, make);
	struct last_layer l;

	last_layer_find(&learn, &held, &l);
	vectors_done(&learn);
	vectors_done(&held);
	return l;
}

static void its_weights_are_combinations_of_the_layers(void **state)
{
	struct last_layer l = found(as_it_is);
	struct error e;

	(void)state;
	assert_int_equal(reference_layer_check(&l.shadow, C, D, &e), 0);
	assert_int_equal(l.shadow.n_combine, N * C);
	for (size_t k = 0; k < N; k++) {
		double offset = 0, sum = 0, length = 0;

		for (size_t c = 0; c < C; c++) {
			offset += (double)l.shadow.combine[c * N + k] * .1 * (double)c;
			sum += (double)l.shadow.combine[c * N + k];
			length += (double)l.shadow.combine[c * N + k] * (double)l.shadow.combine[c * N + k];
		}
		assert_true(fabs(sum) < 1e-5 && fabs(length - 1) < 1e-5);
		assert_true(fabs(offset - l.shadow.offsets[k]) < 1e-4);
		for (size_t j = 0; j < D; j++) {
			double w = 0;

			for (size_t c = 0; c < C; c++)
				w += (double)l.shadow.combine[c * N + k] * weight(c, j);
			assert_true(fabs(w - (double)l.shadow.weights[j * N + k]) < 1e-4);
		}
	}
	last_layer_done(&l);
}

static void what_follows_is_told_from_what_does_not(void **state)
{
	static void (*const learned[])(float *, uint64_t) = {as_it_is, log_softmax_centred, rounded};
	static void (*const same[])(float *, uint64_t) = {as_it_is, log_softmax, rounded};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct last_layer l = found(learned[i]);
		struct vectors live = rows_of(90000, HELD, same[i]), other = rows_of(90000, HELD, noisy);

		assert_true(l.shadow.n_combine > 0);
		for (size_t row = 0; row < HELD; row++) {
			assert_true(residual(&l.shadow, &live, row) <= 4 * l.shadow.usual);
			assert_true(residual(&l.shadow, &other, row) > 4 * l.shadow.usual);
		}
		live.x[3] = (float)NAN;
		assert_true(isnan(residual(&l.shadow, &live, 0)));
		vectors_done(&live);
		vectors_done(&other);
		last_layer_done(&l);
	}
}

static void logits_that_are_something_else_cast_none(void **state)
{
	struct last_layer l = found(noisy);

	(void)state;
	assert_int_equal(l.shadow.n_combine, 0);
	last_layer_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_weights_are_combinations_of_the_layers),
		cmocka_unit_test(what_follows_is_told_from_what_does_not),
		cmocka_unit_test(logits_that_are_something_else_cast_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
