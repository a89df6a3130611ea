/* SPDX-License-Identifier: Apache-2.0
 * True positive rates of slices against the rest (Hardt, Price & Srebro 2016), as slice_gap.c compares any share; labels of one
 * window are worth fewer where windows of labels vary. */
#include "judge/performance_slices.h"

#include "base/mem.h"
#include "judge/caution.h"
#include "judge/null.h"
#include "judge/slice_gap.h"

#include <math.h>
#include <stdio.h>

#define LEAST_LABELS 30
#define MOST_GAPS 32

struct rates {
	double k[4], n[4]; /* inside, rest, inside then, rest then */
};

static const int64_t *cell(const struct reference *r, const int64_t *counts, size_t row, size_t class)
{
	return counts + (row * r->n_classes + class) * 2;
}

static bool rates_of(const struct reference *r, const int64_t *counts, size_t slice, size_t class, struct rates *to)
{
	bool enough = r->classes[class][0] != '\0';

	for (size_t then = 0; then < 2; then++) {
		const int64_t *from = then ? r->performance.opportunity : counts;
		const int64_t *all = cell(r, from, 0, class), *in = cell(r, from, slice + 1, class);

		to->n[2 * then] = (double)in[0];
		to->k[2 * then] = (double)in[1];
		to->n[2 * then + 1] = (double)(all[0] - in[0]);
		to->k[2 * then + 1] = (double)(all[1] - in[1]);
		enough = enough && in[0] >= LEAST_LABELS && all[0] - in[0] >= LEAST_LABELS;
	}
	return enough;
}

/* As many labels as they are worth. */
static void worth(const struct reference *r, struct rates *x, int64_t windows)
{
	const struct measure *m = &r->performance.truth->measures[0];
	double kappa = m->n_windows < CAUTION_LEAST_WINDOWS ? CAUTION_USUAL_KAPPA : m->kappa;

	for (size_t i = 0; i < 2; i++) {
		double each = x->n[i] / (double)windows, part = 1 / fmax(m->memory, 1);

		if (each > 1)
			part *= null_independent(kappa, each) / each;
		x->n[i] *= part;
		x->k[i] *= part;
	}
}

static void words_fill(struct slice_gap *g)
{
	snprintf(g->what, sizeof g->what, "share of %.60s found", g->name);
	snprintf(g->words, sizeof g->words, "of the records truly %.60s, %.1f %% are found in %.60s %.60s and %.1f %% in the rest (%.1f %% and %.1f %% in the reference)",
		g->name, 100 * g->inside, g->tag, g->value, 100 * g->rest, 100 * g->before, 100 * g->before_rest);
}

/* News first, then by size. */
static void insert(struct slice_gaps *to, const struct slice_gap *g)
{
	size_t at = to->n < MOST_GAPS ? to->n++ : MOST_GAPS;

	while (at > 0 && ((g->news && !to->at[at - 1].news) ||
				 (g->news == to->at[at - 1].news && fabs(g->inside - g->rest) > fabs(to->at[at - 1].inside - to->at[at - 1].rest)))) {
		if (at < MOST_GAPS)
			to->at[at] = to->at[at - 1];
		at--;
	}
	if (at < MOST_GAPS)
		to->at[at] = *g;
}

void performance_slices_find(const struct reference *r, const int64_t *counts, int64_t windows, struct slice_gaps *to)
{
	size_t compared = 0;
	struct rates x;

	*to = (struct slice_gaps){0};
	if (r->performance.n_opportunity == 0 || !r->performance.truth || r->performance.truth->n_measures == 0 || windows <= 0)
		return;
	for (size_t s = 0; s < r->slices.n; s++)
		for (size_t c = 0; c < r->n_classes; c++)
			compared += rates_of(r, counts, s, c, &x);
	if (compared == 0)
		return;
	to->at = mem_zero(MOST_GAPS, sizeof *to->at);
	for (size_t s = 0; s < r->slices.n; s++)
		for (size_t c = 0; c < r->n_classes; c++) {
			struct slice_gap g = {.tag = r->slices.at[s].tag, .value = r->slices.at[s].value, .name = r->classes[c], .share = NAN, .of_records = NAN};

			if (!rates_of(r, counts, s, c, &x))
				continue;
			g.n = (int64_t)x.n[0];
			worth(r, &x, windows);
			slice_gap_shares(x.k, x.n, (1 - SLICE_LEVEL) / 2 / (double)compared, &g);
			words_fill(&g);
			if (g.differs || g.news)
				insert(to, &g);
		}
}
