/* SPDX-License-Identifier: Apache-2.0
 * From bins to a sentence: "mean 40.4 -> 123 (> 99: 0.0 % -> 23 %)". */
#include "judge/effect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/caution.h"
#include "stats/divergence.h"
#include "stats/evidence.h"

#define FIXED_POINT 0x1p20 /* of window sums, see model/measure.h */
/* Bins that a change names, and how much of what the first says each must. */
#define BINS_TOLD 3
#define BIN_TELLS .25
#define ORDERED_MOST (MEASURE_MOST_EDGES + 3)

/* PSI from which a shift is this bad. */
static const double severities[] = {.1, .25, 1};

int effect_severity(double psi, double smallest_effect)
{
	int severity = psi >= smallest_effect;

	for (size_t i = 0; severity && i < sizeof severities / sizeof *severities; i++)
		severity += psi >= severities[i];
	return severity;
}

/* PSI of shares with as many records added to the reference's own as it has bins: an empty bin is
 * then no disaster. */
static double steady_psi(const struct measure *m, const double *q, double n)
{
	double prior = (double)m->n, sum = 0;

	for (size_t i = 0; i < m->n; i++) {
		double after = (n * q[i] + prior * m->mean[i]) / (n + prior);
		sum += (after - m->mean[i]) * log(after / m->mean[i]);
	}
	return sum;
}

/* What windows drawn from the reference show on average: chi-square over n, at the size their
 * spread gives them. */
static double chance_psi(const struct measure *m, double n)
{
	double shrunk = n / (n + (double)m->n), sum = 0, spread = 1 + (n - 1) / (m->kappa + 1);

	for (size_t i = 0; i < m->n; i++)
		sum += 1 - m->mean[i];
	return shrunk * shrunk * sum * spread / n;
}

double effect_of_level(const struct measure *m, const double *level)
{
	double sum = 0;

	for (size_t i = 0; i < m->n; i++)
		sum += (level[i] - m->mean[i]) * log(level[i] / m->mean[i]);
	return sum;
}

/* The numeric bins in order of value, and where each ends; all of `below` stands at least, all of
 * `above` at most. */
static size_t ordered(const struct measure *m, const double *shares, double *to, double *end)
{
	size_t k = 0;
	double all = 0;

	if (m->below != MEASURE_NO_BIN)
		to[k] = shares[m->below], end[k++] = m->least;
	for (size_t i = 0; i <= m->n_edges; i++)
		to[k] = shares[i],
		end[k++] = i < m->n_edges ? m->edges[i]
					  : fmax(m->most, i ? m->edges[i - 1] : m->least);
	if (m->above != MEASURE_NO_BIN)
		to[k] = shares[m->above], end[k] = end[k - 1], k++;
	for (size_t i = 0; i < k; i++)
		all += to[i];
	for (size_t i = 0; i < k; i++)
		to[i] /= all > 0 ? all : 1;
	return k;
}

/* Mean of the window, NAN when it holds no number. */
static double mean_after(const struct measure *m, const int64_t *v)
{
	if (m->sums == MEASURE_NO_BIN || v[m->sums + 1] == 0)
		return NAN;
	return m->centre + m->scale * ((double)v[m->sums] / FIXED_POINT / (double)v[m->sums + 1]);
}

static void fill_sizes(
	const struct measure *m, const int64_t *v, const double *q, struct finding *to)
{
	double p_in_order[ORDERED_MOST], q_in_order[ORDERED_MOST], end[ORDERED_MOST],
		after = mean_after(m, v);

	to->psi = divergence_psi(m->mean, q, m->n);
	to->js = divergence_js_bits(m->mean, q, m->n);
	to->ks = to->w1 = NAN;
	if (m->n_words > 0)
		return;
	ordered(m, m->mean, p_in_order, end);
	size_t k = ordered(m, q, q_in_order, end);
	to->ks = divergence_ks(p_in_order, q_in_order, k);
	if (m->sums == MEASURE_NO_BIN)
		return;
	/* Bins cannot say how far beyond the reference a value lies; the mean can. */
	to->w1 = divergence_w1(p_in_order, q_in_order, k, fmin(m->least, end[0]), end) / m->scale;
	if (!isnan(after))
		to->w1 = fmax(to->w1, fabs(after - m->centre) / m->scale);
}

/* How much a bin's share says about the change: its part of PSI, with as many records added as there are bins. */
static double bin_says(const struct measure *m, size_t bin, const double *q, double n)
{
	double prior = (double)m->n, after = (n * q[bin] + prior * m->mean[bin]) / (n + prior);

	return (after - m->mean[bin]) * log(after / m->mean[bin]);
}

/* The bins that say most, first the most, each at least a quarter of it. Returns how many. */
static size_t telling_bins(const struct measure *m, const double *q, double n, size_t to[BINS_TOLD])
{
	size_t told = 0;

	/* Two numbers of fields say the same thing twice. */
	for (size_t i = 0; i < m->n; i++) {
		size_t at = told < BINS_TOLD ? told++ : BINS_TOLD;

		for (; at > 0 && bin_says(m, to[at - 1], q, n) < bin_says(m, i, q, n); at--)
			if (at < BINS_TOLD)
				to[at] = to[at - 1];
		if (at < BINS_TOLD)
			to[at] = i;
	}
	while (told > 1 && (measure_counts_fields(m) || bin_says(m, to[told - 1], q, n) < BIN_TELLS * bin_says(m, to[0], q, n)))
		told--;
	return told;
}

/* "0.02 %", "1.0 %", "23 %". */
static const char *percent(double share, char *to, size_t n)
{
	double x = 100 * share;

	snprintf(to, n, x >= 9.95 ? "%.0f %%" : x >= .095 || x == 0 ? "%.1f %%" : "%.2g %%", x);
	return to;
}

static void p_value_words(const struct measure *m, const double *q, struct finding *to)
{
	size_t up_to = 0;
	double before = 0, after = 0;
	char one[16], two[16];

	while (up_to + 1 < m->n_edges && m->edges[up_to] < .01 - 1e-12)
		up_to++;
	for (size_t i = 0; i <= up_to; i++)
		before += m->mean[i], after += q[i];
	to->before = before;
	to->after = after;
	snprintf(to->change, sizeof to->change, "p <= %.3g: %s -> %s of records",
		m->n_edges ? m->edges[up_to] : 1, percent(before, one, sizeof one),
		percent(after, two, sizeof two));
}

static void bin_words(const struct measure *m, size_t bin, const double *q, char *to, size_t n)
{
	char words[80], one[16], two[16];

	if (bin == m->other)
		snprintf(words, sizeof words, "%s", m->kind == MEASURE_ACCURACY ? "wrong" : "values never seen before");
	else
		measure_bin_words(m, bin, words, sizeof words);
	snprintf(to, n, "%s: %s -> %s", words, percent(m->mean[bin], one, sizeof one),
		percent(q[bin], two, sizeof two));
}

/* True when it is the mean of a number that is told. */
static bool words(const struct measure *m, double centre, const int64_t *v, const double *q, double n,
	struct finding *to)
{
	size_t told[BINS_TOLD] = {0}, n_told = telling_bins(m, q, n, told), bin = told[0];
	double after = mean_after(m, v);
	char share[260];

	for (size_t i = 0, used = 0; i < n_told && used < sizeof share - 100; i++) {
		used += (size_t)snprintf(share + used, sizeof share - used, "%s", i ? ", " : "");
		bin_words(m, told[i], q, share + used, sizeof share - used);
		used += strlen(share + used);
	}
	if ((m->kind == MEASURE_NUMERIC || m->kind == MEASURE_METRIC) && !isnan(after) && bin != m->missing &&
		bin != m->mistyped) {
		to->before = centre;
		to->after = after;
		snprintf(to->change, sizeof to->change, "mean %.4g -> %.4g (%s)", centre, after,
			share);
		return true;
	}
	to->before = m->mean[bin];
	to->after = q[bin];
	snprintf(to->change, sizeof to->change, "%s", share);
	return false;
}

/* ", normal for Monday 09:00: 12 %". */
static void when_words(const char *when, bool share, struct finding *to)
{
	size_t n = strlen(to->change);
	char number[32];

	if (!when[0])
		return;
	if (share)
		percent(to->before, number, sizeof number);
	else
		snprintf(number, sizeof number, "%.4g", to->before);
	snprintf(to->change + n, sizeof to->change - n, ", normal for %s: %s", when, number);
}

double effect_fill(const struct measure *m, double centre, const char *when, const int64_t *v,
	double *q, struct finding *to)
{
	double n = (double)divergence_shares(v + m->first, m->n, q);
	bool mean = false;

	to->psi = to->ks = to->w1 = to->js = to->before = to->after = NAN;
	if (n == 0 || !m->mean)
		return 0;
	fill_sizes(m, v, q, to);
	if (m->kind == MEASURE_P_VALUE)
		p_value_words(m, q, to);
	else
		mean = words(m, centre, v, q, n, to);
	when_words(when, !mean, to);
	return fmax(0, steady_psi(m, q, n) - chance_psi(m, n));
}

/* The bin to fill: small p-values, else one that holds a fair share. */
static double share_to_fill(const struct measure *m)
{
	double small = 0;

	if (m->kind != MEASURE_P_VALUE)
		return 1 / (double)(m->n_edges ? m->n_edges + 1 : m->n);
	for (size_t i = 0; i < m->n_edges && m->edges[i] <= .01 + 1e-12; i++)
		small += m->mean[i];
	return fmax(small, 1e-4);
}

double effect_visible(const struct measure *m, int64_t n, double log_needed)
{
	double still = share_to_fill(m), near[2], null[2] = {still, 1 - still};

	for (double share = .01; share < 1 && n > 0; share += .01) {
		double at = still + share * (1 - still), moved[2] = {at, 1 - at};
		int64_t counts[2] = {(int64_t)lround((double)n * at), 0};
		counts[1] = n - counts[0];
		evidence_nearest(null, moved, fmax(m->tolerance, 1e-6), 2, near);
		if (evidence_dm(m->kappa, moved, counts, 2) -
				evidence_dm(m->kappa, near, counts, 2) >
			log_needed)
			return share;
	}
	return 1;
}
