/* SPDX-License-Identifier: Apache-2.0
 * Metrics by name, and thresholds by bins. */
#include "model/metric.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static bool others_have(const struct reference *r, const char *name)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind != MEASURE_METRIC &&
			strcmp(r->measures[i].name, name) == 0)
			return true;
	return false;
}

const char *metric_name(const struct reference *r, const struct measure *m)
{
	size_t n = sizeof METRIC_PREFIX - 1;

	return strncmp(m->name, METRIC_PREFIX, n) == 0 && others_have(r, m->name + n) ? m->name + n
										      : m->name;
}

const struct measure *metric_find(const struct reference *r, const char *name)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == MEASURE_METRIC &&
			strcmp(metric_name(r, &r->measures[i]), name) == 0)
			return &r->measures[i];
	return NULL;
}

double metric_before(double x)
{
	return nextafter(x, -(double)INFINITY);
}

/* First edge that is not below x. */
static size_t edge_at(const struct measure *m, double x)
{
	size_t k = 0;

	while (k < m->n_edges && m->edges[k] < x)
		k++;
	return k;
}

bool metric_edge_add(struct measure *m, double x)
{
	size_t k = edge_at(m, x), *special[] = {&m->below, &m->above, &m->other, &m->missing,
					    &m->mistyped};

	if (x < m->least)
		m->least = nextafter(x, (double)INFINITY);
	else if (x > m->most)
		m->most = x;
	if (x < m->least || x >= m->most || (k < m->n_edges && m->edges[k] == x))
		return true;
	if (m->n_edges == MEASURE_MOST_EDGES)
		return false;
	m->edges = mem_grow(m->edges, m->n_edges + 1, sizeof *m->edges);
	memmove(m->edges + k + 1, m->edges + k, (m->n_edges - k) * sizeof *m->edges);
	m->edges[k] = x;
	m->n_edges++;
	m->n++;
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		*special[i] += *special[i] != MEASURE_NO_BIN;
	if (m->sums != MEASURE_NO_BIN)
		m->sums++;
	return true;
}

bool metric_above(
	const struct measure *m, const int64_t *v, double x, int64_t *ret_n, int64_t *ret_above)
{
	const int64_t *count = v + m->first;
	size_t k = edge_at(m, x);
	bool all = x < m->least && nextafter(x, (double)INFINITY) >= m->least, none = x == m->most;

	if (m->n_words > 0 || (!all && !none && !(k < m->n_edges && m->edges[k] == x)))
		return false;
	*ret_n = *ret_above = 0;
	for (size_t i = 0; i <= m->n_edges; i++) {
		*ret_n += count[i];
		*ret_above += all || (!none && i > k) ? count[i] : 0;
	}
	*ret_n += m->below != MEASURE_NO_BIN ? count[m->below] : 0;
	*ret_n += m->above != MEASURE_NO_BIN ? count[m->above] : 0;
	*ret_above += m->above != MEASURE_NO_BIN ? count[m->above] : 0;
	return true;
}
