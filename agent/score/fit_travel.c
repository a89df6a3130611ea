/* SPDX-License-Identifier: Apache-2.0
 * Does what is normal for a detector hold at another time? The parts of a reference take turns in time, so that each sees all of it; a
 * detector that remembers single records (neighbours) or a drifting shape then always has the hour at hand among what it learned, and
 * its p-values promise more than they will keep next week. So it is fitted once more on the earlier half alone, and has
 * to find about as many odd records in the later half of cal-A as in the earlier one.
 *
 * On elec2 (prices that drift) the copula of the features finds 7 times as many, within a clean reference; on adult 1.3. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/options.h"

#include <math.h>
#include <stdlib.h>

#define ODDEST .01
#define LEAST_ODD 10.0  /* records beyond the threshold, for their share to mean something */
#define LEAST_ROWS 200  /* of cal-A on either side */

/* Scores of cal-A, by whether a row is older than the middle of what was learned. */
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

static int float_order(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double share_above(const float *at, size_t n, float threshold)
{
	size_t above = 0;

	for (size_t i = 0; i < n; i++)
		above += at[i] > threshold;
	return (double)above / (double)n;
}

/* How many times as many of the late rows are beyond what the oddest early ones are; 1 where it cannot be told. */
static double sides_compare(const struct sides *s)
{
	double share = fmax(ODDEST, LEAST_ODD / (double)s->n_early), beyond;
	float threshold;

	if (s->n_early < LEAST_ROWS || s->n_late < LEAST_ROWS)
		return 1;
	qsort(s->early, s->n_early, sizeof *s->early, float_order);
	threshold = s->early[(size_t)((1 - share) * (double)(s->n_early - 1))];
	beyond = share_above(s->early, s->n_early, threshold);
	return beyond > 0 ? share_above(s->late, s->n_late, threshold) / beyond : 1;
}

double detector_travels(struct work *w, const struct reference_detector *by, const struct oodd_batch *const *lent, size_t n_lent)
{
	size_t n = fit_rows_in(w->f, IN_CAL_A);
	struct sides s = {.early = mem_zero(n + 1, sizeof *s.early), .late = mem_zero(n + 1, sizeof *s.late)};
	const struct oodd_batch **half = mem_zero(n_lent + 1, sizeof *half);
	struct oodd_batch cut;
	struct detector d = {0};
	struct error e = {""};
	void *bytes = NULL;
	size_t n_bytes = 0, n_half = half_take(lent, n_lent, fit_rows_in(w->f, IN_FIT) / 2, half, &cut);
	double times = 1;

	if (plugins_find(w->f->plugins, by->name, &d.plugin, &e) == 0 &&
		detector_fit(d.plugin, by->options, by->n_options, half, n_half, &bytes, &n_bytes, &e) == 0 &&
		detector_open(d.plugin, by->options, by->n_options, bytes, n_bytes, &d.state, &e) == 0) {
		sides_score(w, &d, middle_us(w->f), &s);
		detector_detach(&d);
		times = sides_compare(&s);
	}
	free(bytes);
	free(half);
	free(s.early);
	free(s.late);
	return times;
}
