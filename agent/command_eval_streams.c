/* SPDX-License-Identifier: Apache-2.0
 * oodd eval, streams: alarms against the phases in which something moved. A window belongs to every phase that it shares a moment
 * with; only windows that share none with a shifted phase can raise a false alarm. Beside each delay stands what no detector that
 * keeps the budget can beat by much when it sees the fused p-values alone: log(budget) / KL (Lorden 1971),
 * KL being that of the p-values as far as they are smaller than usual: larger ones are no news. */
#include "command_eval.h"

#include "base/member.h"
#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void eval_streams_row(struct eval_streams *s, const struct reference *r, const struct batch *b, const struct scored *scored, size_t row)
{
	size_t m = 0;

	while (m < r->n_measures && r->measures[m].kind != MEASURE_P_VALUE)
		m++;
	s->p_value = m < r->n_measures ? &r->measures[m] : NULL;
	if (s->n_seen == s->seen_room) {
		s->seen_room = s->seen_room ? 2 * s->seen_room : 1024;
		s->seen = mem_grow(s->seen, s->seen_room, sizeof *s->seen);
	}
	s->seen[s->n_seen++] = (struct eval_seen){b->time_us[row], s->p_value ? scored->bin[row * scored->n_measures + m] : SCORED_NO_BIN};
	for (size_t i = 0; i < s->n_phases; i++)
		if (s->phases[i].first_row == s->n_rows)
			s->phases[i].start_us = b->time_us[row];
	s->n_rows++;
}

/* What an alarm names, for people and for programs. */
static void window_name(struct eval_window *w, const struct signal *signal)
{
	struct buf change = BUF_EMPTY, names = BUF_EMPTY;

	buf_text(&names, "[");
	for (size_t i = 0; i < signal->n_findings; i++) {
		const struct finding *f = &signal->findings[i];

		if (!f->moved || f->latched)
			continue;
		buf_format(&change, "%s%s: %s", change.n ? "; " : "", f->name, f->change);
		buf_text(&names, names.n > 1 ? "," : "");
		buf_json_text(&names, f->name, strlen(f->name));
	}
	buf_text(&names, "]");
	w->change = mem_copy_span(buf_cstr(&change), change.n);
	w->names = mem_copy_span(buf_cstr(&names), names.n);
	buf_done(&change);
	buf_done(&names);
}

void eval_streams_signal(struct eval_streams *s, const struct signal *signal)
{
	struct eval_window *w;

	s->windows = mem_grow(s->windows, s->n_windows + 1, sizeof *s->windows);
	w = &s->windows[s->n_windows++];
	*w = (struct eval_window){.start_us = signal->start_us, .end_us = signal->end_us, .state = signal->state};
	s->log_budget = signal->log_budget;
	if (signal->fresh)
		window_name(w, signal);
}

void eval_streams_done(struct eval_streams *s)
{
	for (size_t i = 0; i < s->n_phases; i++)
		free(s->phases[i].name);
	for (size_t i = 0; i < s->n_windows; i++) {
		free(s->windows[i].change);
		free(s->windows[i].names);
	}
	free(s->phases);
	free(s->windows);
	free(s->seen);
}

/* What became of a phase. */
struct outcome {
	size_t rows, windows, alarms;
	const struct eval_window *by; /* the first alarm in it; NULL: none */
	size_t at;                /* which of its windows that was; 1 is the first that holds any of it */
	size_t rows_until;        /* records of the phase before the end of that window */
	bool known;               /* an earlier cause was latched when it began: what was already known is not said again */
	double delay_us;          /* from its beginning to the end of that window */
	double kl;                /* nats a window, of its p-values where they are smaller than the reference's; NaN: cannot be said */
	double bound;             /* in windows; NaN: they do not differ */
};

static bool in_phase(const struct eval_phase *p, int64_t time_us)
{
	return p->start_us != TIME_NONE && time_us >= p->start_us && time_us < p->end_us;
}

static bool overlaps(const struct eval_phase *p, const struct eval_window *w)
{
	return p->start_us != TIME_NONE && w->end_us > p->start_us && w->start_us < p->end_us;
}

/* Ends of phases that were given by rows are known now; those never reached are empty. */
static void phases_settle(struct eval_streams *s)
{
	for (size_t i = 0; i + 1 < s->n_phases; i++)
		s->phases[i].end_us = s->phases[i + 1].start_us == TIME_NONE ? INT64_MAX : s->phases[i + 1].start_us;
}

struct level {
	double q, m; /* shares of the phase and of the reference */
};

/* Shares bin by bin, the smallest p first, into levels whose ratio q / m falls: neighbours that rise are pooled (Barlow et al. 1972).
 * Returns how many. */
static size_t levels_make(const int64_t *n, const double *mean, size_t bins, struct level *to)
{
	double all = 0, whole = 0;
	size_t k = 0;

	for (size_t i = 0; i < bins; i++) {
		all += (double)n[i];
		whole += mean[i];
	}
	for (size_t i = 0; i < bins && all > 0; i++) {
		to[k++] = (struct level){(double)n[i] / all, mean[i] / whole};
		while (k > 1 && to[k - 1].q * to[k - 2].m >= to[k - 2].q * to[k - 1].m) {
			to[k - 2].q += to[k - 1].q;
			to[k - 2].m += to[k - 1].m;
			k--;
		}
	}
	return k;
}

/* Nats a record that the phase's p-values offer to whoever counts only that they are smaller than the reference's: KL of the nearest
 * shares whose ratio to the reference's falls with p. Less what chance alone adds to it, a half for each further level and record. */
static double phase_kl(const struct eval_streams *s, const struct eval_phase *p)
{
	const struct measure *m = s->p_value;
	struct level *levels;
	int64_t *n, all = 0;
	double kl = 0;
	size_t k;

	if (!m || !m->mean)
		return NAN;
	n = mem_zero(m->n, sizeof *n);
	levels = mem_zero(m->n, sizeof *levels);
	for (size_t i = 0; i < s->n_seen; i++)
		if (in_phase(p, s->seen[i].time_us) && s->seen[i].bin != SCORED_NO_BIN) {
			n[s->seen[i].bin - m->first]++;
			all++;
		}
	k = levels_make(n, m->mean, m->n_edges + 1, levels);
	for (size_t i = 0; i < k && k > 1; i++) /* one level is the reference itself */
		kl += levels[i].q > 0 ? levels[i].q * log(levels[i].q / levels[i].m) : 0;
	free(levels);
	free(n);
	return k ? fmax(kl - (double)(k - 1) / (2 * (double)all), 0) : (double)NAN;
}

static void outcome_rows(const struct eval_streams *s, const struct eval_phase *p, int64_t window_us, struct outcome *o)
{
	int64_t last_us = p->start_us;
	double windows;

	for (size_t i = 0; i < s->n_seen; i++)
		if (in_phase(p, s->seen[i].time_us)) {
			o->rows++;
			o->rows_until += o->by && s->seen[i].time_us < o->by->end_us;
			last_us = s->seen[i].time_us > last_us ? s->seen[i].time_us : last_us;
		}
	windows = (double)((p->end_us == INT64_MAX ? last_us : p->end_us) - p->start_us) / (double)window_us;
	o->kl = windows > 0 ? phase_kl(s, p) * (double)o->rows / windows : (double)NAN;
	o->bound = o->kl > 0 ? s->log_budget / o->kl : (double)NAN;
}

static struct outcome outcome_of(const struct eval_streams *s, const struct eval_phase *p, int64_t window_us)
{
	struct outcome o = {0};

	for (size_t i = 0; i < s->n_windows; i++) {
		const struct eval_window *w = &s->windows[i];

		if (!overlaps(p, w))
			continue;
		o.windows++;
		o.known = o.known || (!o.by && w->state == SIGNAL_ONGOING);
		o.alarms += w->state == SIGNAL_ALARM;
		if (w->state == SIGNAL_ALARM && !o.by) {
			o.by = w;
			o.at = o.windows;
			o.delay_us = (double)(w->end_us - p->start_us);
		}
	}
	outcome_rows(s, p, window_us, &o);
	return o;
}

enum clean { CLEAN_BEFORE, CLEAN_AFTER, SHIFTED };

/* Where a window stands: it shares nothing with a shift and is before the first one, or after it (then an alarm may be the tail of an
 * incident), or it does. */
static enum clean clean_of(const struct eval_streams *s, const struct eval_window *w)
{
	bool after = false;

	for (size_t i = 0; i < s->n_phases; i++) {
		if (!s->phases[i].shifted)
			continue;
		if (overlaps(&s->phases[i], w))
			return SHIFTED;
		after = after || (s->phases[i].start_us != TIME_NONE && w->start_us >= s->phases[i].start_us);
	}
	return after ? CLEAN_AFTER : CLEAN_BEFORE;
}

static struct rate clean_rate(const struct eval_streams *s, const struct rate_budget *budget, enum clean which, size_t *ret_unjudged)
{
	size_t alarms = 0, windows = 0;
	struct rate r;

	*ret_unjudged = 0;
	for (size_t i = 0; i < s->n_windows; i++) {
		const struct eval_window *w = &s->windows[i];

		if (clean_of(s, w) != which)
			continue;
		*ret_unjudged += w->state == SIGNAL_UNJUDGED;
		windows += w->state != SIGNAL_UNJUDGED;
		alarms += w->state == SIGNAL_ALARM;
	}
	rate_of(alarms, windows, 1, budget, &r);
	return r;
}

/* ---- JSON ---- */

static void put_time(struct buf *to, const char *key, int64_t us)
{
	char text[32];

	if (us == TIME_NONE || us == TIME_NONE + 1 || us == INT64_MAX)
		buf_format(to, ",\"%s\":null", key);
	else
		buf_format(to, ",\"%s\":\"%s\"", key, time_format(us, text, sizeof text));
}

static void put_phase(struct buf *to, const struct eval_phase *p, const struct outcome *o)
{
	buf_text(to, "{\"phase\":");
	buf_json_text(to, p->name, strlen(p->name));
	put_time(to, "start", p->start_us);
	put_time(to, "end", p->end_us);
	buf_format(to, ",\"records\":%zu,\"windows\":%zu,\"alarms\":%zu,\"found\":%s,\"known_before\":%s", o->rows, o->windows, o->alarms,
		o->by ? "true" : "false", o->known ? "true" : "false");
	member_number(to, "delay_windows", o->by ? (double)o->at : (double)NAN);
	member_number(to, "delay_records", o->by ? (double)o->rows_until : (double)NAN);
	member_number(to, "delay_s", o->by ? o->delay_us / SECOND_US : (double)NAN);
	member_number(to, "kl_per_window", o->kl);
	member_number(to, "bound_windows", o->bound);
	buf_format(to, ",\"named\":%s,\"change\":", o->by ? o->by->names : "[]");
	if (o->by)
		buf_json_text(to, o->by->change, strlen(o->by->change));
	else
		buf_text(to, "null");
	buf_text(to, "}");
}

static void put_clean(const struct eval_streams *s, const struct rate_budget *budget, enum clean which, const char *key, struct buf *to)
{
	size_t unjudged;
	struct rate r = clean_rate(s, budget, which, &unjudged);

	buf_format(to, "\"%s\":{", key);
	rate_json(&r, budget, to);
	buf_format(to, ",\"unjudged\":%zu}", unjudged);
}

void eval_streams_json(struct eval_streams *s, struct rate_budget *budget, struct buf *to)
{
	bool first = true;

	budget->log_budget = s->log_budget;
	phases_settle(s);
	buf_text(to, ",\"phases\":[");
	for (size_t i = 0; i < s->n_phases; i++) {
		struct outcome o;

		if (!s->phases[i].shifted)
			continue;
		o = outcome_of(s, &s->phases[i], budget->window_us);
		buf_text(to, first ? "" : ",");
		put_phase(to, &s->phases[i], &o);
		first = false;
	}
	buf_text(to, "],\"false_alarms\":{");
	put_clean(s, budget, CLEAN_BEFORE, "before", to);
	buf_text(to, ",");
	put_clean(s, budget, CLEAN_AFTER, "after", to);
	buf_text(to, "}");
}

/* ---- a table ---- */

static void text_phase(struct buf *to, const struct eval_phase *p, const struct outcome *o, int64_t window_us)
{
	char start[32], delay[32], least[32], windows[32] = "-", bound[32] = "-";

	if (o->by)
		snprintf(windows, sizeof windows, "%.1f", o->delay_us / (double)window_us);
	if (!isnan(o->bound))
		snprintf(bound, sizeof bound, "%.1f", o->bound);
	snprintf(least, sizeof least, "%zu of %zu", o->at, o->windows);
	snprintf(delay, sizeof delay, "%zu", o->rows_until);
	buf_format(to, "  %-42.42s %-24s %-9s %9s %9s %7s %7s\n", p->name,
		p->start_us == TIME_NONE ? "not reached" : time_format(p->start_us, start, sizeof start),
		o->by ? "found" : o->known ? "known" : "NOT FOUND", o->by ? least : "-", o->by ? delay : "-", windows, bound);
	if (o->by)
		buf_format(to, "      %s\n", o->by->change);
}

static void text_clean(const struct eval_streams *s, const struct rate_budget *budget, enum clean which, struct buf *to)
{
	size_t unjudged;
	struct rate r = clean_rate(s, budget, which, &unjudged);

	buf_format(to, "  %-22s ", which == CLEAN_AFTER ? "after the first shift" : "before any shift");
	rate_text(&r, budget, to);
	if (unjudged)
		buf_format(to, "; not judged: %zu", unjudged);
	buf_text(to, "\n");
	for (size_t i = 0; i < s->n_windows; i++) {
		const struct eval_window *w = &s->windows[i];
		char start[32];

		if (w->change && clean_of(s, w) == which)
			buf_format(to, "      %s %s\n", time_format(w->start_us, start, sizeof start), w->change);
	}
}

void eval_streams_text(struct eval_streams *s, struct rate_budget *budget, struct buf *to)
{
	budget->log_budget = s->log_budget;
	phases_settle(s);
	buf_format(to, "\n  %-42s %-24s %-9s %9s %9s %7s %7s\n", "shift", "from", "", "in window", "records", "delay", "bound");
	for (size_t i = 0; i < s->n_phases; i++)
		if (s->phases[i].shifted) {
			struct outcome o = outcome_of(s, &s->phases[i], budget->window_us);

			text_phase(to, &s->phases[i], &o, budget->window_us);
		}
	buf_text(to, "  in window: the first alarm was in that window of those that hold any of it; records: of it, until that window's end;\n"
		     "  delay: to that end, in lengths of a window; bound: log(budget) / KL of the fused p-values over the whole phase, as far as\n"
		     "  they are smaller than usual, in the same; known: an earlier cause was still latched, and nothing new moved\n\nfalse alarms\n");
	text_clean(s, budget, CLEAN_BEFORE, to);
	text_clean(s, budget, CLEAN_AFTER, to);
}
