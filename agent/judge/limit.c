/* SPDX-License-Identifier: Apache-2.0
 * Limits: an e-detector each. See limit.h, and README.md for what holds. */
#include "judge/limit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "judge/null.h"
#include "model/metric.h"
#include "model/pack.h"
#include "stats/evidence.h"
#include "stats/interval.h"
#include "stats/special.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Back within the limit when that explains what came a hundred times better; one window counts for e^3 at most, and one that
 * is within the limit for BACK_DRIFT at least (as a measure's return, track.c). */
#define BACK_LOG 4.6
#define BACK_MOST 3.0
#define BACK_DRIFT .4
/* No share of nothing: a limit of 0 is one record in a million. */
#define LEAST_SHARE 1e-6
#define FIXED_POINT 1048576.0
/* Fewer numbers make no mean. */
#define LEAST_NUMBERS 8
/* An e-value that is cut off stays one: with this part of what is needed at most, it takes two windows. */
#define MOST_OF_BUDGET .6
/* The spread of the windows before fades by so much a window. */
#define SPREAD_KEPT .8

/* Shares: what is counted is what the limit is against, so that every limit is "at most q". */

struct share {
	int64_t n, bad;
	double q;
};

static bool share_of(const struct limit_track *t, const int64_t *v, struct share *ret)
{
	const struct limit *l = t->l;
	int64_t n = 0, k = 0;
	double edge;

	if (l->of == LIMIT_TRUE) {
		k = v[t->m->first + METRIC_TRUE];
		n = k + v[t->m->first + METRIC_FALSE];
	} else if (!limit_edge(l, &edge) || !metric_above(t->m, v, edge, &n, &k)) {
		return false;
	}
	if (l->of == LIMIT_BELOW)
		k = n - k;
	*ret = l->at_least ? (struct share){n, n - k, 1 - l->limit} : (struct share){n, k, l->limit};
	ret->q = fmin(fmax(ret->q, LEAST_SHARE), 1 - LEAST_SHARE);
	return true;
}

static double odds_times(double q, double factor)
{
	return q * factor / (1 - q + q * factor);
}

static double kappa_of(const struct measure *m)
{
	return m->n_windows < CAUTION_LEAST_WINDOWS ? CAUTION_USUAL_KAPPA : m->kappa;
}

/* log of how much likelier a share `a` makes the window than a share q, of so many records as are independent (the power that a
 * burst of equal records wants; a kappa that was taken low only makes it smaller). For true shares below q its mean is at most
 * 1 where a is above q: the ratio rises with the count, and counts with the share. */
static double share_ratio(const struct limit_track *t, const struct share *s, double a)
{
	double bad = (double)s->bad, good = (double)(s->n - s->bad);

	if (s->n == 0)
		return 0;
	return null_independent(kappa_of(t->m), (double)s->n) / (double)s->n *
	       (bad * log(a / s->q) + good * log((1 - a) / (1 - s->q)));
}

static void share_evidence(const struct limit_track *t, const struct share *s, double *log_e, double *ret_back)
{
	static const double odds[3] = {1.5, 2, 4}, more[3] = {.02, .1, .3};
	double back = -INFINITY;

	for (size_t i = 0; i < 3; i++) {
		log_e[i] = share_ratio(t, s, odds_times(s->q, odds[i]));
		log_e[3 + i] = share_ratio(t, s, s->q + (1 - s->q) * more[i]);
		back = special_log_add(back, share_ratio(t, s, odds_times(s->q, 1 / odds[i])) - log(3));
	}
	*ret_back = back;
}

/* Means: of one window, with its standard error, in reference standard deviations from the reference's mean. */

struct mean {
	int64_t n;
	double at, error, limit;
};

/* Sum of squares about `mean` of what was counted, each record in the middle of its bin. */
static double squares_of(const struct measure *m, const int64_t *count, double mean, double *ret_n, double *ret_sum)
{
	double squares = 0;

	*ret_n = *ret_sum = 0;
	for (size_t i = 0; i <= m->n_edges; i++) {
		double low = i ? m->edges[i - 1] : m->least, high = i < m->n_edges ? m->edges[i] : m->most;
		double off = (low + high) / 2 - mean;

		squares += off * off * (double)count[i];
		*ret_sum += off * (double)count[i];
		*ret_n += (double)count[i];
	}
	return squares;
}

/* Standard deviation of a window's numbers over the reference's, both by bins, so that what bins hide falls out. Records beyond
 * the reference are where what is left of the sum puts them. Never below 1. */
static double spread_of(const struct measure *m, const int64_t *v, double mean)
{
	double n, sum, n_base, ignored, squares = squares_of(m, v + m->first, mean, &n, &sum), base;
	double beyond = (double)(v[m->first + m->below] + v[m->first + m->above]);

	if (!m->base || n + beyond == 0)
		return 1;
	base = squares_of(m, m->base, m->centre, &n_base, &ignored);
	if (beyond > 0)
		squares += sum * sum / beyond;
	return base > 0 ? fmax(1, sqrt(squares / (n + beyond) / (base / n_base))) : 1;
}

static bool mean_of(const struct limit_track *t, const int64_t *v, struct mean *ret)
{
	const struct measure *m = t->m;
	double n;

	if (m->sums == MEASURE_NO_BIN || v[m->sums + 1] == 0)
		return false;
	ret->n = v[m->sums + 1];
	n = (double)ret->n;
	ret->at = (double)v[m->sums] / FIXED_POINT / n;
	ret->error = sqrt(t->spread * t->spread / n + t->between);
	ret->limit = (t->l->limit - m->centre) / m->scale;
	return true;
}

/* The spread is that of the windows before: a window's own goes along with its mean where numbers are skewed, and would lean to
 * one side for ever. So no window alone may speak (see MOST_OF_BUDGET). */
static void mean_evidence(const struct limit_track *t, const struct mean *x, double *log_e, double *ret_back)
{
	static const double shift[LIMIT_ALTERNATIVES] = {.25, .5, 1, 2, 3, 5};
	double beyond = (x->at - x->limit) * (t->l->at_least ? -1 : 1);
	double z = x->n < LEAST_NUMBERS ? 0 : beyond / x->error, back = -INFINITY;

	for (size_t i = 0; i < LIMIT_ALTERNATIVES; i++) {
		log_e[i] = z == 0 ? 0 : shift[i] * z - shift[i] * shift[i] / 2;
		back = special_log_add(back, (z == 0 ? 0 : -shift[i] * z - shift[i] * shift[i] / 2) - log(LIMIT_ALTERNATIVES));
	}
	*ret_back = back;
}

/* How much windows' means differ beyond chance: from the reference's own (one-way analysis of variance, two standard errors
 * high). */
static void between_add(const struct measure *m, const struct reference_window *w, size_t n_windows, double *sums)
{
	for (size_t i = 0; i < n_windows; i++) {
		double n = (double)w[i].v[m->sums + 1], x;

		if (n < 2)
			continue;
		x = (double)w[i].v[m->sums] / FIXED_POINT / n;
		sums[0]++;
		sums[1] += n;
		sums[2] += n * x;
		sums[3] += n * x * x;
	}
}

static double between_windows(const struct reference *r, const struct measure *m)
{
	double sums[4] = {0}, q;

	if (m->sums == MEASURE_NO_BIN)
		return 0;
	between_add(m, r->windows, r->n_windows, sums);
	between_add(m, r->others, r->n_others, sums);
	if (sums[0] < CAUTION_LEAST_WINDOWS)
		return 1 / CAUTION_USUAL_KAPPA;
	q = (sums[3] - sums[2] * sums[2] / sums[1]) / (sums[0] - 1);
	return fmax(0, q * (1 + 2 * sqrt(2 / (sums[0] - 1))) - 1) * sums[0] / sums[1];
}

/* Through time. */

void limit_tracks_open(struct limit_tracks *t, const struct reference *r, const struct limits *limits, double log_budget)
{
	*t = (struct limit_tracks){.n = limits ? limits->n : 0};
	t->at = mem_zero(t->n + 1, sizeof *t->at);
	t->log_needed = log_budget + log(t->n ? (double)t->n : 1);
	for (size_t i = 0; i < t->n; i++) {
		char *unfit = limit_unfit(&limits->at[i], r);

		t->at[i] = (struct limit_track){
			.l = &limits->at[i], .m = unfit ? NULL : metric_find(r, limits->at[i].metric), .since_us = TIME_NONE, .spread = 1};
		if (t->at[i].m)
			t->at[i].between = between_windows(r, t->at[i].m);
		free(unfit);
	}
}

void limit_tracks_done(struct limit_tracks *t)
{
	free(t->at);
	*t = (struct limit_tracks){0};
}

static double log_m(const struct limit_track *t)
{
	double sum = 0;

	for (size_t i = 0; i < LIMIT_ALTERNATIVES; i++)
		sum += t->e_detector[i];
	return log(sum / LIMIT_ALTERNATIVES);
}

static void breach_end(struct limit_track *t)
{
	t->breached = false;
	t->back = 0;
	t->since_us = TIME_NONE;
	for (size_t i = 0; i < LIMIT_ALTERNATIVES; i++)
		t->e_detector[i] = 0;
}

/* The evidence of a window into the track. True when it is a breach from now on. */
static bool track_move(struct limit_track *t, const double *log_e, double back, bool within, double log_needed, int64_t start_us)
{
	double memory = fmax(t->m->memory, 1);

	if (t->breached) {
		t->back = fmax(0, t->back + fmin(BACK_MOST, within ? fmax(back / memory, BACK_DRIFT) : back / memory));
		if (t->back > BACK_LOG)
			breach_end(t);
		return false;
	}
	for (size_t i = 0; i < LIMIT_ALTERNATIVES; i++)
		t->e_detector[i] = evidence_step(t->e_detector[i], log_e[i] / memory);
	if (log_m(t) <= log_needed)
		return false;
	t->breached = true;
	t->back = 0;
	t->since_us = start_us;
	return true;
}

static void share_fill(const struct limit_track *t, const struct share *s, struct limit_finding *to)
{
	double n = s->n > 0 ? null_independent(kappa_of(t->m), (double)s->n) : 0;
	double k = s->n > 0 ? n * (double)s->bad / (double)s->n : 0;
	double low = interval_share_low(k, n, .025), high = interval_share_high(k, n, .025);
	double value = s->n > 0 ? (double)s->bad / (double)s->n : (double)NAN;

	to->n = s->n;
	to->value = t->l->at_least ? 1 - value : value;
	to->low = t->l->at_least ? 1 - high : low;
	to->high = t->l->at_least ? 1 - low : high;
}

static void mean_fill(const struct limit_track *t, const struct mean *x, struct limit_finding *to)
{
	to->n = x->n;
	to->value = t->m->centre + t->m->scale * x->at;
	to->low = to->value - 1.96 * t->m->scale * x->error;
	to->high = to->value + 1.96 * t->m->scale * x->error;
}

static void finding_words(struct limit_finding *f)
{
	const char *word = f->at_least ? "at least" : "at most";

	if (f->n == 0)
		snprintf(f->words, sizeof f->words, "no record has it");
	else if (f->mean)
		snprintf(f->words, sizeof f->words, "%.4g over %lld records (95 %%: %.4g to %.4g), %s %.4g allowed", f->value,
			(long long)f->n, f->low, f->high, word, f->limit);
	else
		snprintf(f->words, sizeof f->words, "%.3g %% of %lld records (95 %%: %.3g %% to %.3g %%), %s %.3g %% allowed",
			100 * f->value, (long long)f->n, 100 * f->low, 100 * f->high, word, 100 * f->limit);
}

static void track_window(struct limit_track *t, const struct window *w, bool judged, double log_needed, struct limit_finding *f)
{
	double log_e[LIMIT_ALTERNATIVES], back;
	struct share s;
	struct mean x;
	bool any = false;

	if (t->m && f->mean && mean_of(t, w->v, &x)) {
		mean_fill(t, &x, f);
		mean_evidence(t, &x, log_e, &back);
		for (size_t i = 0; i < LIMIT_ALTERNATIVES; i++)
			log_e[i] = fmin(log_e[i], MOST_OF_BUDGET * log_needed);
		if (x.n >= LEAST_NUMBERS)
			t->spread = fmax(1, SPREAD_KEPT * t->spread + (1 - SPREAD_KEPT) * spread_of(t->m, w->v, f->value));
		any = true;
	} else if (t->m && !f->mean && share_of(t, w->v, &s)) {
		share_fill(t, &s, f);
		share_evidence(t, &s, log_e, &back);
		any = s.n > 0;
	}
	if (any && judged)
		f->fresh = track_move(t, log_e, back, f->at_least ? f->value >= f->limit : f->value <= f->limit, log_needed,
			w->start_us);
}

void limit_tracks_window(struct limit_tracks *t, const struct window *w, bool judged, struct limit_signal *to)
{
	*to = (struct limit_signal){.at = t->n ? mem_zero(t->n, sizeof *to->at) : NULL, .n = t->n};
	for (size_t i = 0; i < t->n; i++) {
		struct limit_track *at = &t->at[i];
		struct limit_finding *f = &to->at[i];

		*f = (struct limit_finding){.metric = mem_copy_text(at->l->metric), .mean = at->l->of == LIMIT_MEAN,
			.at_least = at->l->at_least, .limit = at->l->limit, .value = (double)NAN, .low = (double)NAN,
			.high = (double)NAN};
		limit_words(at->l, f->name, sizeof f->name);
		track_window(at, w, judged, t->log_needed, f);
		f->breached = at->breached;
		f->since_us = at->since_us;
		f->log_m = log_m(at);
		finding_words(f);
		to->breached |= f->breached;
	}
}

void limit_tracks_pack(const struct limit_tracks *t, struct buf *to)
{
	pack_array(to, t->n);
	for (size_t i = 0; i < t->n; i++) {
		char name[120];

		pack_array(to, 7);
		pack_text(to, limit_words(t->at[i].l, name, sizeof name));
		pack_real(to, t->at[i].l->limit);
		pack_reals(to, t->at[i].e_detector, LIMIT_ALTERNATIVES);
		pack_bool(to, t->at[i].breached);
		pack_real(to, t->at[i].back);
		pack_int(to, t->at[i].since_us);
		pack_real(to, t->at[i].spread);
	}
}

static bool track_read(struct limit_track *t, const struct msgpack_object *o)
{
	double limit;
	char name[120];
	bool fits = unpack_is_text(unpack_item(o, 0), limit_words(t->l, name, sizeof name)) &&
		    unpack_real(unpack_item(o, 1), &limit) && limit == t->l->limit &&
		    unpack_reals(unpack_item(o, 2), t->e_detector, LIMIT_ALTERNATIVES) &&
		    unpack_bool(unpack_item(o, 3), &t->breached) && unpack_real(unpack_item(o, 4), &t->back) &&
		    unpack_int(unpack_item(o, 5), INT64_MIN, INT64_MAX, &t->since_us) && isfinite(t->back) &&
		    unpack_real(unpack_item(o, 6), &t->spread) && t->spread >= 1 && isfinite(t->spread);

	for (size_t i = 0; i < LIMIT_ALTERNATIVES && fits; i++)
		fits = t->e_detector[i] >= 0 && isfinite(t->e_detector[i]);
	return fits;
}

void limit_tracks_read(struct limit_tracks *t, const struct msgpack_object *o)
{
	for (size_t i = 0; i < t->n; i++)
		if (!track_read(&t->at[i], unpack_item(o, i))) {
			breach_end(&t->at[i]);
			t->at[i].spread = 1;
		}
}
