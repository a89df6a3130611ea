/* SPDX-License-Identifier: Apache-2.0
 * The e-detectors of a window detector at each of its lengths, and its latch. */
#include "judge/gauge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "stats/evidence.h"

/* p to e: k p^(k-1) integrates to 1 (Vovk & Wang 2021); small k wants tiny p-values, large k takes moderate ones that last. */
static const double powers[GAUGE_POWERS] = {.1, .3, .6};
/* As a track's: see track.c. */
#define SETTLE_STRETCHES 3
#define BACK_LOG 4.6
#define BACK_MOST 3.0
#define BACK_DRIFT .4
/* What looks like normal by chance does so once in e^BACK_LOG stretches: so the longer it has lasted the more it takes. Summed over all time,
 * a chance of one in ten. */
#define BACK_AGE 10
#define LOW_LOG_M 3.0
/* A level is learned from three stretches; and half as far again, of a distance whose square this is, is news. */
#define NEWS_SPREADS 2
#define NEWS_LEAST .81
/* Spread of a level, as a part of the reference's own, at least. */
#define LEVEL_LEAST .25
/* A level so many deviations above normal is well told from it. */
#define CLEAR_SPREADS 2.5
#define STALE_STRETCHES 3
/* Of the gauge's M, where there are longer spans as well. */
#define WINDOW_SHARE .5

static void stretch_begin(struct gauge *g, struct gauge_span *p)
{
	if (p->sum)
		memset(p->sum, 0, (g->s->width + 1) * sizeof *p->sum);
	p->n_in = 0;
}

static void span_reset(struct gauge *g, struct gauge_span *p, enum track_state state)
{
	p->state = state;
	memset(p->e_detector, 0, sizeof p->e_detector);
	p->level = p->back = 0;
	p->n_level = p->stale = 0;
	stretch_begin(g, p);
}

void gauge_reset(struct gauge *g)
{
	for (size_t i = 0; i < g->n_spans; i++)
		span_reset(g, &g->spans[i], TRACK_CALM);
	g->carrier = GAUGE_NONE;
	g->latched_us = TIME_NONE;
}

void gauge_open(struct gauge *g, const struct statistic *s, double smallest_effect)
{
	*g = (struct gauge){.s = s, .smallest_effect = smallest_effect, .n_spans = 1 + s->n_longer};
	g->spans[0] = (struct gauge_span){.law = &s->one, .length = 1, .share = s->n_longer ? WINDOW_SHARE : 1};
	for (size_t i = 1; i < g->n_spans; i++)
		g->spans[i] = (struct gauge_span){.law = &s->longer[i - 1], .length = (int64_t)s->longer[i - 1].windows,
			.share = (1 - WINDOW_SHARE) / (double)s->n_longer, .sum = mem_zero(s->width + 1, sizeof(int64_t))};
	gauge_reset(g);
}

void gauge_done(struct gauge *g)
{
	for (size_t i = 0; i < g->n_spans; i++)
		free(g->spans[i].sum);
}

/* A stretch is as many windows, in any of which it may have begun: so many times M. */
static double span_m(const struct gauge_span *p)
{
	double sum = 0;

	for (size_t i = 0; i < GAUGE_POWERS && p->state != TRACK_SETTLING; i++)
		sum += p->e_detector[i] / GAUGE_POWERS;
	return (double)p->length * sum;
}

double gauge_log_m(const struct gauge *g)
{
	double sum = 0;

	for (size_t i = 0; i < g->n_spans; i++)
		sum += g->spans[i].share * span_m(&g->spans[i]);
	return log(sum);
}

static size_t heaviest(const struct gauge *g)
{
	size_t most = 0;

	for (size_t i = 1; i < g->n_spans; i++)
		if (g->spans[i].share * span_m(&g->spans[i]) > g->spans[most].share * span_m(&g->spans[most]))
			most = i;
	return most;
}

int64_t gauge_rising(const struct gauge *g)
{
	const struct gauge_span *p = &g->spans[heaviest(g)];

	return p->rising - (p->length - 1);
}

/* Squared distances vary the less, for their size, the larger they are: of a noncentral chi-square far out the deviation is
 * sqrt(2) exp(-height / 2) times that of the central one, in logarithms. */
static double level_spread(const struct gauge_span *p)
{
	return p->law->sd * fmax(fmin(1, 1.5 * exp(-p->level / 2)), LEVEL_LEAST);
}

/* log of how often a stretch of the null is as high as this. No further down than K of them can tell: beyond the largest of K
 * one tail is taken on trust, as far again as K reach. */
static double log_p(const struct gauge_span *p)
{
	bool known = p->state == TRACK_KNOWN;
	double sd = known ? level_spread(p) : p->law->sd, mean = p->law->mean, n = (double)p->law->n / p->law->memory + 1;

	if (known)
		mean = fmax(mean, p->level + fmax(NEWS_SPREADS * sd, NEWS_LEAST));
	return log(fmax(.5 * erfc((p->said.height - mean) / sd / sqrt(2)), 1 / (n * n)));
}

/* Returns the log e-value of the stretch. */
static double detect(struct gauge_span *p, double smallest_effect)
{
	double before = span_m(p) / (double)p->length, of_null = log_p(p);

	for (size_t i = 0; i < GAUGE_POWERS; i++) {
		double log_e = (log(powers[i]) + (powers[i] - 1) * of_null) / p->law->memory;

		/* What is too small to matter gathers no evidence; less than an e-value is one still. */
		if (p->said.of.effect < smallest_effect)
			log_e = fmin(log_e, 0);
		p->e_detector[i] = evidence_step(p->e_detector[i], log_e);
	}
	return log(span_m(p) / (double)p->length) - log1p(before);
}

static double level_of(const struct gauge_span *p)
{
	return p->state == TRACK_KNOWN || p->n_level == 0 ? p->level : p->level / (double)p->n_level;
}

/* log of how much better normal explains the stretch than the level does. */
static double normal_again(const struct gauge_span *p)
{
	double off_level = (p->said.height - level_of(p)) / p->law->sd, off_normal = fmax(0, p->said.height - p->law->mean) / p->law->sd;

	return (off_level * off_level - off_normal * off_normal) / 2 / p->law->memory;
}

static void know(struct gauge_span *p)
{
	p->level /= (double)p->n_level;
	p->state = TRACK_KNOWN;
	memset(p->e_detector, 0, sizeof p->e_detector);
}

/* Is its level known, and well told from normal? One that latched it has a level from the first. */
static bool is_clear(const struct gauge *g, const struct gauge_span *p)
{
	bool level = p->state == TRACK_KNOWN || (p->n_level && p == &g->spans[g->carrier]);

	return level && level_of(p) > p->law->mean + CLEAR_SPREADS * p->law->sd;
}

/* It is over when those say so who saw it plainly; where none did, the longest: one that hardly saw it would at once. */
static bool may_say_it_is_over(const struct gauge *g, const struct gauge_span *p)
{
	bool clear = false;

	for (size_t i = 0; i < g->n_spans; i++)
		clear |= is_clear(g, &g->spans[i]);
	return p->n_level && (clear ? is_clear(g, p) : p == &g->spans[g->n_spans - 1]);
}

/* A latched one: is it back, or where does it settle? True when it is back. */
static bool settle(const struct gauge *g, struct gauge_span *p, double log_e)
{
	double normal = p->n_level ? normal_again(p) - fmax(0, log_e) : 0, drift = level_of(p) < p->law->mean ? BACK_DRIFT : 0;
	bool may = may_say_it_is_over(g, p);

	p->back = fmax(0, p->back + fmin(fmax(normal + drift, -BACK_MOST), BACK_MOST));
	if (may && p->back >= BACK_LOG + 2 * log1p((double)p->n_level / BACK_AGE))
		return true;
	if (p->state == TRACK_KNOWN) {
		p->n_level++;
	} else if (normal < 1 || !may) {
		p->level += p->said.height;
		p->n_level++;
	}
	if (p->state == TRACK_SETTLING && p->n_level >= SETTLE_STRETCHES)
		know(p);
	return false;
}

static void date_rise(struct gauge_span *p, double before, int64_t window)
{
	double log_m = log(span_m(p) / (double)p->length);

	p->stale = log_m > before ? 0 : p->stale + 1;
	if (log_m < LOW_LOG_M || p->stale >= STALE_STRETCHES)
		p->rising = window + 1;
}

static bool compare(const struct gauge *g, struct gauge_span *p, const int64_t *stretch)
{
	p->seen = statistic_compare(g->s, g->s->base, stretch, &p->said.of) && g->s->judged;
	p->said.height = p->seen ? statistic_height(p->law, &p->said.of) : 0;
	return p->seen;
}

static const int64_t *rows_now(const struct gauge *g)
{
	return g->now->v + g->s->first;
}

void gauge_see(struct gauge *g, const struct window *w)
{
	g->now = w;
	for (size_t i = 0; i < g->n_spans; i++)
		g->spans[i].seen = false;
	compare(g, &g->spans[0], rows_now(g));
}

/* One more window. True when that ends a stretch that says something. */
static bool stretch_add(struct gauge *g, struct gauge_span *p, int64_t window)
{
	if (p->length == 1)
		return p->seen;
	if (p->n_in == 0)
		p->start_us = g->now->start_us;
	statistic_add(p->sum, rows_now(g), g->s->width + 1, 1);
	if (++p->n_in < p->length)
		return false;
	if (compare(g, p, p->sum)) {
		p->said.start_us = p->start_us;
		p->said.end_us = g->now->end_us;
		p->said.at = window;
	}
	stretch_begin(g, p);
	return p->seen;
}

/* True when a latched one is back. */
static bool span_step(struct gauge *g, struct gauge_span *p, int64_t window)
{
	double log_e = 0, before = log(span_m(p) / (double)p->length);
	bool back = false;

	if (!stretch_add(g, p, window))
		return false;
	if (p->state != TRACK_SETTLING)
		log_e = detect(p, g->smallest_effect);
	if (gauge_latched(g))
		back = settle(g, p, log_e);
	date_rise(p, before, window);
	return back;
}

double gauge_step(struct gauge *g, int64_t window, bool *ret_resolved)
{
	double before = exp(gauge_log_m(g)), after;

	*ret_resolved = false;
	if (rows_now(g)[0] <= 0 || !g->s->judged)
		return 0;
	for (size_t i = 0; i < g->n_spans; i++)
		*ret_resolved |= span_step(g, &g->spans[i], window);
	after = gauge_log_m(g);
	if (*ret_resolved)
		gauge_reset(g);
	return isfinite(after) ? after - log1p(before) : 0;
}

void gauge_latch(struct gauge *g, int64_t start_us)
{
	size_t carrier = heaviest(g);

	if (!gauge_latched(g))
		g->latched_us = start_us;
	g->carrier = carrier;
	for (size_t i = 0; i < g->n_spans; i++) {
		struct gauge_span *p = &g->spans[i];
		span_reset(g, p, TRACK_SETTLING);
		p->n_level = p->seen || i == carrier;
		p->level = p->n_level ? p->said.height : 0;
	}
}
