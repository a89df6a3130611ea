/* SPDX-License-Identifier: Apache-2.0
 * The ways in which traffic moves, each an alternative with a weight: windows all over the place
 * (LOOSE), like the last ones (RECENT), a special bin swells (BIN), more small p-values (TILT).
 * Each is divided by the null mean nearest to it. */
#include "judge/null.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/caution.h"
#include "stats/evidence.h"
#include "stats/special.h"

const double recent_rates[TRACK_RECENTS] = {.6, .2, .06};

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* Shares of records that a bin swells by, and that a new kind of record takes. */
static const double bin_shares[] = {.02, .1, .4};
static const double tilt_shares[] = {.04, .1, .25, .6};
/* p-values of the new kind: Kumaraswamy, P(p <= x) = 1 - (1 - x^a)^b. Nearly all tiny; or small,
 * but mixed with the oddest of the normal, as detectors have it on what is hard. */
static const struct tilt {
	double a, b;
} tilts[] = {{.35, 2}, {.7, 5}};

/* Beyond, differences of log-gammas want more digits than there are. */
#define BIN_FAR 1e5

static struct alternative *add(struct null *null, double weight)
{
	struct alternative *a = &null->alternatives[null->n_alternatives++];

	assert(null->n_alternatives <= TRACK_MOST_ALTERNATIVES);
	*a = (struct alternative){.weight = weight};
	return a;
}

/* The bins' shares of records of the new kind; what is no p-value (missing) keeps its own. */
static void new_kind(const struct measure *m, const double *mean, struct tilt tilt, double *to)
{
	double plain = 0, below = 0;

	for (size_t i = 0; i <= m->n_edges; i++)
		plain += mean[i];
	memcpy(to, mean, m->n * sizeof *to);
	for (size_t i = 0; i <= m->n_edges; i++) {
		double up_to = i < m->n_edges ? 1 - pow(1 - pow(m->edges[i], tilt.a), tilt.b) : 1;
		to[i] = plain * (up_to - below);
		below = up_to;
	}
}

static void mix(const double *mean, const double *kind, double share, size_t k, double *to)
{
	for (size_t i = 0; i < k; i++)
		to[i] = (1 - share) * mean[i] + share * kind[i];
}

/* An alternative inside the null is none: its ratio would be 1 for ever. */
static void drop_last(struct null *null)
{
	free(null->alternatives[--null->n_alternatives].mean);
}

static void add_tilt(struct null *null, const struct measure *m, double share, struct tilt tilt)
{
	struct alternative *a = add(null, 1);
	double *moved = mem_alloc(m->n * sizeof *moved);

	a->kind = ALTERNATIVE_TILT;
	a->share = share;
	a->mean = mem_alloc(m->n * sizeof *a->mean);
	new_kind(m, null->mean, tilt, a->mean);
	mix(null->mean, a->mean, share, m->n, moved);
	if (evidence_kl(null->mean, moved, m->n) <= null->caution.fixed_radius)
		drop_last(null);
	free(moved);
}

static void add_tilts(struct null *null, const struct measure *m)
{
	for (size_t s = 0; s < LENGTH(tilt_shares); s++)
		for (size_t i = 0; i < LENGTH(tilts); i++)
			add_tilt(null, m, tilt_shares[s], tilts[i]);
}

/* log of gammas of c records in the bin and `rest` others, BIN less null. */
static double pair_gammas(double kappa, const struct alternative *it, int64_t c, int64_t rest)
{
	double in = (double)c, out = (double)rest;
	double at[4] = {kappa * it->share + in, kappa * (1 - it->share) + out, kappa * it->null_share + in,
		kappa * (1 - it->null_share) + out};

	special_log_gammas(at, 4, at);
	return at[0] - at[2] + (at[1] - at[3]);
}

/* True when it lies in the null. */
static bool bin_make(const struct null *null, struct alternative *it)
{
	double at = null->mean[it->which], to = at + it->swell * (1 - at);
	double m[2] = {at, 1 - at}, a[2] = {to, 1 - to}, near[2];
	bool inside = evidence_nearest(m, a, null->caution.fixed_radius, 2, near) == 1;

	it->share = to;
	it->null_share = near[0];
	it->empty = log1p(-to) - log1p(-near[0]);
	it->start = pair_gammas(null->kappa, it, 0, 0);
	return inside;
}

static void add_bin(struct null *null, size_t bin, double share, double weight)
{
	struct alternative *it = add(null, weight);

	it->kind = ALTERNATIVE_BIN;
	it->which = bin;
	it->swell = share;
	if (bin_make(null, it))
		drop_last(null);
}

/* Which bins swell when something breaks: the special ones; of a count of fields every one but
 * "none". Into to[0..SWELLING_MOST); returns how many. */
#define SWELLING_MOST 5
static size_t swelling(const struct measure *m, size_t *to)
{
	const size_t special[] = {m->below, m->above, m->other, m->missing, m->mistyped};
	size_t n = 0;

	for (size_t i = 0; i < LENGTH(special); i++)
		if (special[i] != MEASURE_NO_BIN)
			to[n++] = special[i];
	for (size_t i = 1; measure_counts_fields(m) && i < m->n && n < SWELLING_MOST; i++)
		to[n++] = i;
	return n;
}

static void add_bins(struct null *null, const struct measure *m, double weight)
{
	size_t bins[SWELLING_MOST], n = swelling(m, bins);

	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < LENGTH(bin_shares); s++)
			add_bin(null, bins[i], bin_shares[s],
				weight / (double)(n * LENGTH(bin_shares)));
}

/* ---- numbers that shift ---- */

/* How far, in nats a record: the mean by a quarter of the deviation, and by three; the spread by a third, but not wider: where records
 * come in bursts kappa is small, and a small kappa takes each tail that is not empty for more than there should be (adult, every record
 * five times, shuffled: 1,841 alarms where 40 are allowed). */
static const struct shift {
	double nats;
	int power, sign;
} shifts[] = {{.03, 1, 1}, {.03, 1, -1}, {.25, 1, 1}, {.25, 1, -1}, {.05, 2, -1}};

/* A measure whose bins have an order, and a mean that lies in several of them. */
static bool is_ordered(const struct measure *m)
{
	return (m->kind == MEASURE_NUMERIC || m->kind == MEASURE_METRIC || m->kind == MEASURE_CONFIDENCE) && m->n_words == 0 && m->n_edges > 1;
}

static bool is_plain(const struct measure *m, size_t bin)
{
	return bin <= m->n_edges || bin == m->below || bin == m->above;
}

/* Wilcoxon's scores of the bins, or their squares, less their mean: 0 where a bin has no place in the order. Returns their variance. */
static double scores_make(const struct measure *m, const double *mean, int power, double *to)
{
	double all = 0, up_to = m->below == MEASURE_NO_BIN ? 0 : mean[m->below], centre = 0, variance = 0;

	for (size_t i = 0; i < m->n; i++)
		all += is_plain(m, i) ? mean[i] : 0;
	for (size_t i = 0; i < m->n; i++) {
		double middle = i == m->below ? up_to / 2 : i == m->above ? all - mean[i] / 2 : up_to + mean[i] / 2;
		if (i == m->below)
			middle = mean[i] / 2;
		up_to += i <= m->n_edges ? mean[i] : 0;
		to[i] = is_plain(m, i) ? pow(middle / all - .5, power) : 0;
		centre += mean[i] / all * to[i];
	}
	for (size_t i = 0; i < m->n; i++) {
		to[i] -= is_plain(m, i) ? centre : to[i];
		variance += mean[i] / all * to[i] * to[i];
	}
	return variance;
}

/* Shares of the bins that have an order, times factor; together they stay what they were. */
static void shifted(const double *mean, const double *factor, size_t k, double *to)
{
	double before = 0, after = 0;

	for (size_t i = 0; i < k; i++) {
		to[i] = mean[i] * (factor[i] > 0 ? factor[i] : 1);
		before += factor[i] > 0 ? mean[i] : 0;
		after += factor[i] > 0 ? to[i] : 0;
	}
	for (size_t i = 0; i < k; i++)
		to[i] *= factor[i] > 0 ? before / after : 1;
}

/* Least variance of scores, as a share of that of many even bins: nearly all records are in one bin. */
#define SHIFT_LEAST_VARIANCE .25

bool null_scores(const struct measure *m, const double *mean, int power, double *to)
{
	const double even[] = {1 / 12., 1 / 180.};

	return is_ordered(m) && scores_make(m, mean, power, to) > SHIFT_LEAST_VARIANCE * even[power - 1];
}

static void add_shift(struct null *null, const struct measure *m, struct shift shift, double weight)
{
	double *scores = mem_alloc(m->n * sizeof *scores), variance = scores_make(m, null->mean, shift.power, scores),
	       far = sqrt(2 * shift.nats / variance) * shift.sign, near = sqrt(2 * null->caution.followed / variance) * shift.sign;

	if (null_scores(m, null->mean, shift.power, scores) && fabs(far) > 1.2 * fabs(near)) {
		struct alternative *a = add(null, weight);
		a->kind = ALTERNATIVE_SHIFT;
		a->most = log1p((double)m->n_windows / measure_along_memory(m));
		a->mean = mem_alloc(2 * m->n * sizeof *a->mean);
		for (size_t i = 0; i < m->n; i++) {
			a->mean[i] = is_plain(m, i) ? exp(far * scores[i]) : 0;
			a->mean[m->n + i] = is_plain(m, i) ? exp(near * scores[i]) : 0;
		}
	}
	free(scores);
}

static void add_shifts(struct null *null, const struct measure *m, double weight)
{
	for (size_t i = 0; is_ordered(m) && i < LENGTH(shifts); i++)
		add_shift(null, m, shifts[i], weight / (double)LENGTH(shifts));
}

static void add_general(struct null *null, const struct measure *m)
{
	double k = (double)m->n,
	       loose[2] = {fmin(null->along / 8, 4 * k), fmin(null->along / 32, k / 2)};

	add_bins(null, m, .2);
	if (!caution_judged_along(m))
		return; /* it wanders: where to is no news; what it never held is */
	for (size_t i = 0; i < LENGTH(loose); i++) {
		struct alternative *a = add(null, .1);
		a->kind = ALTERNATIVE_LOOSE;
		a->kappa = loose[i];
		a->log_gammas = mem_alloc(m->n * sizeof *a->log_gammas);
	}
	for (size_t i = 0; i < TRACK_RECENTS; i++) {
		struct alternative *a = add(null, .2);
		a->kind = ALTERNATIVE_RECENT;
		a->which = i;
	}
	add_shifts(null, m, .4);
}

/* So that the weights sum to 1 whichever alternatives were left. */
static void weights_even(struct null *null)
{
	double sum = 0;

	for (size_t i = 0; i < null->n_alternatives; i++)
		sum += null->alternatives[i].weight;
	for (size_t i = 0; i < null->n_alternatives; i++)
		null->alternatives[i].weight /= sum;
}

/* What depends on the mean alone, for all windows of a bucket. */
static void gammas_make(struct null *null, size_t k)
{
	evidence_log_gammas(null->along, null->mean, k, null->log_gammas);
	for (size_t i = 0; i < null->n_alternatives; i++) {
		struct alternative *a = &null->alternatives[i];
		if (a->kind == ALTERNATIVE_LOOSE)
			evidence_log_gammas(a->kappa, null->mean, k, a->log_gammas);
	}
}

void null_make(struct null *null, const struct measure *m, const double *mean, double less,
	const struct caution *caution)
{
	*null = (struct null){.kappa = less * m->kappa, .along = less * (m->along.kappa > 0 ? m->along.kappa : m->kappa), .caution = *caution};
	null->mean = mem_alloc(3 * m->n * sizeof *null->mean);
	null->own = null->mean + m->n;
	null->log_gammas = null->own + m->n;
	memcpy(null->mean, mean, m->n * sizeof *mean);
	memcpy(null->own, mean, m->n * sizeof *mean);
	if (m->kind == MEASURE_P_VALUE)
		add_tilts(null, m);
	else if (m->kind == MEASURE_ACCURACY)
		add_bins(null, m, 1); /* that errors become fewer is no news */
	else
		add_general(null, m);
	weights_even(null);
	gammas_make(null, m->n);
}

void null_season(double *x, const double *factor, size_t k)
{
	double all = 0;

	for (size_t i = 0; i < k; i++)
		all += x[i] *= factor[i];
	for (size_t i = 0; i < k; i++)
		x[i] /= all;
}

void null_shift(struct null *null, const struct measure *m, const double *factor)
{
	if (factor == null->factor)
		return;
	null->factor = factor;
	memcpy(null->mean, null->own, m->n * sizeof *null->mean);
	null_season(null->mean, factor, m->n);
	for (size_t i = 0; i < null->n_alternatives; i++)
		if (null->alternatives[i].kind == ALTERNATIVE_BIN)
			bin_make(null, &null->alternatives[i]);
	gammas_make(null, m->n);
}

void null_done(struct null *null)
{
	for (size_t i = 0; i < null->n_alternatives; i++) {
		free(null->alternatives[i].mean);
		free(null->alternatives[i].log_gammas);
	}
	free(null->mean);
	*null = (struct null){0};
}

double null_predict(const struct null *null, const double *live, size_t k, double *to)
{
	double prior = null->caution.records, all = prior;

	for (size_t i = 0; i < k; i++)
		all += live[i];
	for (size_t i = 0; i < k; i++)
		to[i] = (prior * null->own[i] + live[i]) / all;
	return 1 / (1 / (null->along + 1) + 1 / (all + 1)) - 1;
}

double null_independent(double kappa, double n)
{
	return n > 0 ? n / (1 + (n - 1) / (kappa + 1)) : 0;
}

double null_shares(const double *counts, const double *toward, double faded, size_t k, double *to)
{
	double all, chance, chi2 = rises_spread(counts, toward, k, &all, &chance), moved;

	/* James & Stein: as far as more than chance has moved them, and its standard error. */
	chance *= fmin(1, faded * (1 + 3 * sqrt(2 / fmax((double)k - 1, 1))));
	moved = chi2 > chance ? 1 - chance / chi2 : 0;

	if (moved == 0) { /* most windows of most measures */
		memcpy(to, toward, k * sizeof *to);
		return 0;
	}
	for (size_t i = 0; i < k; i++)
		to[i] = toward[i] + moved * ((counts[i] + toward[i]) / (all + 1) - toward[i]);
	return moved;
}

/* Two bins, one and the rest: what is left of a Dirichlet-multinomial when one looks at one bin
 * alone. Most special bins are empty in most windows. The i-th record's term, log((kappa (1 - a) +
 * i) / (kappa (1 - m) + i)), is then at least kappa / (kappa + i) times the first (log(1 - u x) - u
 * log(1 - x) rises in x), and those fractions sum to at most `worth`: a lower bound of the
 * evidence, which is all that an e-value needs. */
static double bin_evidence(double kappa, const struct alternative *a, const struct seen *seen)
{
	double moved[2] = {a->share, 1 - a->share}, still[2] = {a->null_share, 1 - a->null_share};
	int64_t counts[2] = {seen->n[a->which], seen->all - seen->n[a->which]};

	if (counts[0] == 0)
		return a->empty * seen->worth;
	if (kappa > BIN_FAR)
		return evidence_ratio(kappa, moved, still, counts, 2);
	return pair_gammas(kappa, a, counts[0], counts[1]) - a->start;
}

/* The multinomial ratio to the power of independent records over records, which is an e-value for groups of equal records too
 * (Hoelder). Not the Dirichlet-multinomial one: by a small kappa a tail that is not empty is more than there should be. */
static double shift_evidence(const struct seen *seen, const double *far, const double *near)
{
	double sum = 0;

	for (size_t i = 0; i < seen->k; i++)
		if (seen->n[i])
			sum += (double)seen->n[i] * log(far[i] / near[i]);
	return sum * null_independent(seen->kappa, (double)seen->all) / (double)seen->all;
}

double null_evidence(
	const struct null *null, const struct alternative *a, const struct seen *seen, double *work)
{
	size_t k = seen->k;

	switch (a->kind) {
	case ALTERNATIVE_LOOSE:
		return evidence_dm_of(seen->rises, a->kappa, null->mean, a->log_gammas) - seen->best;
	case ALTERNATIVE_RECENT:
		if (seen->moved[a->which] == 0 ||
			evidence_nearest(seen->normal, seen->recent[a->which], null->caution.followed, k, work) == 1)
			return 0;
		return rises_ratio(seen->rises, seen->kappa, seen->recent[a->which], work);
	case ALTERNATIVE_SHIFT:
		shifted(seen->normal, a->mean, k, work);
		shifted(seen->normal, a->mean + k, k, work + k);
		return fmin(shift_evidence(seen, work, work + k), a->most);
	case ALTERNATIVE_BIN:
		return bin_evidence(null->kappa, a, seen);
	case ALTERNATIVE_TILT:
		mix(seen->normal, a->mean, a->share, k, work);
		return rises_sum(seen->rises, seen->kappa, work, NULL) - seen->normal_log;
	}
	return 0;
}
