/* SPDX-License-Identifier: Apache-2.0
 * A slice beside the whole: hours logged in minutes move every slice of every tag, some of them days later for want of records; a
 * slice that breaks moves the whole a little. Each is one cause. From where the one stands follows where the other would be: the
 * slice's reference changed bin by bin in the whole's proportion, or the whole's by the slice's part of it. */
#include "judge/echo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "judge/caution.h"
#include "stats/evidence.h"

/* Of its own way (in KL) this much may be another than the whole's; and so much at least. */
#define ECHO_SHARE .25
#define ECHO_LEAST .02
/* Steps of the way there that are looked at. */
#define ECHO_STEPS 5

static double sum_of(const double *x, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++)
		sum += x[i];
	return sum;
}

/* Shares of counts, a record of the reference added: no bin is empty. */
static void shares_of(const double *counts, double n, const double *own, size_t k, double *to)
{
	for (size_t i = 0; i < k; i++)
		to[i] = (counts[i] + own[i]) / (n + 1);
}

/* Does the way from its own mean to `there` pass by `at`, as well as so many records can tell? One of them may be anything. */
static bool on_the_way(const double *own, const double *there, const double *at, double records, double z, size_t k, double *work)
{
	double far = fmax(ECHO_LEAST, ECHO_SHARE * evidence_kl(at, own, k));
	double allowed = fmax(far, special_chi2_quantile((double)k - 1, z) / (2 * records)), one = 1 / (records + 1);

	for (size_t step = 1; step <= ECHO_STEPS; step++) {
		double way = (double)step / ECHO_STEPS;
		for (size_t i = 0; i < k; i++)
			work[i] = (1 - one) * ((1 - way) * own[i] + way * there[i]) + one * at[i];
		if (evidence_kl(at, work, k) <= allowed)
			return true;
	}
	return false;
}

/* Where it stands: by what came when it was latched, else by the recent windows. */
static const double *stand_of(const struct track *t, double *ret_n)
{
	const double *at = track_latched(t) ? t->level : t->recent[1];

	*ret_n = sum_of(at, t->m->n);
	return at;
}

/* Is all that it has been lately on the way? `n` records are behind `there`. */
static bool lately(const struct track *t, const double *there, double n, double z)
{
	size_t k = t->m->n;
	double *at = mem_alloc(2 * k * sizeof *at);
	bool echo = true;

	for (size_t i = 0; i < TRACK_RECENTS && echo; i++) {
		const double *mine = sum_of(t->recent[i], k) >= 1 ? t->recent[i] : t->level;
		double records = sum_of(mine, k);
		shares_of(mine, records, t->calm.own, k, at);
		echo = on_the_way(t->calm.own, there, at, 1 / (1 / n + 1 / fmax(records, 1)), z, k, at + k);
	}
	free(at);
	return echo;
}

static bool comparable(const struct track *a, const struct track *b)
{
	return a->m->judged && b->m->judged && a->m->n == b->m->n && a->m->n > 1;
}

bool echo_of_whole(const struct track *slice, const struct track *whole, double z)
{
	size_t k = slice->m->n;
	double n, all, *there;
	bool echo;

	if (!comparable(slice, whole))
		return false;
	const double *counts = stand_of(whole, &n);
	if (n < 1)
		return false;
	there = mem_alloc(k * sizeof *there);
	shares_of(counts, n, whole->calm.own, k, there);
	for (size_t i = 0; i < k; i++)
		there[i] *= slice->calm.own[i] / whole->calm.own[i];
	all = sum_of(there, k);
	for (size_t i = 0; i < k; i++)
		there[i] /= all;
	echo = lately(slice, there, n, z);
	free(there);
	return echo;
}

bool echo_of_slice(const struct track *whole, const struct track *slice, double z)
{
	size_t k = whole->m->n;
	double n, share = slice->m->n_records / whole->m->n_records, all, *there;
	bool echo;

	if (!comparable(slice, whole) || !track_latched(slice) || !(share < 1))
		return false;
	const double *counts = stand_of(slice, &n);
	there = mem_alloc(k * sizeof *there);
	shares_of(counts, n, slice->calm.own, k, there);
	for (size_t i = 0; i < k; i++)
		there[i] = fmax(whole->calm.own[i] + share * (there[i] - slice->calm.own[i]), 1e-3 * whole->calm.own[i]);
	all = sum_of(there, k);
	for (size_t i = 0; i < k; i++)
		there[i] /= all;
	echo = lately(whole, there, n / share, z);
	free(there);
	return echo;
}
