/* SPDX-License-Identifier: Apache-2.0
 * What explaining wants of a reference, learned after the detectors: the names of records that they point at, p-values of
 * families, how far apart records of one kind are, and how many flagged ones come in one group although nothing is new. All of
 * it is measured on cal-B, against the fit part. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "score/family.h"
#include "stats/leader.h"
#include "stats/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAMED 20000 /* records that are kept by name */
/* Nearest neighbours are looked for from and among so many records: some 5 G multiplications at 768 dimensions. */
#define MOST_ASKING 800
#define MOST_BANK 8000

/* Names. */

static int row_number_order(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Numbers of fit rows that some detector may name, rising, each once. */
static size_t rows_named(const struct work *w, int64_t **ret)
{
	int64_t *all = NULL;
	size_t n = 0, kept = 0;

	for (size_t k = 0; k < w->r->n_detectors; k++) {
		const struct detector *d = &w->detectors[k];
		int64_t more = d->plugin->rows ? d->plugin->rows(d->state, NULL, 0) : 0;

		if (more <= 0 || more > MOST_NAMED - (int64_t)n)
			continue;
		all = mem_grow(all, n + (size_t)more, sizeof *all);
		d->plugin->rows(d->state, all + n, (size_t)more);
		n += (size_t)more;
	}
	if (n > 1)
		qsort(all, n, sizeof *all, row_number_order);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || all[i] != all[kept - 1])
			all[kept++] = all[i];
	*ret = all;
	return kept;
}

static char *text_or_none(struct text t)
{
	return mem_copy_span(t.at ? t.at : "", t.at ? t.n : 0);
}

static void rows_keep(struct work *w)
{
	const struct fit *f = w->f;
	int64_t *numbers, number = 0;
	size_t n = rows_named(w, &numbers), at = 0;

	w->r->rows = mem_zero(n + 1, sizeof *w->r->rows);
	for (size_t i = 0; i < f->n_rows && at < n; i++) {
		const struct batch *b = f->batches[f->rows[i].batch];

		if (f->rows[i].part != IN_FIT)
			continue;
		while (at < n && numbers[at] < number) /* of a detector that counts otherwise: no name */
			at++;
		if (at < n && numbers[at] == number) {
			w->r->rows[w->r->n_rows++] = (struct reference_row){
				number, text_or_none(b->id[f->rows[i].row]), text_or_none(b->prediction[f->rows[i].row])};
			at++;
		}
		number++;
	}
	free(numbers);
}

/* Families. */

static void families_learn(struct work *w, const struct held *h)
{
	int *family = mem_zero(w->r->n_detectors + 1, sizeof *family);
	float *surprise = mem_alloc((h->n + 1) * sizeof *surprise);
	struct score_table *to[] = {&w->r->odd.logits, &w->r->odd.space, &w->r->odd.features};

	for (size_t k = 0; k < w->r->n_detectors; k++)
		family[k] = family_of(w->detectors[k].plugin);
	for (int f = 0; f < ODD_FAMILY_N; f++) {
		for (size_t i = 0; i < h->n; i++)
			surprise[i] = family_surprise(w->r, family, (enum odd_family)f, h->p, h->n, i);
		score_table_make(to[f], surprise, h->n, w->f->o.knots);
	}
	free(surprise);
	free(family);
}

/* Distances. */

/* Up to `most` rows of a part, evenly spaced, of length 1; those without a direction left out. Returns how many. */
static size_t units_gather(const struct fit *f, enum part part, size_t most, float **ret)
{
	size_t all = fit_rows_in(f, part), d = f->n_embedding, met = 0, taken = 0, n = 0;
	float *to = mem_alloc((most < all ? most : all) * d * sizeof *to + 1);

	for (size_t i = 0; i < f->n_rows && taken < most; i++) {
		const struct batch *b = f->batches[f->rows[i].batch];

		if (f->rows[i].part != part || ++met * most / all == taken)
			continue;
		if (all > most)
			taken++;
		if (b->n_embedding == d && leader_unit(b->embedding + f->rows[i].row * d, d, to + n * d))
			n++;
	}
	*ret = to;
	return n;
}

static double nearest_distance(const float *x, const float *bank, size_t n, size_t d)
{
	double best = -1;

	for (size_t i = 0; i < n; i++) {
		float dot[8] = {0}, sum = 0;
		size_t j = 0;

		for (; j + 8 <= d; j += 8)
			for (size_t l = 0; l < 8; l++)
				dot[l] += x[j + l] * bank[i * d + j + l];
		for (; j < d; j++)
			sum += x[j] * bank[i * d + j];
		for (size_t l = 0; l < 8; l++)
			sum += dot[l];
		best = (double)sum > best ? (double)sum : best;
	}
	return best < 1 ? sqrt(2 - 2 * best) : 0;
}

static void distances_learn(struct work *w)
{
	const struct fit *f = w->f;
	size_t d = f->n_embedding, n, n_bank;
	float *x, *bank;
	double *distance;

	if (d == 0)
		return;
	n_bank = units_gather(f, IN_FIT, MOST_BANK, &bank);
	n = units_gather(f, IN_CAL_B, MOST_ASKING, &x);
	distance = mem_alloc((n + 1) * sizeof *distance);
	for (size_t i = 0; i < n; i++)
		distance[i] = nearest_distance(x + i * d, bank, n_bank, d);
	if (n >= 20 && n_bank >= 20) {
		quantile_sort(distance, n);
		w->r->odd.near_ = quantile_sorted(distance, n, .01);
		w->r->odd.radius = quantile_sorted(distance, n, .95);
	}
	free(distance);
	free(x);
	free(bank);
}

/* The largest group among the flagged of cal-A and cal-B, in the order of time: by the very p-values that would flag them. */
static void group_learn(struct work *w)
{
	const struct fit *f = w->f;
	struct leaders *leaders = w->r->odd.radius > 0 ? leaders_open(f->n_embedding, w->r->odd.radius, LEADERS_MOST) : NULL;
	int16_t *rounded = mem_alloc((f->n_embedding + 1) * sizeof *rounded);
	double *fused[PARTS] = {NULL};
	size_t at[PARTS] = {0};

	for (int part = IN_CAL_A; part <= IN_CAL_B; part++) {
		const struct held *h = &w->held[part];

		fused[part] = mem_alloc((h->n + 1) * sizeof **fused);
		calibrate_fuse(w->calibration, h->hash, h->p, h->surprise, h->n, fused[part]);
		w->r->odd.n_held += (int64_t)h->n;
	}
	for (size_t i = 0; i < f->n_rows && leaders; i++) {
		const struct batch *b = f->batches[f->rows[i].batch];
		int part = f->rows[i].part;

		if (part != IN_CAL_A && part != IN_CAL_B)
			continue;
		if (fused[part][at[part]++] <= w->r->flag_rate && b->n_embedding == f->n_embedding &&
			leader_rounded(b->embedding + f->rows[i].row * b->n_embedding, b->n_embedding, rounded))
			leaders_put(leaders, rounded, NULL);
	}
	w->r->odd.n_group = leaders ? leaders_largest(leaders) : 0;
	leaders_close(leaders);
	free(rounded);
	free(fused[IN_CAL_A]);
	free(fused[IN_CAL_B]);
}

static void classes_count(struct work *w)
{
	struct reference_odd *o = &w->r->odd;

	o->n_classes = w->r->n_classes;
	o->classes = mem_zero(o->n_classes + 1, sizeof *o->classes);
	for (int part = IN_CAL_A; part <= IN_CAL_B; part++)
		for (size_t i = 0; i < w->held[part].n; i++) {
			int32_t class = w->held[part].predicted[i];

			if (class >= 0 && (size_t)class < o->n_classes)
				o->classes[class]++;
		}
}

void odd_learn(struct work *w)
{
	const struct held *h = &w->held[IN_CAL_B];

	rows_keep(w);
	classes_count(w);
	families_learn(w, h);
	distances_learn(w);
	group_learn(w);
}
