/* SPDX-License-Identifier: Apache-2.0
 * The e-detectors of a window detector, and its latch. */
#include "judge/gauge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "judge/caution.h"
#include "judge/effect.h"
#include "model/pack.h"
#include "stats/evidence.h"

/* p to e: k p^(k-1) integrates to 1 (Vovk & Wang 2021); small k wants tiny p-values, large k takes moderate ones that last. */
static const double powers[GAUGE_POWERS] = {.1, .3, .6};
/* As a track's: see track.c. */
#define SETTLE_WINDOWS 3
#define BACK_LOG 4.6
#define BACK_MOST 3.0
#define BACK_DRIFT .4
#define LOW_LOG_M 3.0
/* A level is learned from three windows; and half as far again, of a distance whose square this is, is news. */
#define NEWS_SPREADS 2
#define NEWS_LEAST .81
/* Spread of a level, as a part of the reference's own, at least. */
#define LEVEL_LEAST .25
#define STALE_WINDOWS 3

void gauge_reset(struct gauge *g)
{
	g->state = TRACK_CALM;
	memset(g->e_detector, 0, sizeof g->e_detector);
	g->level = g->back = 0;
	g->n_level = g->stale = 0;
	g->latched_us = TIME_NONE;
}

void gauge_open(struct gauge *g, const struct statistic *s, double smallest_effect)
{
	*g = (struct gauge){.s = s, .smallest_effect = smallest_effect};
	gauge_reset(g);
}

double gauge_log_m(const struct gauge *g)
{
	double sum = 0;

	for (size_t i = 0; i < GAUGE_POWERS && g->state != TRACK_SETTLING; i++)
		sum += g->e_detector[i] / GAUGE_POWERS;
	return log(sum);
}

/* Squared distances vary the less, for their size, the larger they are: of a noncentral chi-square far out the deviation is
 * sqrt(2) exp(-height / 2) times that of the central one, in logarithms. */
static double level_spread(const struct gauge *g)
{
	return g->s->sd * fmax(fmin(1, 1.5 * exp(-g->level / 2)), LEVEL_LEAST);
}

/* log of how often a window of the null is as high as this. No further down than K windows can tell: beyond the largest of K
 * one tail is taken on trust, as far again as K windows reach. */
static double log_p(const struct gauge *g)
{
	const struct statistic *s = g->s;
	bool known = g->state == TRACK_KNOWN;
	double sd = known ? level_spread(g) : s->sd, mean = s->mean, windows = (double)s->n_windows / s->memory + 1;

	if (known)
		mean = fmax(mean, g->level + fmax(NEWS_SPREADS * sd, NEWS_LEAST));
	return log(fmax(.5 * erfc((g->height - mean) / sd / sqrt(2)), 1 / (windows * windows)));
}

static double detect(struct gauge *g)
{
	double before = exp(gauge_log_m(g)), p = log_p(g);

	for (size_t i = 0; i < GAUGE_POWERS; i++) {
		double log_e = (log(powers[i]) + (powers[i] - 1) * p) / g->s->memory;

		/* What is too small to matter gathers no evidence; less than an e-value is one still. */
		if (g->last.effect < g->smallest_effect)
			log_e = fmin(log_e, 0);
		g->e_detector[i] = evidence_step(g->e_detector[i], log_e);
	}
	return gauge_log_m(g) - log1p(before);
}

/* log of how much better normal explains the window than the level does. */
static double normal_again(const struct gauge *g)
{
	double level = g->state == TRACK_KNOWN ? g->level : g->level / (double)g->n_level;
	double off_level = (g->height - level) / g->s->sd, off_normal = fmax(0, g->height - g->s->mean) / g->s->sd;

	return (off_level * off_level - off_normal * off_normal) / 2 / g->s->memory;
}

static void know(struct gauge *g)
{
	g->level /= (double)g->n_level;
	g->state = TRACK_KNOWN;
	memset(g->e_detector, 0, sizeof g->e_detector);
}

/* A latched one: is it back, or where does it settle? True when it is back. */
static bool settle(struct gauge *g, double log_e)
{
	double normal = normal_again(g) - fmax(0, log_e);

	g->back = fmax(0, g->back + fmin(fmax(normal + BACK_DRIFT, -BACK_MOST), BACK_MOST));
	if (g->back >= BACK_LOG)
		return true;
	if (g->state == TRACK_SETTLING && normal < 1) {
		g->level += g->height;
		g->n_level++;
	}
	if (g->state == TRACK_SETTLING && g->n_level >= SETTLE_WINDOWS)
		know(g);
	return false;
}

static void date_rise(struct gauge *g, double before, int64_t window)
{
	double log_m = gauge_log_m(g);

	g->stale = log_m > before ? 0 : g->stale + 1;
	if (log_m < LOW_LOG_M || g->stale >= STALE_WINDOWS)
		g->rising = window + 1;
}

void gauge_see(struct gauge *g, const int64_t *v)
{
	g->seen = statistic_compare(g->s, g->s->base, v + g->s->first, &g->last);
	g->seen = g->seen && g->s->judged;
	g->height = g->seen ? statistic_height(g->s, &g->last) : 0;
	g->usual = g->last.statistic / exp(g->height);
}

double gauge_step(struct gauge *g, int64_t window, bool *ret_resolved)
{
	double log_e = 0, before = gauge_log_m(g);

	*ret_resolved = false;
	if (!g->seen)
		return 0;
	if (g->state != TRACK_SETTLING)
		log_e = detect(g);
	if (gauge_latched(g)) {
		*ret_resolved = settle(g, log_e);
		if (*ret_resolved)
			gauge_reset(g);
	}
	date_rise(g, before, window);
	return log_e;
}

void gauge_latch(struct gauge *g, int64_t start_us)
{
	int64_t since = gauge_latched(g) ? g->latched_us : start_us;

	gauge_reset(g);
	g->state = TRACK_SETTLING;
	g->latched_us = since;
	g->level = g->height;
	g->n_level = 1;
}

static const char *shift_name(const struct reference *r, const struct oodd_shift *s, char *to, size_t n)
{
	size_t i = (size_t)s->index;

	snprintf(to, n, "%s %lld", s->kind == OODD_REASON_DIMENSION ? "dimension" : "number", (long long)s->index);
	if (s->kind == OODD_REASON_CLASS && i < r->n_classes && r->classes[i][0])
		return r->classes[i];
	if (s->kind == OODD_REASON_NUMERIC && i < r->n_numeric)
		return r->numeric[i];
	if (s->kind == OODD_REASON_CATEGORY && i < r->n_category)
		return r->category[i].name;
	return to;
}

/* "; book_flight: 0.0067 -> 0.061, transfer: ...". */
static void shifts_words(const struct gauge *g, const struct reference *r, struct finding *to)
{
	char name[40];

	for (size_t i = 0; i < g->last.n_shifts && i < 3; i++) {
		const struct oodd_shift *s = &g->last.shifts[i];
		size_t n = strlen(to->change);

		snprintf(to->change + n, sizeof to->change - n, "%s%s: %.2g -> %.2g", i ? ", " : "; ",
			shift_name(r, s, name, sizeof name), s->before, s->after);
	}
}

void gauge_fill(const struct gauge *g, const struct reference *r, struct finding *to)
{
	to->psi = to->ks = to->w1 = to->js = to->before = to->after = NAN;
	if (!g->s->judged) {
		snprintf(to->change, sizeof to->change, "%s", g->s->why ? g->s->why : "");
		return;
	}
	if (!g->seen) {
		snprintf(to->change, sizeof to->change, "not enough data: no record of this window could be used");
		return;
	}
	to->psi = g->last.effect;
	to->before = g->usual;
	to->after = g->last.statistic;
	to->severity = effect_severity(g->last.effect, g->smallest_effect);
	snprintf(to->change, sizeof to->change, "%.3g times as far from the reference as its own windows usually are",
		g->last.statistic / g->usual);
	shifts_words(g, r, to);
}

void gauge_pack(const struct gauge *g, struct buf *to)
{
	pack_array(to, 8);
	pack_int(to, g->state);
	pack_int(to, g->n_level);
	pack_int(to, g->rising);
	pack_int(to, g->stale);
	pack_int(to, g->latched_us);
	pack_real(to, g->back);
	pack_real(to, g->level);
	pack_reals(to, g->e_detector, GAUGE_POWERS);
}

bool gauge_unpack(struct gauge *g, const struct msgpack_object *o)
{
	int64_t state;
	bool fits = unpack_int(unpack_item(o, 0), TRACK_CALM, g->s->judged ? TRACK_KNOWN : TRACK_CALM, &state) &&
		    unpack_int(unpack_item(o, 1), state == TRACK_CALM ? 0 : 1, INT64_MAX, &g->n_level) &&
		    unpack_int(unpack_item(o, 2), 0, INT64_MAX, &g->rising) &&
		    unpack_int(unpack_item(o, 3), 0, INT64_MAX - 1, &g->stale) &&
		    unpack_int(unpack_item(o, 4), INT64_MIN, INT64_MAX, &g->latched_us) &&
		    unpack_real(unpack_item(o, 5), &g->back) && g->back >= 0 && unpack_real(unpack_item(o, 6), &g->level) &&
		    isfinite(g->level) && unpack_reals(unpack_item(o, 7), g->e_detector, GAUGE_POWERS);

	for (size_t i = 0; fits && i < GAUGE_POWERS; i++)
		fits = g->e_detector[i] >= 0 && g->e_detector[i] <= EVIDENCE_MOST;
	if (fits)
		g->state = (enum track_state)state;
	return fits;
}
