/* SPDX-License-Identifier: Apache-2.0
 * Which detectors count.
 *
 * A detector that disagrees with the consensus of the others on the reference ranks records the
 * wrong way round here, whatever it does elsewhere (trial: inverted scores correlate at -0.6,
 * useful ones at +0.65 and more): it is muted. The worst goes first and the rest are asked again,
 * so that one bad detector cannot take a good one with it.
 *
 * Those that see the raw features alone are only asked among themselves: what a model is unsure of and
 * what is rare are different things, and often opposite ones (adult: Spearman -0.34, while faults in
 * the features are found by the one and not by the other). */
#include "score/fit_work.h"

#include "base/mem.h"
#include "stats/rank.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_COMMON 30 /* records that all detectors scored, for ranks to mean something */

static void mute(struct reference_detector *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void mute(struct reference_detector *d, const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	d->weight = 0.0;
	d->muted = mem_copy_text(why);
}

static void mute_silent(struct reference_detector *d, const float *scores, size_t n)
{
	size_t scored = 0;
	float least = (float)INFINITY, most = -(float)INFINITY;

	for (size_t i = 0; i < n; i++)
		if (!isnan(scores[i])) {
			scored++;
			least = fminf(least, scores[i]);
			most = fmaxf(most, scores[i]);
		}
	if (scored == 0 || 2 * scored < n)
		mute(d, "it can score only %.1f %% of the records",
			n > 0 ? 100.0 * (double)scored / (double)n : 0.0);
	else if (!(least < most))
		mute(d, "it gives every record the same score");
}

/* Ranks of the records that every detector in question scored: n_detectors x n. */
struct ranks {
	double *at;
	size_t n;
};

static struct ranks ranks_make(const struct reference *r, const struct held *h)
{
	struct ranks ranks = {mem_zero(r->n_detectors * h->n + 1, sizeof *ranks.at), 0};
	double *x = mem_zero(h->n + 1, sizeof *x);
	uint8_t *common = mem_zero(h->n + 1, 1);

	for (size_t i = 0; i < h->n; i++) {
		common[i] = 1;
		for (size_t k = 0; k < r->n_detectors; k++)
			common[i] = common[i] && !(r->detectors[k].weight > 0.0 &&
							 isnan(h->score[k * h->n + i]));
		ranks.n += common[i];
	}
	for (size_t k = 0; k < r->n_detectors; k++) {
		size_t n = 0;

		for (size_t i = 0; i < h->n; i++)
			if (common[i])
				x[n++] = isnan(h->score[k * h->n + i])
						 ? -(double)INFINITY
						 : (double)h->score[k * h->n + i];
		rank_average(x, n, ranks.at + k * ranks.n);
	}
	free(common);
	free(x);
	return ranks;
}

static bool sees_features_only(const struct detector *d)
{
	return d->plugin->needs == OODD_NEEDS_FEATURES;
}

/* Spearman with the mean rank by the others of its kind that count; NaN when there are none. */
static double agreement(
	const struct work *w, const struct ranks *ranks, size_t of, double *consensus)
{
	const struct reference *r = w->r;
	bool any = false;

	memset(consensus, 0, ranks->n * sizeof *consensus);
	for (size_t k = 0; k < r->n_detectors; k++) {
		if (k == of || !(r->detectors[k].weight > 0.0) ||
			sees_features_only(&w->detectors[k]) != sees_features_only(&w->detectors[of]))
			continue;
		any = true;
		for (size_t i = 0; i < ranks->n; i++)
			consensus[i] += ranks->at[k * ranks->n + i];
	}
	return any ? rank_correlation(ranks->at + of * ranks->n, consensus, ranks->n) : (double)NAN;
}

/* Ranks that have nothing to do with one another correlate too: by 1 / sqrt(n), in their standard deviation. Only what is beyond
 * three of these is contrary; a detector that sees what no other does is not. */
static double contrary(const struct ranks *ranks)
{
	return -3.0 / sqrt((double)ranks->n);
}

/* The detector that counts and agrees least, SIZE_MAX when all agree. Of equals (two alone always
 * are) the later one, which its user named last. */
static size_t most_contrary(const struct work *w, const struct ranks *ranks, double *consensus)
{
	struct reference *r = w->r;
	size_t worst = SIZE_MAX;

	for (size_t k = 0; k < r->n_detectors; k++) {
		struct reference_detector *d = &r->detectors[k];

		d->agreement = agreement(w, ranks, k, consensus);
		if (d->weight > 0.0 && d->agreement < contrary(ranks) &&
			(worst == SIZE_MAX || d->agreement <= r->detectors[worst].agreement))
			worst = k;
	}
	return worst;
}

static void mute_contrary(const struct work *w, const struct held *h)
{
	struct reference *r = w->r;
	struct ranks ranks = ranks_make(r, h);
	double *consensus = mem_zero(ranks.n + 1, sizeof *consensus);
	size_t worst;

	while (ranks.n >= LEAST_COMMON && (worst = most_contrary(w, &ranks, consensus)) != SIZE_MAX)
		mute(&r->detectors[worst],
			"on the reference it ranks records against the other detectors (Spearman "
			"%.2f)",
			r->detectors[worst].agreement);
	free(consensus);
	free(ranks.at);
}

void detectors_mute(struct work *w)
{
	const struct held *h = &w->held[IN_CAL_A];

	for (size_t k = 0; k < w->r->n_detectors; k++)
		mute_silent(&w->r->detectors[k], h->score + k * h->n, h->n);
	mute_contrary(w, h);
}
