/* SPDX-License-Identifier: Apache-2.0
 * From bins to a sentence: "mean 40.4 -> 123 (> 99: 0.0 % -> 23 %)". */
#include "judge/effect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/note.h"
#include "judge/caution.h"
#include "stats/divergence.h"
#include "stats/evidence.h"

#define FIXED_POINT 0x1p20 /* of window sums, see model/measure.h */
/* Bins that a change names, and how much of what the first says each must. */
#define BINS_TOLD 3
#define BIN_TELLS .25
/* Below this nothing has happened, and one bin is told: words are made for every measure of every window. */
#define PSI_TOLD .005
#define BLOCK 64
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

/* The bins that say most about a change, first the most. */
struct telling {
	size_t n, bin[BINS_TOLD];
	double says[BINS_TOLD];
};

static void telling_add(struct telling *t, size_t bin, double says)
{
	size_t at = t->n;

	if (at == BINS_TOLD && says <= t->says[at - 1])
		return;
	at = at < BINS_TOLD ? t->n++ : at - 1;
	for (; at > 0 && t->says[at - 1] < says; at--) {
		t->bin[at] = t->bin[at - 1];
		t->says[at] = t->says[at - 1];
	}
	t->bin[at] = bin;
	t->says[at] = says;
}

/* Sizes; and the PSI of shares with as many records added to the reference's own as it has bins: an empty bin is then no disaster. What
 * a bin says is its part of it. */
static double steady_psi(const struct measure *m, const double *q, double n, struct telling *telling, struct finding *to)
{
	double prior = (double)m->n / (n + (double)m->n), sum = 0, says[BLOCK], psi, js;

	to->psi = to->js = 0;
	for (size_t from = 0; from < m->n; from += BLOCK) {
		size_t k = m->n - from < BLOCK ? m->n - from : BLOCK;

		sum += divergence_sizes(m->mean + from, q + from, k, prior, &psi, &js, says);
		to->psi += psi;
		to->js += js;
		for (size_t i = 0; i < k; i++)
			telling_add(telling, from + i, says[i]);
	}
	/* Two numbers of fields say the same thing twice. */
	while (telling->n > 1 && (sum < PSI_TOLD || measure_counts_fields(m) || telling->says[telling->n - 1] < BIN_TELLS * telling->says[0]))
		telling->n--;
	/* Of right and wrong, what is wrong is told. */
	if (m->kind == MEASURE_ACCURACY && telling->n > 0) {
		telling->n = 1;
		telling->bin[0] = m->other;
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

static void fill_order_sizes(
	const struct measure *m, const int64_t *v, const double *q, struct finding *to)
{
	double p_in_order[ORDERED_MOST], q_in_order[ORDERED_MOST], end[ORDERED_MOST],
		after = mean_after(m, v);

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

/* How much a tail's growth tells, in nats a record. */
static double tail_tells(double before, double after)
{
	return after > before ? after * log(after / before) - (after - before) : 0;
}

/* The tail that is told of: records of p <= 0.01, unless a wider one says twice as much. */
static void p_value_words(const struct measure *m, const double *q, struct finding *to)
{
	size_t up_to = 0;
	double before = 0, after = 0, told = 0;
	struct note note = note_open(to->change, sizeof to->change);

	for (size_t i = 0; i < m->n_edges && m->edges[i] <= .5; i++) {
		bool usual = m->edges[i] <= .01 + 1e-12;

		before += m->mean[i];
		after += q[i];
		if (!usual && tail_tells(before, after) < 2 * told + 1e-3)
			continue;
		told = tail_tells(before, after);
		to->before = before;
		to->after = after;
		up_to = i;
	}
	note_text(&note, "p <= ");
	note_number(&note, m->n_edges ? m->edges[up_to] : 1, 3);
	note_text(&note, ": ");
	note_percent(&note, to->before);
	note_text(&note, " -> ");
	note_percent(&note, to->after);
	note_text(&note, " of records");
}

static void bin_words(const struct measure *m, size_t bin, const double *q, struct note *to)
{
	char words[80];

	if (bin == m->other)
		note_text(to, m->kind == MEASURE_ACCURACY ? "wrong" : "values never seen before");
	else
		note_text(to, measure_bin_words(m, bin, words, sizeof words));
	note_text(to, ": ");
	note_percent(to, m->mean[bin]);
	note_text(to, " -> ");
	note_percent(to, q[bin]);
}

/* Which of the bins has grown says little: whatever lies above the first is more than there ever was. */
static bool layer_words(const struct measure *m, const double *q, struct finding *to)
{
	to->before = 1 - m->mean[0];
	to->after = 1 - q[0];
	snprintf(to->change, sizeof to->change,
		"%.3g %% of logits do not follow from their embedding by the reference's last layer (%.2g %% before): model swapped under the "
		"same version?", 100 * to->after, 100 * to->before);
	return false;
}

/* True when it is the mean of a number that is told. */
static bool words(const struct measure *m, double centre, const int64_t *v, const double *q,
	const struct telling *told, struct finding *to)
{
	size_t bin = told->bin[0];
	double after = mean_after(m, v);
	char share[260];
	struct note note = note_open(share, sizeof share), all = note_open(to->change, sizeof to->change);

	for (size_t i = 0; i < told->n && note.n < sizeof share - 100; i++) {
		note_text(&note, i ? ", " : "");
		bin_words(m, told->bin[i], q, &note);
	}
	if ((measure_counts_numbers(m) || m->kind == MEASURE_CONFIDENCE) && !isnan(after) && bin != m->missing &&
		bin != m->mistyped) {
		after = measure_rounded(m, after);
		to->before = centre;
		to->after = after;
		note_text(&all, "mean ");
		note_number(&all, centre, 4);
		note_text(&all, " -> ");
		note_number(&all, after, 4);
		note_text(&all, " (");
		note_text(&all, share);
		note_text(&all, ")");
		return true;
	}
	to->before = m->mean[bin];
	to->after = q[bin];
	note_text(&all, share);
	return false;
}

/* ", normal for Monday 09:00: 12 %". */
static void when_words(const char *when, bool share, struct finding *to)
{
	struct note note = note_behind(to->change, sizeof to->change);

	if (!when[0])
		return;
	note_text(&note, ", normal for ");
	note_text(&note, when);
	note_text(&note, ": ");
	if (share)
		note_percent(&note, to->before);
	else
		note_number(&note, to->before, 4);
}

double effect_fill(const struct measure *m, double centre, const char *when, const int64_t *v,
	double *q, struct finding *to)
{
	double n = (double)divergence_shares(v + m->first, m->n, q);
	bool mean = false;
	double psi;
	struct telling told = {0};

	to->psi = to->ks = to->w1 = to->js = to->before = to->after = NAN;
	if (n == 0 || !m->mean)
		return 0;
	fill_order_sizes(m, v, q, to);
	psi = steady_psi(m, q, n, &told, to);
	if (m->kind == MEASURE_P_VALUE)
		p_value_words(m, q, to);
	else if (m->kind == MEASURE_LAYER)
		mean = layer_words(m, q, to);
	else
		mean = words(m, centre, v, q, &told, to);
	when_words(when, !mean, to);
	return fmax(0, psi - chance_psi(m, n));
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
