/* SPDX-License-Identifier: Apache-2.0
 * The e-detectors of one measure, and its latch. See track.h for the states, README.md for why. */
#include "judge/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "judge/null.h"
#include "judge/pace.h"
#include "stats/evidence.h"

/* Windows from which the level is learned that a measure has moved to. */
#define SETTLE_WINDOWS 3
/* It is back when normal explains what came since a hundred times better than the level; one window
 * counts for e^3 at most, so that it takes two. */
#define BACK_LOG 4.6
#define BACK_MOST 3.0
/* Where level and normal cannot be told apart (it was over before it settled), it is back after a
 * dozen windows. */
#define BACK_DRIFT .4
/* An alternative that is as good as the null gains nothing from window to window, yet (M + 1) e
 * would grow for ever: what was gathered fades by so much a window. It makes e-values smaller, so
 * that no promise is hurt. */
#define FADE .1
/* An e-detector that would be below this (log) is 0. */
#define NOTHING_LOG -5.0
/* Below this the e-detectors of a measure have nothing in hand (fading alone leaves up to log 10):
 * what rises next begins here. */
#define LOW_M 20.085536923187668 /* e^3 */
/* So many windows without a rise, and what comes next is another story. */
#define STALE_WINDOWS 3
/* A known shift must move on by a quarter of what it was (in KL) to be news, and by more than a
 * doubtful effect. */
#define NEWS_SHARE .25
#define NEWS_LEAST .02
/* A level of a few dozen records would follow whatever moves on from it: it stays, with a ball around it. */
#define KNOWN_RECORDS 1e9

void track_reset(struct track *t)
{
	size_t k = t->m->n;

	null_done(&t->known);
	t->state = TRACK_CALM;
	memset(t->live, 0, k * sizeof *t->live);
	for (size_t i = 0; i < TRACK_MOST_ALTERNATIVES; i++)
		t->e_detector[i] = 0;
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		memset(t->recent[i], 0, k * sizeof *t->recent[i]);
	memset(t->level, 0, k * sizeof *t->level);
	t->n_level = 0;
	t->back = 0;
	t->stale = 0;
	t->latched_us = TIME_NONE;
}

void track_open(struct track *t, const struct measure *m, double smallest_effect)
{
	double least = caution_smallest(m, smallest_effect) / 2, records = m->along.n_effective > 0 ? m->along.n_effective : m->n_effective;

	if (m->kind == MEASURE_P_VALUE)
		records = fmin(records, caution_fixed_records(least));

	*t = (struct track){.m = m, .pace = pace_of(m)};
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		t->recent[i] = mem_alloc(m->n * sizeof *t->recent[i]);
	t->level = mem_alloc(m->n * sizeof *t->level);
	t->live = mem_alloc(m->n * sizeof *t->live);
	for (size_t i = 0; i < sizeof t->work / sizeof *t->work; i++)
		t->work[i] = mem_alloc((i ? 1 : 2) * m->n * sizeof *t->work[i]);
	t->rises.groups = mem_alloc(rises_room(m->n) * sizeof *t->rises.groups);
	if (m->judged)
		null_make(&t->calm, m, m->mean, 1, &(struct caution){.tolerance = fmax(m->tolerance, least),
			.fixed_radius = fmax(caution_fixed_radius(m->n_effective), least),
			.records = records,
			.followed = caution_followed_radius(least, records)});
	track_reset(t);
}

void track_done(struct track *t)
{
	null_done(&t->calm);
	null_done(&t->known);
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		free(t->recent[i]);
	free(t->level);
	free(t->live);
	for (size_t i = 0; i < sizeof t->work / sizeof *t->work; i++)
		free(t->work[i]);
	free(t->rises.groups);
}

static const struct null *null_of(const struct track *t)
{
	return t->state == TRACK_KNOWN ? &t->known : &t->calm;
}

static double sum_of(const double *x, size_t k)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++)
		sum += x[i];
	return sum;
}

/* to = keep * to + the window, in independent records, as it would be without the season. */
static void fade_in(const struct track *t, double *to, double keep, const int64_t *n, double kappa)
{
	size_t k = t->m->n;
	const double *factor = t->factor;
	double all = (double)t->rises.all, plain = all, worth = null_independent(kappa, all);

	for (size_t i = 0; factor && i < k; i++)
		plain += (double)n[i] * (1 / factor[i] - 1);
	worth /= plain;
	if (factor)
		for (size_t i = 0; i < k; i++)
			to[i] = keep * to[i] + worth * (double)n[i] / factor[i];
	else
		for (size_t i = 0; i < k; i++)
			to[i] = keep * to[i] + worth * (double)n[i];
}

static void in_season(const struct track *t, double *shares)
{
	if (t->factor)
		null_season(shares, t->factor, t->m->n);
}

/* What a recovering measure passes through on its way back is no news. */
static double best_on_the_way_back(const struct track *t)
{
	size_t k = t->m->n;
	double half = evidence_dm_of(&t->rises, t->calm.along, t->calm.mean, t->calm.log_gammas);

	for (size_t i = 0; i < k; i++)
		t->work[0][i] = (t->calm.mean[i] + t->known.mean[i]) / 2;
	return fmax(half, evidence_dm_of(&t->rises, t->calm.along, t->work[0], NULL));
}

/* M: of the weighted average. */
static double average(const struct track *t)
{
	const struct null *null = null_of(t);
	double sum = 0;

	for (size_t i = 0; i < null->n_alternatives && t->state != TRACK_SETTLING; i++)
		sum += null->alternatives[i].weight * t->e_detector[i];
	return sum;
}

double track_log_m(const struct track *t)
{
	return log(average(t));
}

/* What follows from the reference and from what came since. */
static void see_normal(struct track *t, const struct null *null, struct seen *seen)
{
	double *plain = t->work[1 + TRACK_RECENTS], *normal = t->work[2 + TRACK_RECENTS];

	seen->normal = normal;
	seen->kappa = null_predict(null, t->live, seen->k, plain);
	memcpy(normal, plain, seen->k * sizeof *normal);
	in_season(t, normal);
}

/* For RECENT: no further from what is foretold than chance would have them. */
static void see_recents(struct track *t, struct seen *seen)
{
	const double *plain = t->work[1 + TRACK_RECENTS];

	for (size_t i = 0; i < TRACK_RECENTS; i++) {
		seen->recent[i] = t->work[1 + i];
		seen->moved[i] = null_shares(t->recent[i], plain, 1 / (1 + pace_kept(t->pace, recent_rates[i])), seen->k, seen->recent[i]);
		if (seen->moved[i] > 0) /* else it says nothing */
			in_season(t, seen->recent[i]);
	}
}

/* The mean of the null nearest to the window itself: none of the null explains it better. */
static void see_best(struct track *t, const struct null *null, struct seen *seen)
{
	double all = (double)seen->all;

	/* A share of 0 has no logarithm; the nearest mean is interior anyhow. */
	for (size_t i = 0; i < seen->k; i++)
		t->work[0][i] = .999 / all * (double)seen->n[i] + .001 * null->mean[i];
	evidence_nearest(null->mean, t->work[0], null->caution.tolerance, seen->k, t->work[0]);
	seen->best = fmax(seen->best, evidence_dm_of(&t->rises, null->along, t->work[0], NULL));
	seen->is_best = true;
}

static void see(struct track *t, const struct null *null, const int64_t *n, struct seen *seen)
{
	*seen = (struct seen){.n = n, .k = t->m->n, .rises = &t->rises, .all = t->rises.all};
	seen->worth = 1 + null->kappa * log1p((double)seen->all / null->kappa);
	if (t->m->kind != MEASURE_P_VALUE || t->state == TRACK_KNOWN)
		seen->best = evidence_dm_of(&t->rises, null->along, null->mean, null->log_gammas);
	if (t->state == TRACK_KNOWN)
		see_best(t, null, seen);
	see_normal(t, null, seen);
	if (t->m->kind == MEASURE_P_VALUE)
		seen->normal_log = rises_sum(seen->rises, seen->kappa, seen->normal, NULL);
	else
		see_recents(t, seen);
}

/* Of LOOSE: log_e against the null's own mean is more than against its best, which is dear. What would leave next to nothing even so is
 * taken as 0: less than an e-value is one still. */
static double against_best(struct track *t, const struct null *null, size_t i, double log_e, struct seen *seen)
{
	double plain = seen->best, left = log_e / measure_along_memory(t->m);

	if (!seen->is_best && left < NOTHING_LOG && left + log1p(t->e_detector[i]) < NOTHING_LOG)
		return -INFINITY;
	if (!seen->is_best)
		see_best(t, null, seen);
	return log_e - (seen->best - plain);
}

/* Evidence for and against, and the e-detectors moved by it. */
static double detect(struct track *t, const int64_t *n, double before)
{
	const struct null *null = null_of(t);
	double excuse = 0, log_e[TRACK_MOST_ALTERNATIVES];
	bool tilt = t->m->kind == MEASURE_P_VALUE; /* fixed, and outside the null: cannot linger */
	struct seen seen;

	see(t, null, n, &seen);
	if (t->state == TRACK_KNOWN) /* how much better recovery explains it than the known level */
		excuse = fmax(0, best_on_the_way_back(t) - seen.best);
	for (size_t i = 0; i < null->n_alternatives; i++) {
		double e = null_evidence(null, &null->alternatives[i], &seen, t->work[0]);

		if (null->alternatives[i].kind == ALTERNATIVE_LOOSE)
			e = against_best(t, null, i, e, &seen);
		log_e[i] = (e - excuse) / null_memory(t->m, &null->alternatives[i]) - (tilt ? 0 : FADE * t->pace);
	}
	evidence_steps(t->e_detector, log_e, null->n_alternatives);
	return log(average(t)) - log1p(before);
}

/* Live traffic corrects what the reference knows of normal: of p-values by half at most, for more small ones are what is looked for;
 * else until a fifth is left of the reference's own error, so that it cannot add up. */
static void live_add(struct track *t, const int64_t *n)
{
	const struct null *null = null_of(t);
	size_t k = t->m->n;
	double most = (t->m->kind == MEASURE_P_VALUE ? 1 : CAUTION_FOLLOWED) * null->caution.records, all;

	fade_in(t, t->live, 1, n, null->along / measure_along_memory(t->m));
	all = sum_of(t->live, k);
	for (size_t i = 0; i < k && all > most; i++)
		t->live[i] *= most / all;
}

/* log of how much better normal explains the window than the level does. */
static double normal_again(struct track *t)
{
	size_t k = t->m->n;

	null_shares(t->level, t->calm.own, 1, k, t->work[1]);
	in_season(t, t->work[1]);
	evidence_nearest(t->calm.mean, t->work[1], t->calm.caution.fixed_radius, k, t->work[0]);
	return rises_ratio(&t->rises, t->calm.kappa, t->work[0], t->work[1]) / t->m->memory;
}

/* The level a measure has settled at is a reference of its own, learned from few records. */
static void know(struct track *t)
{
	size_t k = t->m->n;
	double apart, least, radius, records = sum_of(t->level, k);
	bool tilt = t->m->kind == MEASURE_P_VALUE;

	null_shares(t->level, t->calm.own, 1, k, t->work[1]);
	apart = evidence_kl(t->calm.own, t->work[1], k);
	least = fmax(NEWS_LEAST, NEWS_SHARE * apart);
	radius = fmax(least, caution_radius(k, records) / CAUTION_STRETCH);
	null_make(&t->known, t->m, t->work[1], .5,
		&(struct caution){.tolerance = radius,
			.fixed_radius = fmax(least, caution_fixed_radius(records)),
			.records = tilt ? fmin(records, caution_fixed_records(least)) : KNOWN_RECORDS,
			.followed = radius});
	t->state = TRACK_KNOWN;
	memset(t->live, 0, k * sizeof *t->live);
	for (size_t i = 0; i < TRACK_MOST_ALTERNATIVES; i++)
		t->e_detector[i] = 0;
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		memset(t->recent[i], 0, k * sizeof *t->recent[i]);
}

/* A latched measure: is it back, or does it move on? */
static bool back_to_normal(struct track *t, const int64_t *n, double log_e)
{
	/* What moves on from its level is not on its way back. */
	double normal = normal_again(t) - fmax(0, log_e);

	t->back = fmax(0, t->back + fmin(fmax(normal + BACK_DRIFT * t->pace, -BACK_MOST), BACK_MOST));
	if (t->back >= BACK_LOG)
		return true;
	if (t->state == TRACK_SETTLING && normal < 1) {
		fade_in(t, t->level, 1, n, t->calm.kappa);
		t->n_level++;
	}
	return false;
}

/* When did what is now in hand begin to gather? */
static void date_rise(struct track *t, double before, int64_t window)
{
	double m = average(t);

	t->stale = m > before ? 0 : t->stale + 1;
	if (m * t->pace < LOW_M || (double)t->stale * t->pace >= STALE_WINDOWS)
		t->rising = window + 1;
}

/* The nulls as they are at this time of the season. */
static void season_set(struct track *t, const double *factor)
{
	t->factor = factor;
	if (!factor)
		return;
	null_shift(&t->calm, t->m, factor);
	if (t->state == TRACK_KNOWN)
		null_shift(&t->known, t->m, factor);
}

double track_step(struct track *t, const int64_t *n, const double *factor, int64_t window,
	bool *ret_resolved)
{
	double log_e = 0, before = average(t);

	*ret_resolved = false;
	rises_make(&t->rises, n, t->m->n);
	if (!t->m->judged || t->rises.all == 0)
		return 0;
	season_set(t, factor);
	if (t->state != TRACK_SETTLING)
		log_e = detect(t, n, before);
	if (t->state != TRACK_SETTLING)
		live_add(t, n);
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		fade_in(t, t->recent[i], pace_kept(t->pace, recent_rates[i]), n, t->calm.along);
	if (track_latched(t)) {
		*ret_resolved = back_to_normal(t, n, log_e);
		if (*ret_resolved)
			track_reset(t);
		else if (t->state == TRACK_SETTLING && (double)t->n_level * t->pace >= SETTLE_WINDOWS)
			know(t);
	}
	date_rise(t, before, window);
	return log_e;
}

void track_latch(struct track *t, const int64_t *n, int64_t start_us)
{
	int64_t since = track_latched(t) ? t->latched_us : start_us;

	track_reset(t);
	t->state = TRACK_SETTLING;
	t->latched_us = since;
	fade_in(t, t->level, 1, n, t->calm.kappa);
	t->n_level = 1;
}

void track_pack(const struct track *t, struct buf *to)
{
	size_t k = t->m->n;

	pack_array(to, 16 + TRACK_RECENTS);
	pack_int(to, t->state);
	pack_int(to, t->n_level);
	pack_int(to, t->rising);
	pack_int(to, t->latched_us);
	pack_real(to, t->back);
	pack_reals(to, t->e_detector, TRACK_MOST_ALTERNATIVES);
	pack_reals(to, t->level, k);
	pack_reals(to, t->known.own, t->state == TRACK_KNOWN ? k : 0);
	pack_real(to, t->known.caution.tolerance);
	pack_real(to, t->known.caution.fixed_radius);
	pack_int(to, t->stale);
	for (size_t i = 0; i < TRACK_RECENTS; i++)
		pack_reals(to, t->recent[i], k);
	pack_reals(to, t->live, k);
	pack_real(to, t->known.caution.records);
	pack_real(to, t->known.caution.followed);
	pack_int(to, t->broken);
	pack_int(to, (int64_t)t->since);
}

static bool counts_fit(const double *x, size_t k)
{
	for (size_t i = 0; i < k; i++)
		if (!(x[i] >= 0 && x[i] < 1e18))
			return false;
	return true;
}

static bool shares_fit(const double *x, size_t k)
{
	for (size_t i = 0; i < k; i++)
		if (!(x[i] > 0 && x[i] < 1))
			return false;
	return fabs(sum_of(x, k) - 1) < 1e-6;
}

static bool is_sane(double x)
{
	return x > 0 && x < 1e12;
}

bool track_unpack(struct track *t, const struct msgpack_object *o)
{
	size_t k = t->m->n;
	int64_t state;
	struct caution c;
	int64_t broken = 0, since = 0;
	bool fits = unpack_int(unpack_item(o, 0), TRACK_CALM,
			    t->m->judged ? TRACK_KNOWN : TRACK_CALM, &state) &&
		    unpack_int(unpack_item(o, 1), 0, INT64_MAX, &t->n_level) &&
		    unpack_int(unpack_item(o, 2), 0, INT64_MAX, &t->rising) &&
		    unpack_int(unpack_item(o, 3), INT64_MIN, INT64_MAX, &t->latched_us) &&
		    unpack_real(unpack_item(o, 4), &t->back) && t->back >= 0 &&
		    unpack_reals(unpack_item(o, 5), t->e_detector, TRACK_MOST_ALTERNATIVES) &&
		    unpack_reals(unpack_item(o, 6), t->level, k) && counts_fit(t->level, k) &&
		    unpack_reals(unpack_item(o, 7), t->work[1], state == TRACK_KNOWN ? k : 0) &&
		    (state != TRACK_KNOWN || shares_fit(t->work[1], k)) &&
		    unpack_real(unpack_item(o, 8), &c.tolerance) && unpack_real(unpack_item(o, 9), &c.fixed_radius) &&
		    unpack_real(unpack_item(o, 12 + TRACK_RECENTS), &c.records) &&
		    unpack_real(unpack_item(o, 13 + TRACK_RECENTS), &c.followed) &&
		    unpack_int(unpack_item(o, 14 + TRACK_RECENTS), 0, 1, &broken) &&
		    unpack_int(unpack_item(o, 15 + TRACK_RECENTS), INT64_MIN, INT64_MAX, &since) &&
		    unpack_int(unpack_item(o, 10), 0, INT64_MAX - 1, &t->stale) &&
		    (state != TRACK_KNOWN || (is_sane(c.tolerance) && is_sane(c.fixed_radius) && is_sane(c.records) && is_sane(c.followed)));

	null_done(&t->known);
	for (size_t i = 0; fits && i < TRACK_MOST_ALTERNATIVES; i++)
		fits = t->e_detector[i] >= 0 && t->e_detector[i] <= EVIDENCE_MOST;
	for (size_t i = 0; fits && i < TRACK_RECENTS; i++)
		fits = unpack_reals(unpack_item(o, 11 + i), t->recent[i], k) &&
		       counts_fit(t->recent[i], k);
	fits = fits && unpack_reals(unpack_item(o, 11 + TRACK_RECENTS), t->live, k) &&
	       counts_fit(t->live, k);
	if (!fits)
		return false;
	t->state = (enum track_state)state;
	t->broken = broken;
	t->since = (uint64_t)since;
	if (state == TRACK_KNOWN)
		null_make(&t->known, t->m, t->work[1], .5, &c);
	return true;
}
