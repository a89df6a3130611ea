/* SPDX-License-Identifier: Apache-2.0
 * What made-up streams share: draws, and the three measures (p-value, class, size) that their references hold. */
#ifndef TESTS_JUDGE_MADE_H
#define TESTS_JUDGE_MADE_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/reference.h"

#define MADE_P_EDGES 7

/* Which of n, with these shares; the last where they do not sum to 1. */
static inline size_t made_pick(const double *shares, size_t n)
{
	double at = drand48();
	size_t i = 0;

	while (i + 1 < n && at >= shares[i])
		at -= shares[i++];
	return i;
}

static inline struct measure made_measure(const char *name, enum measure_kind kind, size_t first, size_t n)
{
	return (struct measure){.name = mem_copy_text(name),
		.kind = kind,
		.first = first,
		.n = n,
		.below = MEASURE_NO_BIN,
		.above = MEASURE_NO_BIN,
		.other = MEASURE_NO_BIN,
		.missing = MEASURE_NO_BIN,
		.mistyped = MEASURE_NO_BIN,
		.sums = MEASURE_NO_BIN,
		.scale = 1};
}

static inline void made_edges(struct measure *m, const double *edges, size_t n)
{
	m->edges = mem_copy(edges, n * sizeof *edges);
	m->n_edges = n;
}

static inline struct measure made_p_value(size_t first, size_t n)
{
	static const double edges[MADE_P_EDGES] = {.005, .01, .02, .05, .1, .25, .5};
	struct measure m = made_measure("p-value", MEASURE_P_VALUE, first, n);

	made_edges(&m, edges, MADE_P_EDGES);
	return m;
}

/* Those words, and one bin for others. */
static inline struct measure made_class(size_t first, const char *const *words, size_t n)
{
	struct measure m = made_measure("class", MEASURE_CLASS, first, n + 1);

	m.words = mem_alloc(n * sizeof *m.words);
	m.n_words = n;
	for (size_t i = 0; i < n; i++)
		m.words[i] = mem_copy_text(words[i]);
	m.other = n;
	return m;
}

/* A number around 25, its bins a standard deviation of 10 apart. */
static inline struct measure made_size(size_t first, size_t n, size_t sums, double least)
{
	static const double edges[] = {10, 20, 30, 40};
	struct measure m = made_measure("size", MEASURE_NUMERIC, first, n);

	made_edges(&m, edges, 4);
	m.least = least, m.most = 50;
	m.sums = sums;
	m.centre = 25, m.scale = 10;
	return m;
}

#endif
