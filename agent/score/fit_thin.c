/* SPDX-License-Identifier: Apache-2.0
 * Of the detectors that nobody asked for by name, those that add nothing are left out of the reference: they cost time with every
 * record. Two that rank records alike (all of the softmax family on two classes) would also count twice. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "stats/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIKE 0.9995  /* Spearman on cal-A */
#define LIGHT 0.05    /* of the mean weight */
#define LEAST_ROWS 30

static void column_drop(void *at, size_t k, size_t columns, size_t n, size_t size)
{
	char *from = at;

	memmove(from + k * n * size, from + (k + 1) * n * size, (columns - k - 1) * n * size);
}

static void drop(struct work *w, size_t k)
{
	struct reference *r = w->r;
	struct held *h = &w->held[IN_CAL_A];

	detector_detach(&w->detectors[k]);
	column_drop(w->detectors, k, r->n_detectors, 1, sizeof *w->detectors);
	w->detectors[r->n_detectors - 1] = (struct detector){0};
	column_drop(h->score, k, r->n_detectors, h->n, sizeof *h->score);
	column_drop(h->p, k, r->n_detectors, h->n, sizeof *h->p);
	column_drop(h->surprise, k, r->n_detectors, h->n, sizeof *h->surprise);
	reference_detector_done(&r->detectors[k]);
	column_drop(r->detectors, k, r->n_detectors, 1, sizeof *r->detectors);
	for (size_t i = 0; i < r->n_ways; i++) {
		column_drop(r->ways[i].weights, k, r->n_detectors, 1, sizeof *r->ways[i].weights);
		r->ways[i].n_weights--;
	}
	r->n_detectors--;
}

/* Spearman over the rows that both scored; 0 where one scored rows that the other did not. */
static double likeness(const struct held *h, size_t a, size_t b, double *x, double *y)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		float p = h->score[a * h->n + i], q = h->score[b * h->n + i];

		if (isnan(p) != isnan(q))
			return 0.0;
		if (isnan(p))
			continue;
		x[n] = (double)p;
		y[n++] = (double)q;
	}
	return n < LEAST_ROWS ? 0.0 : rank_correlation(x, y, n);
}

static size_t first_alike(const struct work *w, size_t k, double *x, double *y)
{
	size_t i = 0;

	while (i < k && !(likeness(&w->held[IN_CAL_A], i, k, x, y) >= ALIKE))
		i++;
	return i;
}

void detectors_thin_alike(struct work *w)
{
	size_t n = w->held[IN_CAL_A].n;
	double *x = mem_zero(n + 1, sizeof *x), *y = mem_zero(n + 1, sizeof *y);

	for (size_t k = 1; k < w->r->n_detectors;) {
		size_t like = first_alike(w, k, x, y);

		if (like == k) {
			k++;
			continue;
		}
		fit_note(w->f, "not kept: %s ranks records as %s does", w->r->detectors[k].name, w->r->detectors[like].name);
		drop(w, k);
	}
	free(x);
	free(y);
}

void detectors_thin_light(struct work *w)
{
	calibration_close(w->calibration);
	w->calibration = NULL;
	for (size_t k = w->r->n_detectors; k-- > 0;) {
		const struct reference_detector *d = &w->r->detectors[k];

		if (d->muted || d->weight >= LIGHT)
			continue;
		fit_note(w->f, "not kept: %s would add nothing to the others (weight %.3f, AUROC of made-up odd records %.3f)", d->name,
			d->weight, d->pseudo_auroc);
		drop(w, k);
	}
	w->calibration = calibration_open(w->r);
}
