/* SPDX-License-Identifier: Apache-2.0
 * Which bin a value falls into, and how a bin reads. The search does the same steps for every value
 * of a measure, so the processor has nothing to guess wrong. */
#include "model/measure.h"

#include "base/note.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const measure_kind_words[] = {
	"p-value", "confidence", "class", "numeric", "category", "missing", "accuracy", "label", "fields", "metric", "layer",
	"statistic"};

void measure_done(struct measure *m)
{
	free(m->name);
	free(m->edges);
	for (size_t i = 0; i < m->n_words; i++)
		free(m->words[i]);
	free(m->words);
	free(m->base);
	free(m->mean);
	free(m->why);
	*m = (struct measure){0};
}

/* How many edges are below x: bin k is (e[k-1], e[k]]. */
static inline size_t edges_below(const double *edges, size_t n, double x)
{
	const double *at = edges;

	while (n > 1) {
		size_t half = n / 2;

		at += (at[half - 1] < x) * half;
		n -= half;
	}
	return (size_t)(at - edges) + (n == 1 && *at < x);
}

/* With `below` and `above`: beyond least and most. Without (no such bin): the outer bins are open.
 */
static inline size_t bin_of(const struct measure *m, double x)
{
	size_t bin = edges_below(m->edges, m->n_edges, x);

	bin = m->below != MEASURE_NO_BIN && x < m->least ? m->below : bin;
	return m->above != MEASURE_NO_BIN && x > m->most ? m->above : bin;
}

double measure_rounded(const struct measure *m, double x)
{
	double places = -ceil(log10(m->scale * 0x1p-20)), unit = pow(10, fabs(places)), units = places < 0 ? x / unit : x * unit;

	if (!(fabs(units) < 0x1p52))
		return x;
	return (places < 0 ? round(units) * unit : round(units) / unit) + 0.0; /* no -0 */
}

size_t measure_bin(const struct measure *m, double x)
{
	assert(m->n_words == 0 && !isnan(x));
	return bin_of(m, x);
}

/* A column at a time the edges are padded to 2^steps - 1, the same few steps for every value,
 * unrolled. */
struct padded {
	double edges[MEASURE_MOST_EDGES];
	double least, most;
	uint32_t first, below, above;
};

static unsigned padded_make(struct padded *p, const struct measure *m)
{
	unsigned steps = 4;

	while (m->n_edges > (1u << steps) - 1)
		steps++;
	for (size_t i = 0; i < (1u << steps) - 1; i++)
		p->edges[i] = i < m->n_edges ? m->edges[i] : (double)INFINITY;
	p->first = (uint32_t)m->first;
	p->below = (uint32_t)(m->first + m->below);
	p->above = (uint32_t)(m->first + m->above);
	/* Without a bin for what lies beyond, nothing does. */
	p->least = m->below != MEASURE_NO_BIN ? m->least : -(double)INFINITY;
	p->most = m->above != MEASURE_NO_BIN ? m->most : (double)INFINITY;
	return steps;
}

static inline __attribute__((always_inline)) void column_bins(const struct padded *p,
	unsigned steps, const double *x, size_t n, uint32_t *to, size_t stride)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t k = 0, bin;

		for (uint32_t half = 1u << (steps - 1); half > 0; half /= 2)
			k += p->edges[k + half - 1] < x[i] ? half : 0;
		bin = x[i] < p->least ? p->below : p->first + k;
		bin = x[i] > p->most ? p->above : bin;
		if (!isnan(x[i]))
			to[i * stride] = bin;
	}
}

void measure_bins(const struct measure *m, const double *x, size_t n, uint32_t *to, size_t stride)
{
	struct padded p;
	unsigned steps = padded_make(&p, m);

	assert(m->n_words == 0);
	switch (steps) {
	case 4:
		column_bins(&p, 4, x, n, to, stride);
		break;
	case 5:
		column_bins(&p, 5, x, n, to, stride);
		break;
	default:
		column_bins(&p, 6, x, n, to, stride);
	}
}

static const char *special_words(const struct measure *m, size_t bin)
{
	const struct {
		size_t bin;
		const char *words;
	} special[] = {
		{m->other, "never seen"},
		{m->missing, "missing"},
		{m->mistyped, "of another type"},
	};

	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		if (special[i].bin == bin)
			return special[i].words;
	return NULL;
}

/* These bins hold whole numbers: (2, 4] is "3 to 4". */
static void fields_words(const struct measure *m, size_t bin, char *to, size_t n)
{
	double low = bin > 0 ? m->edges[bin - 1] + 1.0 : 0.0;
	const char *what = m->kind == MEASURE_MISSING ? "missing" : "never seen before";

	if (bin == m->n_edges)
		snprintf(to, n, "%.0f or more fields %s", low, what);
	else if (m->edges[bin] > low)
		snprintf(to, n, "%.0f to %.0f fields %s", low, m->edges[bin], what);
	else
		snprintf(to, n, "%.0f field%s %s", low, low > 0 && low < 2 ? "" : "s", what);
}

static void interval_words(const struct measure *m, size_t bin, struct note *to)
{
	if (m->n_edges == 0 && m->below == MEASURE_NO_BIN) {
		note_text(to, "any");
		return;
	}
	note_text(to, m->n_edges == 0 ? "" : bin == 0 ? "<= " : bin == m->n_edges ? "> " : "(");
	note_number(to, m->n_edges == 0 ? m->least : m->edges[bin ? bin - 1 : 0], 6);
	if (m->n_edges > 0 && (bin == 0 || bin == m->n_edges))
		return;
	note_text(to, m->n_edges == 0 ? " to " : ", ");
	note_number(to, m->n_edges == 0 ? m->most : m->edges[bin], 6);
	note_text(to, m->n_edges == 0 ? "" : "]");
}

const char *measure_bin_words(const struct measure *m, size_t bin, char *to, size_t n)
{
	const char *special = special_words(m, bin);
	struct note note = note_open(to, n);

	assert(bin < m->n);
	if (special)
		note_text(&note, special);
	else if (bin == m->below || bin == m->above) {
		note_text(&note, bin == m->below ? "< " : "> ");
		note_number(&note, bin == m->below ? m->least : m->most, 6);
		note_text(&note, " (beyond the reference)");
	} else if (m->n_words > 0)
		note_text(&note, m->words[bin]);
	else if (measure_counts_fields(m))
		fields_words(m, bin, to, n);
	else
		interval_words(m, bin, &note);
	return to;
}
