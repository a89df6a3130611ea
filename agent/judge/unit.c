/* SPDX-License-Identifier: Apache-2.0
 * A window whose numbers are partly the reference's under another unit: share (1 - s) as the reference has them, share s as
 * y = factor x + offset. s by expectation maximisation, for each unit of a list; a number within the reference's range is
 * known by its bin, one beyond it by its value. The reference has a density: even within each bin, falling off in its outer
 * ones.
 *
 * The likeliest unit is said when it explains most of what moved, the numbers it explains look like the reference once they
 * are converted back, and nothing else comes near: no other unit, no other factor, no shift or stretch of all numbers. */
#include "judge/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge/null.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* How much of the distance from the reference (in likelihood) a unit must explain: who is hit by a fault is often no fair
 * sample of all. */
#define EXPLAINED .7
/* Share of the reference's bins that the converted numbers have in common with it. */
#define OVERLAP .5
/* Log likelihood by which it must be better than any other. */
#define CLEARLY 5.0
/* .. and by which a factor that is off by a fiftieth may be better by chance. */
#define CHANCE 1.0
/* Factors below this are met in life, too: the data must tell them from a fifteenth more or less; larger ones from the half and the
 * double, for who is hit by a fault may well have other numbers than the rest. */
#define NATURAL 3.5
/* Records that it must explain. */
#define LEAST_RECORDS 5.0
/* Standard deviations from where a mean may hold terms that were clipped. */
#define CLIPPED 1e4
/* Numbers that nothing explains. */
#define OUTLIERS .001

#define MOST_BINS (MEASURE_MOST_EDGES + 3)
#define TAIL_PIECES 6
#define MOST_PIECES (MOST_BINS + 2 * TAIL_PIECES)
#define ROUNDS 40

static const struct candidate {
	double factor, offset;
	const char *sign, *words;
	double least, most; /* where the reference's own unit is plausible; both 0: anywhere */
} candidates[] = {
	{60, 0, "x60", "minutes for hours, or seconds for minutes", 0, 0},
	{1 / 60.0, 0, "/60", "hours for minutes, or minutes for seconds", 0, 0},
	{3600, 0, "x3600", "seconds for hours", 0, 0},
	{1 / 3600.0, 0, "/3600", "hours for seconds", 0, 0},
	{24, 0, "x24", "hours for days", 0, 0},
	{1 / 24.0, 0, "/24", "days for hours", 0, 0},
	{12, 0, "x12", "months for years", 0, 0},
	{1 / 12.0, 0, "/12", "years for months", 0, 0},
	{10, 0, "x10", "a decimal place", 0, 0},
	{.1, 0, "/10", "a decimal place", 0, 0},
	{100, 0, "x100", "per cent for shares, or cents for whole units", 0, 0},
	{.01, 0, "/100", "shares for per cent", 0, 0},
	{1000, 0, "x1000", "milli for whole units, such as milliseconds for seconds", 0, 0},
	{.001, 0, "/1000", "whole units for milli, or thousands for ones", 0, 0},
	{1e6, 0, "x1e6", "micro for whole units", 0, 0},
	{1e-6, 0, "/1e6", "whole units for micro, or millions for ones", 0, 0},
	{1e9, 0, "x1e9", "nano for whole units", 0, 0},
	{1e-9, 0, "/1e9", "whole units for nano", 0, 0},
	{2.54, 0, "x2.54", "centimetres for inches", 0, 0},
	{1 / 2.54, 0, "/2.54", "inches for centimetres", 0, 0},
	{1.609344, 0, "x1.609", "kilometres for miles", 0, 0},
	{1 / 1.609344, 0, "/1.609", "miles for kilometres", 0, 0},
	{2.204623, 0, "x2.205", "pounds for kilograms", 0, 0},
	{1 / 2.204623, 0, "/2.205", "kilograms for pounds", 0, 0},
	{3.28084, 0, "x3.281", "feet for metres", 0, 0},
	{1 / 3.28084, 0, "/3.281", "metres for feet", 0, 0},
	{1.8, 32, "x1.8 + 32", "Fahrenheit for Celsius", -100, 130},
	{1 / 1.8, -32 / 1.8, "(x - 32) / 1.8", "Celsius for Fahrenheit", -150, 270},
	{1, 273.15, "+273.15", "kelvin for Celsius", -100, 130},
	{1, -273.15, "-273.15", "Celsius for kelvin", 170, 410},
	{-1, 0, "the sign flipped", "", 0, 0},
};

/* The numbers of a window, and what the reference expects. Bins in order: the plain ones, below, above. Pieces: where the
 * reference's density is even; a plain bin each, but for the tails. */
struct numbers {
	const struct measure *m;
	size_t n; /* of bins */
	double low[MOST_BINS], high[MOST_BINS], mean[MOST_BINS], count[MOST_BINS];
	size_t n_pieces;
	struct piece {
		double low, high, mass;
	} piece[MOST_PIECES];
	double all, worth; /* records; of each, in independent ones */
	double value[UNSEEN_VALUES], weight[UNSEEN_VALUES]; /* beyond the reference */
	double sampled; /* share of them that is known by value */
	double centre, found; /* mean of the reference at this time, and of the window; NAN: not known */
	size_t n_values;
};

static void bins_take(struct numbers *x, const int64_t *counts)
{
	const struct measure *m = x->m;
	const size_t outer[2] = {m->below, m->above};
	double sum = 0;

	for (size_t i = 0; i <= m->n_edges; i++) {
		x->low[i] = i > 0 ? m->edges[i - 1] : fmin(m->least, m->n_edges ? m->edges[0] : m->least);
		x->high[i] = i < m->n_edges ? m->edges[i] : fmax(m->most, x->low[i]);
		x->mean[i] = m->mean[i];
		x->count[i] = (double)counts[i];
	}
	x->n = m->n_edges + 1;
	for (size_t i = 0; i < 2; i++, x->n++) {
		x->low[x->n] = i ? m->most : -INFINITY;
		x->high[x->n] = i ? INFINITY : m->least;
		x->mean[x->n] = m->mean[outer[i]];
		x->count[x->n] = (double)counts[outer[i]];
	}
	for (size_t i = 0; i < x->n; i++) {
		sum += x->mean[i];
		x->all += x->count[i];
	}
	for (size_t i = 0; i < x->n; i++)
		x->mean[i] /= sum;
	x->worth = null_independent(m->kappa, x->all) / x->all;
}

/* Mistyped values are named among them; they are no numbers. */
static void values_take(struct numbers *x, const struct unseen_set *s)
{
	double sum = 0, beyond = x->count[x->n - 2] + x->count[x->n - 1];

	for (size_t i = 0; s && i < s->n; i++) {
		char *end;
		double value = strtod(s->at[i].text, &end);

		if (end == s->at[i].text || *end || !isfinite(value) || (value >= x->m->least && value <= x->m->most))
			continue;
		x->value[x->n_values] = value;
		sum += x->weight[x->n_values++] = unseen_count(s, &s->at[i]);
	}
	for (size_t i = 0; i < x->n_values; i++)
		x->weight[i] *= beyond / sum;
	x->sampled = s ? 1 / (double)(INT64_C(1) << s->level) : 1;
}

/* What the bins hide (most of a window may lie in one wide bin) the mean still shows. Terms that were clipped make none. */
static void mean_take(struct numbers *x, double centre, const int64_t *sums)
{
	double term = sums[1] > 0 ? (double)sums[0] / (double)sums[1] / 0x1p20 : NAN;

	x->centre = centre;
	x->found = fabs(term) < CLIPPED ? x->m->centre + x->m->scale * term : NAN;
}

static size_t n_plain(const struct numbers *x)
{
	return x->n - 2;
}

static void piece_add(struct numbers *x, double low, double high, double mass)
{
	x->piece[x->n_pieces++] = (struct piece){low, fmax(high, low + 1e-9 * x->m->scale), mass};
}

/* Rate of an exponential that begins with this density and holds this mass in so long; 0 where it does not fall. */
static double fall(double density, double mass, double length)
{
	double low = 0, high = density / mass;

	if (mass >= density * length)
		return 0;
	for (int i = 0; i < 60; i++) {
		double rate = (low + high) / 2;

		*(density * -expm1(-rate * length) / rate > mass ? &low : &high) = rate;
	}
	return (low + high) / 2;
}

/* An outer bin is wide because few are there, most of them near its inner end. `inner`: its neighbour. */
static void tail_add(struct numbers *x, size_t bin, size_t inner, bool up)
{
	double length = x->high[bin] - x->low[bin], width = x->high[inner] - x->low[inner], done = 0;
	double rate = width > 0 && length > 0 ? fall(x->mean[inner] / width, x->mean[bin], length) : 0;

	for (int i = 1; i <= TAIL_PIECES && rate > 0; i++) {
		double until = length * i / TAIL_PIECES, before = length * (i - 1) / TAIL_PIECES;
		double mass = x->mean[bin] * (expm1(-rate * until) / expm1(-rate * length)) - done;

		piece_add(x, up ? x->low[bin] + before : x->high[bin] - until, up ? x->low[bin] + until : x->high[bin] - before, mass);
		done += mass;
	}
	if (rate == 0)
		piece_add(x, x->low[bin], x->high[bin], x->mean[bin]);
}

static void pieces_make(struct numbers *x)
{
	size_t last = n_plain(x) - 1;

	for (size_t i = 0; i <= last; i++)
		if (i == 0 && last > 0)
			tail_add(x, i, 1, false);
		else if (i == last && last > 0)
			tail_add(x, i, last - 1, true);
		else
			piece_add(x, x->low[i], x->high[i], x->mean[i]);
}

/* Mass of each window bin when all numbers are converted. */
static void converted(const struct numbers *x, double factor, double offset, double *to)
{
	memset(to, 0, x->n * sizeof *to);
	for (size_t i = 0; i < x->n_pieces; i++) {
		double one = factor * x->piece[i].low + offset, two = factor * x->piece[i].high + offset;
		double low = fmin(one, two), high = fmax(one, two);

		for (size_t k = 0; k < x->n; k++) {
			double part = fmin(high, x->high[k]) - fmax(low, x->low[k]);

			to[k] += part > 0 ? x->piece[i].mass * part / (high - low) : 0;
		}
	}
}

static size_t piece_of(const struct numbers *x, double value)
{
	for (size_t i = 0; i < x->n_pieces; i++)
		if (value <= x->piece[i].high && (value > x->piece[i].low || value == x->low[0]))
			return i;
	return SIZE_MAX;
}

/* A value that was converted back may miss an end by rounding. */
static double back(const struct numbers *x, double factor, double offset, double value)
{
	double raw = (value - offset) / factor, slack = 1e-6 * fabs(raw);

	if (raw < x->low[0] && raw + slack >= x->low[0])
		return x->low[0];
	if (raw > x->high[n_plain(x) - 1] && raw - slack <= x->high[n_plain(x) - 1])
		return x->high[n_plain(x) - 1];
	return raw;
}

/* How likely the values beyond are: as the unit has them, and as outliers, which lie anywhere. */
static void densities(const struct numbers *x, double factor, double offset, double *unit, double *outlier)
{
	double range = x->high[n_plain(x) - 1] - x->low[0] + x->m->scale;

	for (size_t i = 0; i < x->n_values; i++) {
		size_t at = piece_of(x, back(x, factor, offset, x->value[i]));
		const struct piece *p = &x->piece[at == SIZE_MAX ? 0 : at];

		unit[i] = at == SIZE_MAX ? 0 : p->mass / ((p->high - p->low) * fabs(factor));
		outlier[i] = OUTLIERS / (range + fabs(x->value[i]));
	}
}

struct fit {
	double share, likelihood, binned; /* likelihood: with the values beyond; binned: with their bins alone */
};

static double binned(const struct numbers *x, const double *mass, double share)
{
	double sum = 0;

	for (size_t k = 0; k < x->n; k++)
		if (x->count[k] > 0)
			sum += x->count[k] * log((1 - share) * x->mean[k] + share * mass[k] + 1e-9);
	return x->worth * sum;
}

/* Log density of the window's mean. */
static double mean_likelihood(const struct numbers *x, double factor, double offset, double share)
{
	double moved = factor * x->centre + offset, apart = moved - x->centre, spread = x->m->scale * x->m->scale;
	double variance = (1 - share) * spread + share * factor * factor * spread + share * (1 - share) * apart * apart;
	double off = x->found - x->centre - share * apart;

	variance /= x->worth * x->all;
	return isnan(off) ? 0 : -off * off / (2 * variance) - log(variance) / 2;
}

static struct fit fit(const struct numbers *x, double factor, double offset)
{
	double mass[MOST_BINS], unit[UNSEEN_VALUES], outlier[UNSEEN_VALUES];
	struct fit f = {.share = .5};

	converted(x, factor, offset, mass);
	densities(x, factor, offset, unit, outlier);
	for (int round = 0; round < ROUNDS; round++) {
		double of_unit = 0, values = 0;

		f.likelihood = 0;
		for (size_t k = 0; k < n_plain(x); k++) {
			double still = (1 - f.share) * x->mean[k] + 1e-9, moved = f.share * mass[k];

			of_unit += x->count[k] * moved / (still + moved);
			f.likelihood += x->count[k] > 0 ? x->count[k] * log(still + moved) : 0;
		}
		for (size_t i = 0; i < x->n_values; i++) {
			double still = (1 - f.share) * outlier[i], moved = f.share * unit[i];

			of_unit += x->weight[i] * moved / (still + moved);
			values += x->weight[i] * log(still + moved);
		}
		f.likelihood += x->sampled * values;
		if (round + 1 < ROUNDS)
			f.share = fmin(fmax(of_unit / x->all, 1e-6), 1 - 1e-6);
	}
	f.likelihood = x->worth * f.likelihood + mean_likelihood(x, factor, offset, f.share);
	f.binned = binned(x, mass, f.share);
	return f;
}

/* Of the values beyond, converted back: how much of their histogram they share with the part of the reference that would lie
 * beyond. 1 where there are too few to say. */
static double overlap(const struct numbers *x, double factor, double offset)
{
	double there[MOST_PIECES] = {0}, here[MOST_PIECES] = {0}, all = 0, sum = 0, common = 0;

	for (size_t i = 0; i < x->n_pieces; i++) {
		double ends[2] = {factor * x->piece[i].low + offset, factor * x->piece[i].high + offset};
		double low = fmin(ends[0], ends[1]), high = fmax(ends[0], ends[1]);
		double inside = fmax(0, fmin(high, x->m->most) - fmax(low, x->m->least));

		sum += there[i] = x->piece[i].mass * fmax(0, 1 - inside / (high - low));
	}
	for (size_t i = 0; i < x->n_values; i++) {
		size_t at = piece_of(x, back(x, factor, offset, x->value[i]));

		all += x->weight[i];
		if (at != SIZE_MAX)
			here[at] += x->weight[i];
	}
	for (size_t i = 0; i < x->n_pieces && sum > 0; i++)
		common += fmin(there[i] / sum, here[i] / all);
	return all < LEAST_RECORDS ? 1 : common;
}

/* Of the distance between the reference and the window's own shares. */
static double explained(const struct numbers *x, double by)
{
	double mass[MOST_BINS] = {0}, none = binned(x, mass, 0), own = 0;

	for (size_t k = 0; k < x->n; k++)
		own += x->count[k] > 0 ? x->count[k] * log(x->count[k] / x->all) : 0;
	own *= x->worth;
	return own > none ? (by - none) / (own - none) : 0;
}

static bool plausible(const struct measure *m, const struct candidate *c)
{
	return (c->least == 0 && c->most == 0) || (m->least >= c->least && m->most <= c->most);
}

/* Is no other factor near it as likely, and does the window tell it from those that are not near? */
static bool factor_told(const struct numbers *x, const struct candidate *c, double likelihood)
{
	static const struct {
		double times, gain; /* of the factor; how much likelier that may be */
	} large[] = {{.3, -CLEARLY}, {.4, -CLEARLY}, {.5, -CLEARLY}, {.6, 0}, {.7, 0}, {1.4, 0}, {1.6, 0}, {2, -CLEARLY}, {2.5, -CLEARLY}, {3.3, -CLEARLY}},
	  small[] = {{.9, -CLEARLY}, {.93, -CLEARLY}, {.96, 0}, {.98, CHANCE}, {1.02, CHANCE}, {1.04, 0}, {1.07, -CLEARLY}, {1.1, -CLEARLY}};
	bool is_large = fabs(log(fabs(c->factor))) > log(NATURAL);
	size_t n = is_large ? LENGTH(large) : LENGTH(small);

	for (size_t i = 0; i < n && c->offset == 0 && c->factor > 0; i++) {
		double times = is_large ? large[i].times : small[i].times, gain = is_large ? large[i].gain : small[i].gain;

		if (fit(x, c->factor * times, 0).likelihood > likelihood + gain)
			return false;
	}
	return true;
}

/* Life moves numbers up and down, or stretches them: by as much as brings the mean to where it was found. */
static bool unlike_life(const struct numbers *x, const struct candidate *c, struct fit f)
{
	double mean = x->centre + (x->found - x->centre) / f.share;

	if (!isfinite(mean) || c->factor < 0)
		return true;
	if ((c->offset == 0 || c->factor != 1) && fit(x, 1, mean - x->centre).likelihood > f.likelihood - CLEARLY)
		return false;
	return c->offset == 0 || fit(x, mean / x->centre, 0).likelihood <= f.likelihood - CLEARLY;
}

bool unit_guess(const struct measure *m, double centre, const int64_t *counts, const struct unseen_set *beyond, struct unit *ret)
{
	struct numbers x = {.m = m};
	struct fit best = {.likelihood = -INFINITY};
	double second = -INFINITY;
	const struct candidate *of = NULL;

	if (!m->mean || m->below == MEASURE_NO_BIN || m->above == MEASURE_NO_BIN || m->sums == MEASURE_NO_BIN || !(m->most > m->least))
		return false;
	bins_take(&x, counts);
	mean_take(&x, centre, counts + m->n);
	pieces_make(&x);
	values_take(&x, beyond);
	for (size_t i = 0; i < LENGTH(candidates) && x.all > 0; i++) {
		struct fit f;

		if (!plausible(m, &candidates[i]))
			continue;
		f = fit(&x, candidates[i].factor, candidates[i].offset);
		if (f.likelihood <= best.likelihood) {
			second = fmax(second, f.likelihood);
			continue;
		}
		second = best.likelihood;
		best = f;
		of = &candidates[i];
	}
	if (!of || best.share * x.all < LEAST_RECORDS || best.likelihood - second < CLEARLY || explained(&x, best.binned) < EXPLAINED ||
		overlap(&x, of->factor, of->offset) < OVERLAP || !factor_told(&x, of, best.likelihood) || !unlike_life(&x, of, best))
		return false;
	*ret = (struct unit){of->sign, of->words, best.share};
	return true;
}
