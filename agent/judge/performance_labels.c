/* SPDX-License-Identifier: Apache-2.0
 * How far off ATC is. Of the last windows with labels so many are taken as hold ENOUGH of them, so that the error is that of now where
 * labels are many and still of some labels where they are few. Its variance is the larger of that of single labels and of how windows
 * differ among one another (labels of one hour, or of one customer, err together); the reference's own error comes on top. */
#include "judge/performance_labels.h"

#include <math.h>

enum { ENOUGH = 500, LEAST_LABELS = 50, LEAST_WINDOWS = 3 };
/* Worth saying from three points and four standard errors on: it is looked at with every window. */
#define ERROR_LEAST .03
#define ERROR_Z 4
#define NORMAL_95 1.959964

static double error_of(const struct performance_beside *b)
{
	return (double)(b->n_sure - b->n_right) / (double)b->n;
}

/* b[from ..] that are taken. */
static size_t windows_taken(const struct performance_beside *b, size_t n)
{
	size_t from = n;
	int64_t labels = 0;

	while (from > 0 && (labels < ENOUGH || n - from < LEAST_WINDOWS))
		labels += b[--from].n;
	return from;
}

/* Per label an error is -1, 0 or 1; windows of labels may differ by more than that. */
static double variance(const struct performance_beside *b, size_t n, double error, double all)
{
	double wrong = 0, between = 0;

	for (size_t i = 0; i < n; i++) {
		double off = (double)b[i].n * (error_of(&b[i]) - error);

		wrong += (double)(b[i].n - b[i].n_right) + (double)(b[i].n - b[i].n_sure);
		between += off * off;
	}
	wrong = (wrong + 1) / (all + 2);
	between = n > 1 ? between * (double)n / (double)(n - 1) / (all * all) : 0;
	return fmax(fmin(wrong, 1) / all, between);
}

static double within(double x)
{
	return fmin(fmax(x, 0), 1);
}

static void correct(struct performance_share *to, const struct performance_share *atc, double error, double sd)
{
	double own = (atc->high - atc->low) / 2, half = sqrt(own * own + NORMAL_95 * NORMAL_95 * sd * sd);

	if (!isnan(atc->at))
		*to = (struct performance_share){within(atc->at - error), within(atc->at - error - half), within(atc->at - error + half)};
}

void performance_of_labels(const struct performance *p, const struct performance_beside *b, size_t n, struct performance_signal *to)
{
	struct performance_checked *c = &to->checked;
	size_t from = windows_taken(b, n);
	double sum = 0, all, sd;

	if (!to->known || p->basis == PERFORMANCE_NONE || n == 0)
		return;
	c->n = 0;
	c->n_windows = (int64_t)(n - from);
	for (size_t i = from; i < n; i++) {
		c->n += b[i].n;
		sum += (double)(b[i].n_sure - b[i].n_right);
	}
	all = (double)c->n;
	c->error = sum / all;
	sd = sqrt(variance(b + from, n - from, c->error, all) + p->accuracy * (1 - p->accuracy) / (p->n * p->atc_worth));
	c->low = c->error - NORMAL_95 * sd;
	c->high = c->error + NORMAL_95 * sd;
	c->contradicted = c->n >= LEAST_LABELS && c->n_windows >= LEAST_WINDOWS && fabs(c->error) >= ERROR_LEAST && fabs(c->error) >= ERROR_Z * sd;
	correct(&c->corrected, &to->atc, c->error, sd);
}
