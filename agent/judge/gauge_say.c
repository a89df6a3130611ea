/* SPDX-License-Identifier: Apache-2.0
 * What a gauge says of a window, in words; and what outlives the process. */
#include "judge/gauge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "judge/effect.h"
#include "model/pack.h"
#include "stats/evidence.h"

/* ---- words ---- */

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
static void shifts_words(const struct oodd_comparison *c, const struct reference *r, struct finding *to)
{
	char name[40];

	for (size_t i = 0; i < c->n_shifts && i < 3; i++) {
		const struct oodd_shift *s = &c->shifts[i];
		size_t n = strlen(to->change);

		snprintf(to->change + n, sizeof to->change - n, "%s%s: %.2g -> %.2g", i ? ", " : "; ", shift_name(r, s, name, sizeof name), s->before,
			s->after);
	}
}

/* ", over the last 16 windows (1h20m)"; between two such stretches it is the last one that is told. */
static void span_words(const struct gauge_span *p, int64_t window, struct finding *to)
{
	char time[32], *at = to->change + strlen(to->change);
	size_t room = sizeof to->change - strlen(to->change);
	long long ago = window - p->said.at;

	duration_format(p->said.end_us - p->said.start_us, time, sizeof time);
	if (p->length > 1 && ago == 0)
		snprintf(at, room, ", over the last %lld windows (%s)", (long long)p->length, time);
	else if (p->length > 1)
		snprintf(at, room, ", over %lld windows (%s), %lld window%s ago", (long long)p->length, time, ago, ago == 1 ? "" : "s");
}

void gauge_fill(const struct gauge *g, const struct reference *r, int64_t window, struct finding *to)
{
	const struct gauge_span *p = &g->spans[gauge_latched(g) ? g->carrier : 0];
	double usual = p->said.of.statistic / exp(p->said.height);

	to->psi = to->ks = to->w1 = to->js = to->before = to->after = NAN;
	if (!g->s->judged) {
		snprintf(to->change, sizeof to->change, "%s", g->s->why ? g->s->why : "");
		return;
	}
	if (p->length == 1 && !p->seen) {
		snprintf(to->change, sizeof to->change, "not enough data: no record of this window could be used");
		return;
	}
	to->psi = p->said.of.effect;
	to->before = usual;
	to->after = p->said.of.statistic;
	to->severity = effect_severity(p->said.of.effect, g->smallest_effect);
	snprintf(to->change, sizeof to->change, "%.3g times as far from the reference as its own windows usually are", p->said.of.statistic / usual);
	span_words(p, window, to);
	shifts_words(&p->said.of, r, to);
}

/* ---- kept ---- */

/* Of a longer span that latched it, what it said is told until it says something again. */
static void said_pack(const struct gauge *g, struct buf *to)
{
	const struct gauge_said *said = &g->spans[gauge_latched(g) ? g->carrier : 0].said;
	size_t n = gauge_latched(g) && g->carrier > 0 ? said->of.n_shifts : 0;

	pack_array(to, 3 + 2 * n);
	pack_reals(to, (double[]){said->of.statistic, said->of.expected, said->of.effect, said->height}, 4);
	pack_ints(to, (int64_t[]){said->start_us, said->end_us, said->at}, 3);
	pack_int(to, (int64_t)n);
	for (size_t i = 0; i < n; i++) {
		pack_ints(to, (int64_t[]){said->of.shifts[i].kind, said->of.shifts[i].index}, 2);
		pack_reals(to, (double[]){said->of.shifts[i].before, said->of.shifts[i].after}, 2);
	}
}

static bool said_unpack(const struct msgpack_object *o, struct gauge_said *to)
{
	double reals[4];
	int64_t ints[3], n;
	bool fits = unpack_reals(unpack_item(o, 0), reals, 4) && unpack_ints(unpack_item(o, 1), ints, 3) &&
		    unpack_int(unpack_item(o, 2), 0, OODD_MOST_SHIFTS, &n);

	if (!fits || !isfinite(reals[0]) || !isfinite(reals[1]) || !isfinite(reals[2]) || !isfinite(reals[3]))
		return false;
	*to = (struct gauge_said){{.statistic = reals[0], .expected = reals[1], .effect = reals[2], .n_shifts = (size_t)n}, reals[3], ints[0], ints[1], ints[2]};
	for (size_t i = 0; i < to->of.n_shifts; i++) {
		int64_t what[2];
		double moved[2];
		if (!unpack_ints(unpack_item(o, 3 + 2 * i), what, 2) || !unpack_reals(unpack_item(o, 4 + 2 * i), moved, 2))
			return false;
		to->of.shifts[i] = (struct oodd_shift){(int32_t)what[0], what[1], moved[0], moved[1]};
	}
	return true;
}

/* Numbers that every span has, then of a longer one the stretch under way. */
static void longer_pack(const struct gauge *g, const struct gauge_span *p, struct buf *to)
{
	pack_array(to, 10);
	pack_int(to, p->length);
	pack_int(to, p->state);
	pack_int(to, p->n_level);
	pack_int(to, p->rising);
	pack_int(to, p->stale);
	pack_real(to, p->back);
	pack_real(to, p->level);
	pack_reals(to, p->e_detector, GAUGE_POWERS);
	pack_ints(to, (int64_t[]){p->n_in, p->start_us}, 2);
	pack_ints(to, p->sum, g->s->width + 1);
}

void gauge_pack(const struct gauge *g, struct buf *to)
{
	const struct gauge_span *p = &g->spans[0];

	pack_array(to, g->n_spans > 1 ? 11 : 8);
	pack_int(to, p->state);
	pack_int(to, p->n_level);
	pack_int(to, p->rising);
	pack_int(to, p->stale);
	pack_int(to, g->latched_us);
	pack_real(to, p->back);
	pack_real(to, p->level);
	pack_reals(to, p->e_detector, GAUGE_POWERS);
	if (g->n_spans == 1)
		return;
	pack_int(to, (int64_t)g->carrier);
	said_pack(g, to);
	pack_array(to, g->n_spans - 1);
	for (size_t i = 1; i < g->n_spans; i++)
		longer_pack(g, &g->spans[i], to);
}

static bool numbers_fit(const struct gauge_span *p, int64_t state)
{
	bool fits = p->back >= 0 && isfinite(p->level) && (state != TRACK_KNOWN || p->n_level > 0);

	for (size_t i = 0; i < GAUGE_POWERS; i++)
		fits &= p->e_detector[i] >= 0 && p->e_detector[i] <= EVIDENCE_MOST;
	return fits;
}

static bool longer_unpack(const struct gauge *g, struct gauge_span *p, const struct msgpack_object *o)
{
	int64_t state, under_way[2];
	bool fits = unpack_int(unpack_item(o, 0), p->length, p->length, &state) && unpack_int(unpack_item(o, 1), TRACK_CALM, TRACK_KNOWN, &state) &&
		    unpack_int(unpack_item(o, 2), 0, INT64_MAX, &p->n_level) && unpack_int(unpack_item(o, 3), 0, INT64_MAX, &p->rising) &&
		    unpack_int(unpack_item(o, 4), 0, INT64_MAX - 1, &p->stale) && unpack_real(unpack_item(o, 5), &p->back) &&
		    unpack_real(unpack_item(o, 6), &p->level) && unpack_reals(unpack_item(o, 7), p->e_detector, GAUGE_POWERS) &&
		    unpack_ints(unpack_item(o, 8), under_way, 2) && under_way[0] >= 0 && under_way[0] < p->length &&
		    unpack_ints(unpack_item(o, 9), p->sum, g->s->width + 1) && numbers_fit(p, state);

	if (!fits)
		return false;
	p->state = (enum track_state)state;
	p->n_in = under_way[0];
	p->start_us = under_way[1];
	return true;
}

/* A state older than longer spans has none of them: they begin now, latched where the gauge is. */
static bool spans_unpack(struct gauge *g, const struct msgpack_object *o)
{
	int64_t carrier = g->spans[0].state == TRACK_CALM ? GAUGE_NONE : 0;
	bool fits = true;

	if (unpack_item(o, 8) && g->n_spans > 1) {
		fits = unpack_int(unpack_item(o, 8), 0, GAUGE_NONE, &carrier) && ((size_t)carrier < g->n_spans || carrier == GAUGE_NONE) &&
		       unpack_length(unpack_item(o, 10)) == g->n_spans - 1;
		for (size_t i = 1; fits && i < g->n_spans; i++)
			fits = longer_unpack(g, &g->spans[i], unpack_item(unpack_item(o, 10), i - 1));
		fits = fits && (carrier == GAUGE_NONE || carrier == 0 || said_unpack(unpack_item(o, 9), &g->spans[carrier].said));
	} else {
		for (size_t i = 1; i < g->n_spans; i++)
			g->spans[i].state = carrier == GAUGE_NONE ? TRACK_CALM : TRACK_SETTLING;
	}
	for (size_t i = 0; i < g->n_spans; i++)
		fits = fits && (g->spans[i].state == TRACK_CALM) == (carrier == GAUGE_NONE);
	g->carrier = fits ? (size_t)carrier : GAUGE_NONE;
	return fits;
}

bool gauge_unpack(struct gauge *g, const struct msgpack_object *o)
{
	struct gauge_span *p = &g->spans[0];
	int64_t state;
	bool fits = unpack_int(unpack_item(o, 0), TRACK_CALM, g->s->judged ? TRACK_KNOWN : TRACK_CALM, &state) &&
		    unpack_int(unpack_item(o, 1), 0, INT64_MAX, &p->n_level) &&
		    unpack_int(unpack_item(o, 2), 0, INT64_MAX, &p->rising) &&
		    unpack_int(unpack_item(o, 3), 0, INT64_MAX - 1, &p->stale) &&
		    unpack_int(unpack_item(o, 4), INT64_MIN, INT64_MAX, &g->latched_us) &&
		    unpack_real(unpack_item(o, 5), &p->back) && unpack_real(unpack_item(o, 6), &p->level) &&
		    unpack_reals(unpack_item(o, 7), p->e_detector, GAUGE_POWERS) && numbers_fit(p, state);

	if (!fits)
		return false;
	p->state = (enum track_state)state;
	return spans_unpack(g, o);
}
