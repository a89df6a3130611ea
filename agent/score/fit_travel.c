/* SPDX-License-Identifier: Apache-2.0
 * Does what is normal for a detector hold at another time? The parts of a reference take turns in time, so that each sees all of it; a
 * detector that remembers single records (neighbours) or a drifting shape then always has the hour at hand among what it learned, and
 * its p-values promise more than they will keep next week. So it is fitted once more on the earlier half alone, and has
 * to find about as many odd records in the later half, learned from or held out, as in the earlier half of cal-A.
 *
 * elec2 (prices that drift), fitted with windows of half a day to a week: one of two detectors finds at least 1.9 times as many, within a
 * clean reference; bike 11 and more; adult 0.8 to 1.6, where there is nothing but chance. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/options.h"

#include <math.h>
#include <stdlib.h>

#define ODDEST .05
#define LEAST_ODD 10.0  /* records beyond the threshold, for their share to mean something */
#define LEAST_ROWS 200  /* on either side */

/* Scores of what the earlier half has not taught: cal-A on either side of its end, and the later half itself. */
struct sides {
	float *early, *late;
	size_t n_early, n_late;
};

static int64_t middle_us(const struct fit *f)
{
	size_t half = fit_rows_in(f, IN_FIT) / 2, met = 0, i = 0;

	for (; i + 1 < f->n_rows; i++)
		if (f->rows[i].part == IN_FIT && met++ == half)
			break;
	return f->rows[i].time_us;
}

/* Rows of fit come by time: the earlier half are whole batches, and the beginning of one. Returns how many. */
static size_t half_take(const struct oodd_batch *const *lent, size_t n, size_t half, const struct oodd_batch **to, struct oodd_batch *cut)
{
	size_t taken = 0;

	for (; taken < n && half >= lent[taken]->n; taken++) {
		to[taken] = lent[taken];
		half -= lent[taken]->n;
	}
	if (taken < n && half > 0) {
		*cut = *lent[taken];
		cut->n = half;
		to[taken++] = cut;
	}
	return taken;
}

static void sides_score(const struct work *w, const struct detector *d, int64_t middle, struct sides *s)
{
	const struct fit *f = w->f;
	struct batch *b = batch_open("", 0, "", 0);
	float score[FIT_ROWS];
	uint8_t status[FIT_ROWS];
	struct routed routed;

	routed_init(&routed);
	for (size_t i = 0; i < f->n_rows;) {
		batch_reset(b);
		i = fit_rows_gather(f, i, f->n_rows, IN_CAL_A, b);
		route_run(w->route, b, &routed);
		detector_score(d, &routed.batch, score, status);
		for (size_t j = 0; j < b->n; j++)
			if (!isnan(score[j]) && b->time_us[j] < middle)
				s->early[s->n_early++] = score[j];
			else if (!isnan(score[j]))
				s->late[s->n_late++] = score[j];
	}
	routed_done(&routed);
	batch_close(b);
}

/* Rows [from, n) of a batch, its features alone. The caller frees the arrays. */
static struct oodd_batch features_from(const struct oodd_batch *b, size_t from)
{
	struct oodd_numeric *numeric = mem_zero(b->n_numeric + 1, sizeof *numeric);
	struct oodd_category *category = mem_zero(b->n_category + 1, sizeof *category);

	for (size_t k = 0; k < b->n_numeric; k++)
		numeric[k] = (struct oodd_numeric){b->numeric[k].name, b->numeric[k].at + from};
	for (size_t k = 0; k < b->n_category; k++)
		category[k] = (struct oodd_category){b->category[k].name, b->category[k].at + from, b->category[k].n_known};
	return (struct oodd_batch){.size = sizeof *b, .n = b->n - from, .numeric = numeric, .category = category, .n_numeric = b->n_numeric,
		.n_category = b->n_category};
}

/* The later half of what was learned from is as late as cal-A's. */
static void late_score(const struct detector *d, const struct oodd_batch *const *lent, size_t n, size_t half, struct sides *s)
{
	float score[FIT_ROWS];
	uint8_t status[FIT_ROWS];

	for (size_t i = 0; i < n; i++) {
		size_t from = half < lent[i]->n ? half : lent[i]->n;
		struct oodd_batch late = features_from(lent[i], from);

		half -= from;
		detector_score(d, &late, score, status);
		for (size_t j = 0; j < late.n; j++)
			if (!isnan(score[j]))
				s->late[s->n_late++] = score[j];
		free((void *)(uintptr_t)late.numeric);
		free((void *)(uintptr_t)late.category);
	}
}

static int float_order(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double count_above(const float *at, size_t n, float threshold)
{
	double above = 0;

	for (size_t i = 0; i < n; i++)
		above += at[i] > threshold;
	return above;
}

/* How many times as many of the late rows are beyond what the oddest early ones are, less a standard error of its logarithm; 1 where
 * it cannot be told. */
static double sides_compare(const struct sides *s)
{
	double share = fmax(ODDEST, LEAST_ODD / (double)s->n_early), early, late;
	float threshold;

	if (s->n_early < LEAST_ROWS || s->n_late < LEAST_ROWS)
		return 1;
	qsort(s->early, s->n_early, sizeof *s->early, float_order);
	threshold = s->early[(size_t)((1 - share) * (double)(s->n_early - 1))];
	early = count_above(s->early, s->n_early, threshold);
	late = count_above(s->late, s->n_late, threshold);
	if (early == 0 || late == 0)
		return 1;
	return late / (double)s->n_late / (early / (double)s->n_early) * exp(-sqrt(1 / early + 1 / late));
}

double detector_travels(struct work *w, const struct reference_detector *by, const struct oodd_batch *const *lent, size_t n_lent)
{
	size_t n = fit_rows_in(w->f, IN_CAL_A), n_fit = fit_rows_in(w->f, IN_FIT);
	struct sides s = {.early = mem_zero(n + 1, sizeof *s.early), .late = mem_zero(n + n_fit + 1, sizeof *s.late)};
	const struct oodd_batch **half = mem_zero(n_lent + 1, sizeof *half);
	struct oodd_batch cut;
	struct detector d = {0};
	struct error e = {""};
	void *bytes = NULL;
	size_t n_bytes = 0, n_half = half_take(lent, n_lent, n_fit / 2, half, &cut);
	double times = 1;

	if (plugins_find(w->f->plugins, by->name, &d.plugin, &e) == 0 &&
		detector_fit(d.plugin, by->options, by->n_options, half, n_half, &bytes, &n_bytes, &e) == 0 &&
		detector_open(d.plugin, by->options, by->n_options, bytes, n_bytes, &d.state, &e) == 0) {
		sides_score(w, &d, middle_us(w->f), &s);
		late_score(&d, lent, n_lent, n_fit / 2, &s);
		detector_detach(&d);
		times = sides_compare(&s);
	}
	free(bytes);
	free(half);
	free(s.early);
	free(s.late);
	return times;
}
