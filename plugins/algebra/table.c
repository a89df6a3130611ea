/* SPDX-License-Identifier: Apache-2.0
 *
 * Knots stand at every rank near the ends, and then at ranks that grow by a constant factor from either end to the middle: what counts
 * is the logarithm of the tail, so a tail of 10 rows must be known to the row, one of 10,000 to a percent. A value that many rows share
 * covers a rank that wants a knot, so it always is one.
 */
#include "algebra/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct table_head {
	uint64_t n, n_knots, left_skewed;
};

/* ---- making ---- */

static int value_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sign of the third central moment, relative to the spread so that nothing overflows. */
static bool skew_is_left(const double *values, size_t n)
{
	double mean = 0, third = 0, widest;

	for (size_t i = 0; i < n; i++)
		mean += values[i] / (double)n;
	/* All the same: no side, whatever rounding made of the mean. */
	widest = n > 0 && values[0] < values[n - 1] ? fmax(fabs(values[0] / 2 - mean / 2), fabs(values[n - 1] / 2 - mean / 2)) : 0;
	for (size_t i = 0; i < n && widest > 0; i++) {
		double off = (values[i] / 2 - mean / 2) / widest;
		third += off * off * off;
	}
	return third < 0;
}

static size_t rank_next(size_t rank, double growth)
{
	double step = (double)rank * growth;

	return rank + (step < 1 ? 1 : (size_t)step);
}

static size_t ranks_count(size_t half, double growth)
{
	size_t n = 0;

	for (size_t rank = 0; rank < half; rank = rank_next(rank, growth))
		n++;
	return n;
}

/* Which ranks want a knot: both ends alike. */
static void ranks_mark(bool *wanted, size_t n, size_t points)
{
	size_t half = (n + 1) / 2;
	double growth = 2.0 / (double)points;

	while (ranks_count(half, growth) > points / 2)
		growth *= 1.05;
	for (size_t rank = 0; rank < half; rank = rank_next(rank, growth))
		wanted[rank] = wanted[n - 1 - rank] = true;
}

static size_t distinct_count(const double *values, size_t n)
{
	size_t found = n > 0;

	for (size_t i = 1; i < n; i++)
		found += values[i] != values[i - 1];
	return found;
}

static void knots_take(struct table *t, const double *values, size_t n, const bool *wanted)
{
	for (size_t i = 0, j; i < n; i = j) {
		bool any = wanted[i];
		for (j = i + 1; j < n && values[j] == values[i]; j++)
			any |= wanted[j];
		if (!any)
			continue;
		t->value[t->n_knots] = values[i];
		t->below[t->n_knots] = (uint32_t)i;
		t->up_to[t->n_knots++] = (uint32_t)j;
	}
}

int table_make(struct table *t, double *values, size_t n, size_t points)
{
	qsort(values, n, sizeof *values, value_order);
	size_t room = distinct_count(values, n);
	bool *wanted = calloc(n + 1, sizeof *wanted);

	*t = (struct table){.n = n, .left_skewed = skew_is_left(values, n)};
	t->value = malloc((room + 1) * sizeof *t->value);
	t->below = malloc((room + 1) * sizeof *t->below);
	t->up_to = malloc((room + 1) * sizeof *t->up_to);
	if (!wanted || !t->value || !t->below || !t->up_to) {
		free(wanted);
		table_done(t);
		return -ENOMEM;
	}
	if (room <= points)
		memset(wanted, true, n * sizeof *wanted);
	else
		ranks_mark(wanted, n, points);
	knots_take(t, values, n, wanted);
	free(wanted);
	return 0;
}

void table_done(struct table *t)
{
	free(t->value);
	free(t->below);
	free(t->up_to);
	*t = (struct table){0};
}

/* ---- keeping ---- */

size_t table_size(const struct table *t)
{
	return sizeof(struct table_head) + t->n_knots * (sizeof *t->value + sizeof *t->below + sizeof *t->up_to);
}

void table_write(const struct table *t, struct bytes *to)
{
	struct table_head head = {t->n, t->n_knots, t->left_skewed};

	bytes_put(to, &head, sizeof head);
	bytes_put(to, t->value, t->n_knots * sizeof *t->value);
	bytes_put(to, t->below, t->n_knots * sizeof *t->below);
	bytes_put(to, t->up_to, t->n_knots * sizeof *t->up_to);
}

/* Values rise, and so do the counts, to n. */
static bool table_ordered(const struct table *t)
{
	bool good = bytes_finite_f64(t->value, t->n_knots) && (t->n > 0) == (t->n_knots > 0);

	for (size_t k = 0; k < t->n_knots && good; k++)
		good = t->below[k] < t->up_to[k] && t->up_to[k] <= t->n &&
			(k == 0 || (t->value[k] > t->value[k - 1] && t->below[k] >= t->up_to[k - 1]));
	return good;
}

bool table_read(struct table *t, struct bytes *from)
{
	struct table_head head;

	*t = (struct table){0};
	if (!bytes_get(from, &head, sizeof head))
		return false;
	t->n = head.n;
	t->n_knots = (size_t)head.n_knots;
	t->left_skewed = head.left_skewed != 0;
	t->value = bytes_take(from, t->n_knots, sizeof *t->value);
	t->below = bytes_take(from, t->n_knots, sizeof *t->below);
	t->up_to = bytes_take(from, t->n_knots, sizeof *t->up_to);
	bool good = !from->bad && table_ordered(t);
	if (!good)
		table_done(t);
	return good;
}

/* ---- asking ---- */

size_t table_knots_up_to(const struct table *t, double x)
{
	size_t at = 0;

	for (size_t n = t->n_knots; n > 1; n -= n / 2)
		at += t->value[at + n / 2 - 1] <= x ? n / 2 : 0;
	return at + (at < t->n_knots && t->value[at] <= x);
}

void table_tails(const struct table *t, double x, double *ret_left, double *ret_right)
{
	double n = (double)t->n, below, up_to;
	size_t k = table_knots_up_to(t, x);

	if (k > 0 && t->value[k - 1] == x) {
		below = t->below[k - 1];
		up_to = t->up_to[k - 1];
	} else if (k == 0 || k == t->n_knots) {
		below = up_to = k == 0 ? 0 : n;
	} else {
		double low = t->value[k - 1], high = t->value[k];
		double part = (x / 2 - low / 2) / (high / 2 - low / 2);
		below = up_to = t->up_to[k - 1] + part * (t->below[k] - t->up_to[k - 1]);
	}
	*ret_left = log((n + 1) / (up_to + 1));
	*ret_right = log((n + 1) / (n - below + 1));
}
