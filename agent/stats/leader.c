/* SPDX-License-Identifier: Apache-2.0
 * Leader clustering of directions, in whole numbers. */
#include "stats/leader.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MOST_WIDTH (1 << 20)

/* 1 / length, or 0. */
static double scale_of(const float *x, size_t d)
{
	double squares = 0, scale;

	for (size_t j = 0; j < d; j++)
		squares += (double)x[j] * (double)x[j];
	scale = 1 / sqrt(squares);
	return isfinite(squares) && isfinite(scale) ? scale : 0;
}

bool leader_unit(const float *x, size_t d, float *to)
{
	double scale = scale_of(x, d);

	for (size_t j = 0; j < d && scale > 0; j++)
		to[j] = (float)((double)x[j] * scale);
	return scale > 0;
}

bool leader_rounded(const float *x, size_t d, int16_t *to)
{
	double scale = scale_of(x, d) * LEADER_ONE;

	for (size_t j = 0; j < d && scale > 0; j++)
		to[j] = (int16_t)lrint((double)x[j] * scale);
	return scale > 0;
}

struct leaders *leaders_open(size_t d, double radius, size_t most)
{
	struct leaders *l = mem_zero(1, sizeof *l);

	assert(d > 0 && d <= MOST_WIDTH && most > 0);
	*l = (struct leaders){.d = d, .most = most, .radius = radius};
	l->at = mem_zero(most, sizeof *l->at);
	return l;
}

void leaders_close(struct leaders *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->most; i++)
		free(l->at[i].sum);
	free(l->at);
	free(l);
}

void leader_settle(struct leader *g, size_t d)
{
	g->squares = 0;
	for (size_t j = 0; j < d; j++)
		g->squares += (double)g->sum[j] * (double)g->sum[j];
}

static double length_of(const int16_t *x, size_t d)
{
	int64_t length = 0;

	for (size_t j = 0; j < d; j++)
		length += x[j] * x[j];
	return (double)length;
}

static double chord(const struct leader *g, const int16_t *x, double length, size_t d)
{
	int64_t dot = 0;
	double squared;

	for (size_t j = 0; j < d; j++)
		dot += (int64_t)g->sum[j] * x[j];
	squared = 2 - 2 * (double)dot / sqrt(g->squares * length);
	return isfinite(squared) ? sqrt(squared > 0 ? squared : 0) : 2;
}

double leaders_distance(const struct leaders *l, size_t group, const int16_t *x)
{
	return l->at[group].n > 0 ? chord(&l->at[group], x, length_of(x, l->d), l->d) : 2;
}

double leaders_spread(const struct leaders *l, size_t group)
{
	const struct leader *g = &l->at[group];
	double length = g->n > 0 ? sqrt(g->squares) / g->lengths : 0;

	return sqrt(length < 1 ? 2 - 2 * length : 0);
}

/* Fewest for its age; those that are kept last. */
static size_t place_free(const struct leaders *l)
{
	size_t best = 0;
	double least = INFINITY;

	for (size_t i = 0; i < l->most; i++) {
		const struct leader *g = &l->at[i];
		double rate = (double)g->n / (double)(l->put - g->first + 1) + (g->kept ? 2 : 0);

		if (g->n == 0)
			return i;
		if (rate < least) {
			least = rate;
			best = i;
		}
	}
	return best;
}

size_t leaders_nearest(const struct leaders *l, const int16_t *x)
{
	size_t best = SIZE_MAX;
	double least = l->radius, length = length_of(x, l->d);

	for (size_t i = 0; i < l->most; i++) {
		double distance = l->at[i].n > 0 ? chord(&l->at[i], x, length, l->d) : 2;

		if (distance <= least) {
			least = distance;
			best = i;
		}
	}
	return best;
}

size_t leaders_put(struct leaders *l, const int16_t *x, bool *ret_new)
{
	size_t at = leaders_nearest(l, x);
	struct leader *g;

	if (ret_new)
		*ret_new = at == SIZE_MAX;
	if (at == SIZE_MAX) {
		at = place_free(l);
		free(l->at[at].sum);
		l->at[at] = (struct leader){.first = l->put, .sum = mem_zero(l->d, sizeof(int32_t))};
	}
	g = &l->at[at];
	for (size_t j = 0; j < l->d && g->n < LEADER_MOST_SUMMED; j++)
		g->sum[j] += x[j];
	if (g->n++ < LEADER_MOST_SUMMED) {
		g->lengths += sqrt(length_of(x, l->d));
		leader_settle(g, l->d);
	}
	l->put++;
	return at;
}

int64_t leaders_largest(const struct leaders *l)
{
	int64_t most = 0;

	for (size_t i = 0; i < l->most; i++)
		most = l->at[i].n > most ? l->at[i].n : most;
	return most;
}
