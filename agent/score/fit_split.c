/* SPDX-License-Identifier: Apache-2.0
 * Which record is for what. Blocks of time are dealt to the parts like cards.
 *
 * Contiguous parts (first fit, then cal-A, ...) would give each part another season, another trend:
 * the p-values of the null part would be off by as much as traffic moved between, and a week's
 * calibration would hold no Sunday. Records dealt one by one at random would put neighbours, often
 * near-duplicates, on both sides. So: blocks of whole windows, up to some hundreds in the log, each
 * dealt to the part that is furthest behind its share; every part then sees every season and the
 * whole trend, windows stay whole, and only the edges of blocks touch. Dealing strictly in turn
 * would resonate with anything periodic (every third block is the night shift), so what is "behind"
 * is jittered by a hash of the block's time: the same log is always split the same way.
 *
 * A log shorter than a dozen windows is cut by number of records instead; it then has no whole
 * windows, and no measure can be judged, which the summary says. */
#include "score/fit_work.h"

#include "base/hash.h"

#include <assert.h>

#define BLOCKS 400
#define BLOCKS_BY_NUMBER 40
#define LEAST_WINDOWS 12
#define JITTER 1.0 /* blocks */

struct deal {
	double share[PARTS]; /* sum to 1 over the parts that get anything */
	double got[PARTS], dealt;
	bool by_window;
	int64_t block_us;
	size_t block_rows;
};

static int64_t floor_to(int64_t x, int64_t unit)
{
	int64_t rest = x % unit;

	return x - (rest < 0 ? rest + unit : rest);
}

static const double shares_of_all[PARTS] = {0.4, 0.2, 0.2, 0.2};
static const double shares_of_calibrate[PARTS] = {0.0, 0.3, 0.3, 0.4};

static void shares_set(const struct fit *f, bool with_fit, struct deal *d)
{
	double sum = 0.0, given = f->o.share[IN_CAL_A] + f->o.share[IN_CAL_B] + f->o.share[IN_NULL];

	for (size_t i = 0; i < PARTS; i++) {
		const double *standard = with_fit ? shares_of_all : shares_of_calibrate;

		d->share[i] = given > 0.0 ? f->o.share[i] : standard[i];
		if (i == IN_FIT && !with_fit)
			d->share[i] = 0.0;
		sum += d->share[i];
	}
	for (size_t i = 0; i < PARTS; i++)
		d->share[i] /= sum;
}

/* Distinct windows that hold a row to deal; *n: how many rows there are. */
static size_t windows_count(const struct fit *f, size_t *n)
{
	int64_t last = 0;
	size_t windows = 0;

	*n = 0;
	for (size_t i = 0; i < f->n_rows; i++) {
		int64_t start = floor_to(f->rows[i].time_us, f->o.window_us);

		if (!fit_row_calibrates(f, i))
			continue;
		windows += windows == 0 || start != last;
		last = start;
		++*n;
	}
	return windows;
}

static void blocks_size(struct fit *f, struct deal *d)
{
	size_t rows, windows = windows_count(f, &rows);

	d->by_window = windows >= LEAST_WINDOWS;
	d->block_us = f->o.window_us * (int64_t)(windows / BLOCKS > 0 ? windows / BLOCKS : 1);
	d->block_rows = rows / BLOCKS_BY_NUMBER > 0 ? rows / BLOCKS_BY_NUMBER : 1;
	if (!d->by_window)
		fit_note(f,
			"the log spans %zu windows, at least %d are needed to learn how windows "
			"vary: nothing will be judged; "
			"give a longer log, or a shorter window",
			windows, LEAST_WINDOWS);
}

static bool same_block(
	const struct fit *f, const struct deal *d, size_t first, size_t row, size_t n)
{
	if (!d->by_window)
		return n < d->block_rows;
	return floor_to(f->rows[first].time_us, d->block_us) ==
	       floor_to(f->rows[row].time_us, d->block_us);
}

/* One block's worth of jitter, a function of the time alone. */
static double jitter(int64_t time_us, size_t part)
{
	return JITTER * hash_unit(hash_bytes(&time_us, sizeof time_us, part + 1));
}

static enum part part_behind(const struct deal *d, int64_t time_us, double n)
{
	size_t best = PARTS;
	double furthest = 0.0;

	for (size_t i = 0; i < PARTS; i++) {
		double behind = d->share[i] * (d->dealt + n) - d->got[i] + n * jitter(time_us, i);

		if (d->share[i] > 0.0 && (best == PARTS || behind > furthest)) {
			best = i;
			furthest = behind;
		}
	}
	assert(best < PARTS);
	return (enum part)best;
}

/* Deal the block that begins at row `first`; returns the row behind it. */
static size_t block_deal(struct fit *f, struct deal *d, size_t first)
{
	size_t end = first, n = 0;
	enum part part;

	for (; end < f->n_rows; end++) {
		if (fit_row_calibrates(f, end) && !same_block(f, d, first, end, n))
			break;
		n += fit_row_calibrates(f, end);
	}
	part = part_behind(
		d, floor_to(f->rows[first].time_us, d->by_window ? d->block_us : 1), (double)n);
	for (size_t i = first; i < end; i++)
		if (fit_row_calibrates(f, i))
			f->rows[i].part = (uint8_t)part;
	d->got[part] += (double)n;
	d->dealt += (double)n;
	return end;
}

static bool any_given(const struct fit *f, enum fit_part given)
{
	for (size_t i = 0; i < f->n_rows; i++)
		if (f->rows[i].given == given)
			return true;
	return false;
}

/* Without records that are for fit alone, those for calibration serve for both; without any for
 * calibration, so do those for fit. */
static void given_settle(struct fit *f, bool fit_given)
{
	bool others = any_given(f, PART_ANY) || any_given(f, PART_CALIBRATE);

	for (size_t i = 0; i < f->n_rows; i++)
		if (!fit_given || !others)
			f->rows[i].given = PART_ANY;
}

void fit_split(struct fit *f)
{
	struct deal d = {0};
	bool fit_given = any_given(f, PART_FIT);

	given_settle(f, fit_given);
	shares_set(f, !any_given(f, PART_FIT), &d);
	blocks_size(f, &d);
	for (size_t i = 0; i < f->n_rows;)
		i = fit_row_calibrates(f, i) ? block_deal(f, &d, i) : i + 1;
	f->r->n_fit = (int64_t)fit_rows_in(f, IN_FIT);
	f->r->n_cal_a = (int64_t)fit_rows_in(f, IN_CAL_A);
	f->r->n_cal_b = (int64_t)fit_rows_in(f, IN_CAL_B);
	f->r->n_null = (int64_t)fit_rows_in(f, IN_NULL);
}
