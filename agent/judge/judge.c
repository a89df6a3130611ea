/* SPDX-License-Identifier: Apache-2.0
 * A window is put to every measure's track; their weighted sum is put to the budget; who carries it
 * is named. The order of the judgement can be read in judge_window. */
#include "judge/judge.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/caution.h"
#include "judge/constant.h"
#include "judge/echo.h"
#include "judge/effect.h"
#include "judge/limit.h"
#include "judge/performance.h"
#include "judge/schema.h"
#include "judge/gauge.h"
#include "judge/season.h"
#include "judge/slice.h"
#include "judge/track.h"
#include "model/pack.h"
#include "stats/evidence.h"
#include "stats/special.h"

#define JUDGE_FORMAT 3
/* Records of new kinds are what oodd is for: their measure has a quarter of the weight, the others
 * share the rest. */
#define P_VALUE_WEIGHT .25
/* All measures of slices together, where there are any: what is found in the whole stream pays a tenth of a nat for them. */
#define SLICE_WEIGHT .1
/* A measure whose evidence began to rise at most so many windows after an alarm belongs to its
 * cause. */
#define SAME_CAUSE_WINDOWS 2
/* Evidence is taken from smaller windows too; but they are not called quiet. */
#define LEAST_RECORDS 20

struct judge {
	const struct reference *r;
	struct judge_options options;
	double log_budget;
	size_t n;             /* what is judged: the measures, then the window detectors */
	struct track *tracks; /* of each measure */
	struct gauge *gauges; /* of each window detector */
	struct season_table *seasons; /* of each measure */
	size_t bucket;                /* of the season, of the window at hand */
	double *log_weight; /* of each of n; -INFINITY when it is not judged */
	double *q;          /* scratch: as wide as the widest measure */
	size_t *order; /* scratch, n of them, as are the next: by weighted log_m, heaviest first
			*/
	double *weighted, *sorted, *log_e, *log_m;
	bool *moved;
	struct schema_past past;
	struct limit_tracks limits;
	struct slice_book slices;
	int64_t window;       /* judged so far */
	int64_t fresh_window; /* of the last fresh alarm; -1 */
};

static double log_budget(const struct judge_options *o, int64_t window_us)
{
	double windows = (double)o->per_us / (o->false_alarms * (double)window_us);

	return log(fmax(windows, o->least_budget));
}

/* The i-th of what is judged: a measure's track, or behind them a window detector's gauge. */

static struct gauge *gauge_of(const struct judge *j, size_t i)
{
	return i < j->r->n_measures ? NULL : &j->gauges[i - j->r->n_measures];
}

static enum measure_kind kind_of(const struct judge *j, size_t i)
{
	return i < j->r->n_measures ? j->r->measures[i].kind : MEASURE_STATISTIC;
}

static bool is_judged(const struct judge *j, size_t i)
{
	const struct gauge *g = gauge_of(j, i);

	return g ? g->s->judged : j->r->measures[i].judged;
}

static double log_m_of(const struct judge *j, size_t i)
{
	const struct gauge *g = gauge_of(j, i);

	return g ? gauge_log_m(g) : track_log_m(&j->tracks[i]);
}

static bool is_latched(const struct judge *j, size_t i)
{
	const struct gauge *g = gauge_of(j, i);

	return g ? gauge_latched(g) : track_latched(&j->tracks[i]);
}

static int64_t latched_us(const struct judge *j, size_t i)
{
	const struct gauge *g = gauge_of(j, i);

	return g ? g->latched_us : j->tracks[i].latched_us;
}

static bool of_slice(const struct judge *j, size_t i)
{
	return i < j->r->n_measures && j->r->measures[i].slice > 0;
}

static void weights_make(struct judge *j)
{
	double p = 0, rest = 0, slices = 0, all;

	for (size_t i = 0; i < j->n; i++)
		*(of_slice(j, i) ? &slices : kind_of(j, i) == MEASURE_P_VALUE ? &p : &rest) += is_judged(j, i);
	all = slices > 0 && p + rest > 0 ? 1 - SLICE_WEIGHT : 1;
	for (size_t i = 0; i < j->n; i++) {
		double p_share = rest == 0 ? 1 : P_VALUE_WEIGHT,
		       rest_share = p == 0 ? 1 : 1 - P_VALUE_WEIGHT;
		double share = all * (kind_of(j, i) == MEASURE_P_VALUE ? p_share / p : rest_share / rest);
		if (of_slice(j, i))
			share = (p + rest > 0 ? SLICE_WEIGHT : 1) / slices;
		j->log_weight[i] = is_judged(j, i) ? log(share) : -INFINITY;
	}
}

struct judge *judge_open(const struct reference *r, const struct judge_options *options)
{
	struct judge *j = mem_zero(1, sizeof *j);
	size_t widest = 1;

	assert(options->false_alarms > 0 && options->per_us > 0 && options->smallest_effect >= 0);
	*j = (struct judge){.r = r, .options = *options, .fresh_window = -1, .n = r->n_measures + r->n_statistics};
	j->log_budget = log_budget(options, options->window_us ? options->window_us : r->window_us);
	j->tracks = mem_zero(r->n_measures + 1, sizeof *j->tracks);
	j->seasons = mem_zero(r->n_measures + 1, sizeof *j->seasons);
	for (size_t i = 0; i < r->n_measures; i++) {
		track_open(&j->tracks[i], &r->measures[i], options->smallest_effect);
		season_table_make(&j->seasons[i], r, &r->measures[i]);
		widest = r->measures[i].n > widest ? r->measures[i].n : widest;
	}
	j->gauges = mem_zero(r->n_statistics + 1, sizeof *j->gauges);
	for (size_t i = 0; i < r->n_statistics; i++)
		gauge_open(&j->gauges[i], &r->statistics[i], options->smallest_effect);
	j->q = mem_alloc(widest * sizeof *j->q);
	j->log_weight = mem_alloc((j->n + 1) * sizeof *j->log_weight);
	j->order = mem_alloc((j->n + 1) * sizeof *j->order);
	j->weighted = mem_alloc((j->n + 1) * sizeof *j->weighted);
	j->sorted = mem_alloc((j->n + 1) * sizeof *j->sorted);
	j->log_e = mem_alloc((j->n + 1) * sizeof *j->log_e);
	j->log_m = mem_alloc((j->n + 1) * sizeof *j->log_m);
	j->moved = mem_alloc((j->n + 1) * sizeof *j->moved);
	weights_make(j);
	limit_tracks_open(&j->limits, r, options->limits, j->log_budget);
	slice_book_open(&j->slices, r, options->slice_period_us ? options->slice_period_us : INT64_C(86400) * 1000000);
	return j;
}

void judge_close(struct judge *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->r->n_measures; i++) {
		track_done(&j->tracks[i]);
		season_table_done(&j->seasons[i]);
	}
	for (size_t i = 0; i < j->r->n_statistics; i++)
		gauge_done(&j->gauges[i]);
	schema_past_done(&j->past);
	limit_tracks_done(&j->limits);
	slice_book_done(&j->slices);
	free(j->tracks);
	free(j->gauges);
	free(j->seasons);
	free(j->q);
	free(j->log_weight);
	free(j->order);
	free(j->weighted);
	free(j->sorted);
	free(j->log_e);
	free(j->log_m);
	free(j->moved);
	free(j);
}

/* Heaviest first; equal ones as in the reference. */
static void sort_by_weight(struct judge *j)
{
	for (size_t i = 0; i < j->n; i++) {
		size_t at = i;
		while (at > 0 && j->weighted[j->order[at - 1]] < j->weighted[i]) {
			j->order[at] = j->order[at - 1];
			at--;
		}
		j->order[at] = i;
	}
}

/* log of the sum over measures. Weights are fixed when the judge opens: a settling measure leaves
 * the sum and its weight stays unused, so that the sum remains an e-detector whatever was latched
 * (README.md). */
static double weigh(struct judge *j)
{
	double sum = -INFINITY;

	for (size_t i = 0; i < j->n; i++) {
		j->log_m[i] = log_m_of(j, i); /* as judged: latching begins them anew */
		j->weighted[i] = j->log_weight[i] + j->log_m[i];
		sum = special_log_add(sum, j->weighted[i]);
	}
	sort_by_weight(j);
	return sum;
}

/* How many of the heaviest measures to name when the sum passes the budget: those that e-BH names
 * at the budget's level; where it names none (several carry the sum together), those that make up
 * nine tenths of it. */
static size_t named(struct judge *j, double sum)
{
	size_t n = j->n, by_ebh;
	double part = -INFINITY;

	for (size_t i = 0; i < n; i++)
		j->sorted[i] = j->weighted[j->order[i]] + log((double)n);
	by_ebh = evidence_ebh(j->sorted, n, -j->log_budget);
	if (by_ebh > 0)
		return by_ebh;
	for (size_t i = 0; i < n; i++) {
		part = special_log_add(part, j->weighted[j->order[i]]);
		if (part >= sum + log(.9))
			return i + 1;
	}
	return n;
}

static bool any_latched(const struct judge *j)
{
	bool any = false;

	for (size_t i = 0; i < j->n; i++)
		any |= is_latched(j, i);
	return any;
}

/* Evidence that began to rise when the known cause did, or soon after it spoke, is of that cause.
 */
static bool joins(const struct judge *j, size_t i)
{
	int64_t rising = gauge_of(j, i) ? gauge_rising(gauge_of(j, i)) : j->tracks[i].rising;

	return j->fresh_window >= 0 && rising <= j->fresh_window + SAME_CAUSE_WINDOWS;
}

/* What a slice shows because the whole stream does, or because another slice of it has moved and is known; what the whole shows
 * because a slice does. */
static bool is_echo(const struct judge *j, size_t i, double z)
{
	const struct measure *all = j->r->measures, *m = &all[i];

	if (gauge_of(j, i))
		return false;
	for (size_t o = 0; o < j->r->n_measures; o++) {
		bool sibling = all[o].slice && all[o].source == (m->slice ? m->source : i);
		if (o == i || !is_latched(j, o))
			continue;
		if (m->slice && (sibling || o == m->source))
			return echo_of_whole(&j->tracks[i], &j->tracks[m->source], z);
		if (!m->slice && sibling && echo_of_slice(&j->tracks[i], &j->tracks[o], z))
			return true;
	}
	return false;
}

static bool any_breaks(const struct judge *j, const struct window *w)
{
	bool any = false;

	for (size_t i = 0; i < j->r->n_measures && !any; i++)
		any = is_judged(j, i) && constant_breaks(&j->tracks[i], i, w);
	return any;
}

/* Latches those; true when one is news. */
static bool news_of_constants(struct judge *j, const struct window *w, bool known)
{
	bool fresh = false;

	for (size_t i = 0; i < j->r->n_measures; i++) {
		if (!is_judged(j, i) || !constant_breaks(&j->tracks[i], i, w))
			continue;
		fresh |= !known || !joins(j, i) || j->tracks[i].broken;
		j->moved[i] = true;
		track_latch(&j->tracks[i], w->v + j->r->measures[i].first, w->start_us);
		constant_told(&j->tracks[i], i, w);
	}
	return fresh;
}

/* Names and latches who carries the sum, if it passes the budget. True when something of it is news. */
static bool news(struct judge *j, const struct window *w, double sum)
{
	bool known = any_latched(j), fresh = news_of_constants(j, w, known);
	size_t n = sum > j->log_budget ? named(j, sum) : 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = j->order[i];
		j->moved[at] = true;
		fresh |= !known || (!joins(j, at) && !is_echo(j, at, CAUTION_Z));
		if (gauge_of(j, at))
			gauge_latch(gauge_of(j, at), w->start_us);
		else
			track_latch(&j->tracks[at], w->v + j->tracks[at].m->first, w->start_us);
	}
	if (fresh)
		j->fresh_window = j->window;
	return fresh;
}

/* Puts the counts to every track. True when the last known cause has gone with this window. */
static bool step_all(struct judge *j, const struct window *w)
{
	bool before = any_latched(j), resolved;

	for (size_t i = 0; i < j->r->n_measures; i++) {
		struct track *t = &j->tracks[i];
		const struct season_table *s = &j->seasons[i];
		j->log_e[i] = track_step(t, w->v + t->m->first,
			s->n_buckets ? s->factor + j->bucket * t->m->n : NULL, j->window,
			&resolved);
	}
	for (size_t i = 0; i < j->r->n_statistics; i++)
		j->log_e[j->r->n_measures + i] = gauge_step(&j->gauges[i], j->window, &resolved);
	return before && !any_latched(j);
}

static void detectable_words(const struct judge *j, size_t i, int64_t n, struct finding *to)
{
	const struct measure *m = &j->r->measures[i];
	double share = m->judged ? effect_visible(m, n, j->log_budget - j->log_weight[i]) : 1;

	if (m->why)
		snprintf(to->change, sizeof to->change, "%s", m->why);
	else if (share < 1)
		snprintf(to->change, sizeof to->change,
			"not enough data: %lld records could show a shift of %.0f %% of them",
			(long long)n, 100 * share);
	else
		snprintf(to->change, sizeof to->change,
			"not enough data: %lld records could show no shift", (long long)n);
}

/* The mean of the bucket into `now`, its name into `when`; returns the usual mean of a number. */
static double usual_centre(
	const struct judge *j, size_t i, struct measure *now, char *when, size_t n)
{
	const struct season_table *s = &j->seasons[i];

	when[0] = 0;
	if (s->n_buckets == 0)
		return now->centre;
	season_bucket_words((enum season)j->r->season, j->bucket, when, n);
	now->mean = s->mean + j->bucket * now->n;
	return s->centre[j->bucket];
}

static void finding_fill(
	struct judge *j, size_t i, const struct window *w, bool judged, struct finding *to, struct schema *schema)
{
	const struct track *t = &j->tracks[i];
	struct measure now = *t->m; /* as is usual at this time; borrows all it points to */
	char when[40];
	double psi, centre;

	*to = (struct finding){.name = t->m->name,
		.kind = t->m->kind,
		.judged = judged && t->m->judged,
		.latched = track_latched(t) && t->latched_us < w->start_us,
		.moved = track_latched(t) || j->moved[i],
		.log_e = j->log_e[i]};
	to->log_m = j->log_m[i];
	centre = usual_centre(j, i, &now, when, sizeof when);
	psi = effect_fill(&now, centre, when, w->v, j->q, to);
	to->excess = psi;
	if (!t->m->slice)
		schema_look(j->r, i, &now, centre, w, j->q, to, schema);
	if (t->state == TRACK_KNOWN)
		psi = effect_of_level(t->m, t->known.own);
	if (t->m->judged)
		to->severity =
			effect_severity(psi, caution_smallest(t->m, j->options.smallest_effect));
	if (!to->judged && !to->moved)
		detectable_words(j, i, w->n, to);
}

static void gauge_finding(const struct judge *j, size_t i, bool judged, struct finding *to)
{
	const struct gauge *g = gauge_of(j, i);

	*to = (struct finding){.name = g->s->name, .kind = MEASURE_STATISTIC, .judged = judged && g->s->judged};
	gauge_fill(g, j->r, j->window, to);
	to->log_e = j->log_e[i];
	to->log_m = j->log_m[i];
}

static bool is_of_the_model(enum measure_kind kind)
{
	return kind == MEASURE_P_VALUE || kind == MEASURE_CONFIDENCE || kind == MEASURE_STATISTIC;
}

/* Where only scores speak, the reader asks at once what about the records is unlike: the field that differs most, though its own
 * evidence does not page yet. Twice what chance gives, and a severity of 2, or nothing is said. */
static void lead_add(struct signal *s)
{
	struct finding *said = NULL;
	const struct finding *most = NULL;

	for (size_t i = 0; i < s->n_findings; i++) {
		struct finding *f = &s->findings[i];

		if (f->moved && !f->latched && !is_of_the_model(f->kind))
			return;
		if (f->moved && !f->latched && !said)
			said = f;
		if (!f->moved && f->judged && !is_of_the_model(f->kind) && f->kind != MEASURE_MISSING && f->excess > .1 && 2 * f->excess > f->psi &&
			(!most || f->excess > most->excess))
			most = f;
	}
	if (said && most)
		snprintf(said->change + strlen(said->change), sizeof said->change - strlen(said->change), "; most unlike: %s (%s)", most->name,
			most->change);
}

/* Of a slice only what has moved is told, and of that what says more than the whole stream does: it has more evidence of its own, or
 * has likelier than not moved another way (to be told takes less than to page). */
static bool is_told(const struct judge *j, size_t at)
{
	if (!of_slice(j, at))
		return true;
	if (j->moved[at] && j->log_m[at] > j->log_m[j->r->measures[at].source])
		return true;
	return (is_latched(j, at) || j->moved[at]) && !is_echo(j, at, 0);
}

static void findings_fill(struct judge *j, const struct window *w, bool judged, struct signal *to)
{
	to->findings = mem_alloc((j->n + 1) * sizeof *to->findings);
	to->n_findings = 0;
	to->since_us = TIME_NONE;
	for (size_t i = 0; i < j->n; i++) {
		size_t at = j->order[i];
		struct finding *f = &to->findings[to->n_findings];

		if (!is_told(j, at))
			continue;
		to->n_findings++;
		if (gauge_of(j, at))
			gauge_finding(j, at, judged, f);
		else
			finding_fill(j, at, w, judged, f, &to->schema);
		f->latched = is_latched(j, at) && latched_us(j, at) < w->start_us;
		f->moved = is_latched(j, at) || j->moved[at];
		if (is_latched(j, at) && (to->since_us == TIME_NONE || latched_us(j, at) < to->since_us))
			to->since_us = latched_us(j, at);
		if (f->moved && f->severity > to->severity)
			to->severity = f->severity;
	}
	if (to->fresh)
		lead_add(to);
	schema_settle(&j->past, w, &to->schema);
}

static char *why_unjudged(const struct judge *j, const struct window *w)
{
	bool any = false;

	for (size_t i = 0; i < j->n; i++)
		any |= is_judged(j, i);
	if (!any && j->r->inherited_from)
		return mem_format("nothing of version %s can be judged by that of %s: it needs a reference of its own", j->r->version,
			j->r->inherited_from);
	if (!any)
		return mem_format(
			"not enough data: the reference holds too little to judge any measure by");
	if (w->cut)
		return mem_format("the stream began or ended in this window: a part is not judged "
				  "by whole ones");
	if (w->n < LEAST_RECORDS)
		return mem_format("not enough data: %lld records", (long long)w->n);
	return NULL;
}

static enum signal_state state_of(bool fresh, bool latched, bool resolved, bool why)
{
	if (fresh)
		return SIGNAL_ALARM;
	if (latched)
		return SIGNAL_ONGOING;
	if (resolved)
		return SIGNAL_RESOLVED;
	return why ? SIGNAL_UNJUDGED : SIGNAL_QUIET;
}

static void signal_begin(const struct judge *j, const struct window *w, struct signal *to)
{
	*to = (struct signal){.model = mem_copy_text(j->r->model),
		.version = mem_copy_text(j->r->version),
		.inherited_from = mem_copy_text(j->r->inherited_from),
		.start_us = w->start_us,
		.end_us = w->end_us,
		.n = w->n,
		.n_flagged = w->n_flagged,
		.log_m = -INFINITY,
		.log_budget = j->log_budget,
		.flag_rate = w->n ? (double)w->n_flagged / (double)w->n : 0};
	to->why = why_unjudged(j, w);
}

void judge_window(struct judge *j, const struct window *w, struct signal *ret)
{
	bool judged = !w->cut, resolved = false;
	enum season season = (enum season)j->r->season;

	assert(w->width == j->r->width);
	signal_begin(j, w, ret);
	j->bucket = season_bucket(season, w->start_us, j->r->window_us, NULL);
	memset(j->log_e, 0, j->n * sizeof *j->log_e);
	memset(j->moved, 0, j->n * sizeof *j->moved);
	for (size_t i = 0; i < j->r->n_statistics; i++)
		gauge_see(&j->gauges[i], w);
	if (judged)
		resolved = step_all(j, w);
	ret->log_m = weigh(j);
	if (judged && (ret->log_m > j->log_budget || any_breaks(j, w)))
		ret->fresh = news(j, w, ret->log_m);
	ret->alarm = any_latched(j);
	ret->state = state_of(ret->fresh, ret->alarm, resolved, ret->why != NULL);
	if (!j->options.wordless)
		findings_fill(j, w, judged, ret);
	limit_tracks_window(&j->limits, w, judged, &ret->limits);
	if (!j->options.wordless) /* a book of slices alarms nothing; and a self-test, whose windows lie weeks apart, ends a period with each */
		slice_book_window(&j->slices, w, ret);
	performance_of_window(&j->r->performance, w->v, &ret->performance);
	j->window += judged;
}

void judge_pack(const struct judge *j, struct buf *to)
{
	pack_map(to, 9);
	pack_text(to, "oodd_judge");
	pack_int(to, JUDGE_FORMAT);
	pack_text(to, "reference");
	pack_text(to, j->r->hash);
	pack_text(to, "window");
	pack_int(to, j->window);
	pack_text(to, "fresh_window");
	pack_int(to, j->fresh_window);
	pack_text(to, "tracks");
	pack_array(to, j->r->n_measures);
	for (size_t i = 0; i < j->r->n_measures; i++)
		track_pack(&j->tracks[i], to);
	pack_text(to, "schema");
	schema_past_pack(&j->past, to);
	pack_text(to, "gauges");
	pack_array(to, j->r->n_statistics);
	for (size_t i = 0; i < j->r->n_statistics; i++)
		gauge_pack(&j->gauges[i], to);
	pack_text(to, "limits");
	limit_tracks_pack(&j->limits, to);
	pack_text(to, "slices");
	slice_book_pack(&j->slices, to);
}

static int judge_read(struct judge *j, const struct msgpack_object *o, struct error *e)
{
	const struct msgpack_object *tracks = unpack_field(o, "tracks"), *gauges = unpack_field(o, "gauges");
	int64_t format;

	if (!unpack_int(unpack_field(o, "oodd_judge"), 1, INT64_MAX, &format) ||
		format != JUDGE_FORMAT)
		return error_set(e, -EINVAL, "judge's state: expected \"oodd_judge\" of format %d",
			JUDGE_FORMAT);
	if (!unpack_is_text(unpack_field(o, "reference"), j->r->hash))
		return error_set(
			e, -EINVAL, "judge's state: of another reference than %.12s", j->r->hash);
	if (!unpack_int(unpack_field(o, "window"), 0, INT64_MAX - 1, &j->window) ||
		!unpack_int(unpack_field(o, "fresh_window"), -1, INT64_MAX - SAME_CAUSE_WINDOWS,
			&j->fresh_window) ||
		unpack_length(tracks) != j->r->n_measures || unpack_length(gauges) != j->r->n_statistics)
		return error_set(e, -EINVAL,
			"judge's state: a field is absent, of another type, or out of range");
	for (size_t i = 0; i < j->r->n_measures; i++)
		if (!track_unpack(&j->tracks[i], unpack_item(tracks, i)))
			return error_set(e, -EINVAL, "judge's state: measure %s does not fit",
				j->r->measures[i].name);
	schema_past_done(&j->past);
	if (!schema_past_read(unpack_field(o, "schema"), &j->past))
		return error_set(e, -EINVAL, "judge's state: what is known of the schema does not fit");
	for (size_t i = 0; i < j->r->n_statistics; i++)
		if (!gauge_unpack(&j->gauges[i], unpack_item(gauges, i)))
			return error_set(e, -EINVAL, "judge's state: window detector %s does not fit", j->r->statistics[i].name);
	limit_tracks_read(&j->limits, unpack_field(o, "limits"));
	slice_book_read(&j->slices, unpack_field(o, "slices"));
	return 0;
}

int judge_unpack(struct judge *j, const void *at, size_t n, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	int code = judge_read(j, unpack_root(u), e);

	unpack_close(u);
	if (code == 0)
		return 0;
	j->window = 0;
	j->fresh_window = -1;
	for (size_t i = 0; i < j->r->n_measures; i++)
		track_reset(&j->tracks[i]);
	for (size_t i = 0; i < j->r->n_statistics; i++)
		gauge_reset(&j->gauges[i]);
	limit_tracks_read(&j->limits, NULL);
	slice_book_read(&j->slices, NULL);
	return code;
}
