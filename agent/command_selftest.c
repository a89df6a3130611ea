/* SPDX-License-Identifier: Apache-2.0
 * oodd selftest: is the false-alarm budget kept on one's own traffic? Every alarm raised here is false. What is printed beside
 * each count is how long was looked and what that can show; what a reference cannot show is said last. */
#include "commands.h"

#include "command_selftest.h"
#include "offline.h"
#include "truth.h"
#include "rate.h"
#include "base/clock.h"
#include "base/mem.h"
#include "score/statistic.h"
#include "stats/interval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { FEW_WINDOWS = 20 };
#define TAIL .025

struct selftest {
	struct offline offline;
	const char *model;
	const char *only;
	long windows, replays;
	size_t n_tested;
	/* with LOG...: of each stream, in the order of pipeline_streams */
	struct live {
		size_t alarms, judged, unjudged;
		double log_budget;
		struct rate_pair *flags; /* one a window */
		size_t n_windows;
	} *live;
	size_t n_live;
	const struct stream **streams;
};

/* ---- what a reference says of its flags ---- */

static void flags_of(const struct reference *r, struct rate_share *ret)
{
	struct rate_pair *w = mem_zero(r->n_windows + 1, sizeof *w);

	for (size_t i = 0; i < r->n_windows; i++)
		w[i] = (struct rate_pair){r->windows[i].n_flagged, r->windows[i].n};
	rate_share_of(w, r->n_windows, ret);
	free(w);
}

static void text_flags(const struct rate_share *f, double asked, const char *where, struct buf *to)
{
	buf_format(to, "flags       %lld of %lld records %s", (long long)f->k, (long long)f->n, where);
	if (f->n)
		buf_format(to, ": %.2f %%, asked %.2f %%; 95 %% interval %.2f to %.2f %%", 100 * f->share, 100 * asked, 100 * f->low,
			100 * f->high);
	if (f->effect > 1.005)
		buf_format(to, " (widened by a design effect of %.2f)", f->effect);
	buf_text(to, "\n");
}

static void json_flags(const struct rate_share *f, double asked, struct buf *to)
{
	buf_text(to, "\"flags\":{\"asked\":");
	buf_json_number(to, asked);
	buf_text(to, ",\"achieved\":");
	buf_json_number(to, f->share);
	buf_text(to, ",\"interval\":[");
	buf_json_number(to, f->low);
	buf_text(to, ",");
	buf_json_number(to, f->high);
	buf_format(to, "],\"flagged\":%lld,\"records\":%lld,\"design_effect\":", (long long)f->k, (long long)f->n);
	buf_json_number(to, f->effect);
	buf_text(to, "}");
}

static void text_detectors(const struct reference *r, struct buf *to)
{
	double n = (double)r->n_cal_b;

	for (size_t i = 0; i < r->n_detectors; i++) {
		const struct reference_detector *d = &r->detectors[i];
		double k = round(d->held_out_flag_rate * n);

		if (!d->muted)
			buf_format(to, "            %-16s alone %.2f %% of %.0f records of cal-B; 95 %% interval %.2f to %.2f %%\n", d->name,
				100 * d->held_out_flag_rate, n, 100 * interval_share_low(k, n, TAIL), 100 * interval_share_high(k, n, TAIL));
	}
}

static void json_detectors(const struct reference *r, struct buf *to)
{
	double n = (double)r->n_cal_b;
	bool first = true;

	buf_text(to, ",\"detectors\":[");
	for (size_t i = 0; i < r->n_detectors; i++) {
		const struct reference_detector *d = &r->detectors[i];
		double k = round(d->held_out_flag_rate * n);

		if (d->muted)
			continue;
		buf_text(to, first ? "{\"name\":" : ",{\"name\":");
		buf_json_text(to, d->name, strlen(d->name));
		buf_text(to, ",\"flag_rate\":");
		buf_json_number(to, d->held_out_flag_rate);
		buf_format(to, ",\"records\":%.0f,\"interval\":[", n);
		buf_json_number(to, interval_share_low(k, n, TAIL));
		buf_text(to, ",");
		buf_json_number(to, interval_share_high(k, n, TAIL));
		buf_text(to, "]}");
		first = false;
	}
	buf_text(to, "]");
}

/* ---- a reference ---- */

static struct rate_budget budget_of(const struct model_config *m, double log_budget)
{
	return (struct rate_budget){m->false_alarms.n, m->false_alarms.per_us, m->window_us, log_budget};
}

/* Alarms of one replay have one cause, the draw that it was given: variance over mean of the replays' alarms. */
static double clustering(const struct trial *t)
{
	double n = (double)t->replays, mean = (double)t->alarms / n;

	return t->replays > 1 && t->alarms ? fmax((t->squares - n * mean * mean) / (n - 1) / mean, 1) : 1;
}

/* "6 of 33", or "-" where none is. */
static const char *part_words(size_t some, size_t all, char *to, size_t n)
{
	if (some)
		snprintf(to, n, "%zu of %zu", some, all);
	return some ? to : "-";
}

static void text_trial(const struct trial *t, const struct rate_budget *budget, struct buf *to)
{
	double seconds = (double)t->windows * (double)budget->window_us / SECOND_US;
	char looked[32], replays[48], blind[48], interval[48];
	struct rate r;

	rate_of(t->alarms, t->windows, clustering(t), budget, &r);
	snprintf(interval, sizeof interval, "%.2g (%.2g to %.2g)", r.per_period, r.low_per_period, r.high_per_period);
	buf_format(to, "  %-13s %9zu %10s %7zu %8.3g  %-24s %-10s ", t->kind->name, t->windows,
		rate_duration(seconds, looked, sizeof looked), t->alarms, r.allowed, t->windows ? interval : "-", rate_verdict(&r));
	buf_format(to, t->windows ? "%5.1f" : "    -", t->highest_log_m);
	buf_format(to, "  %-12s %-8s", part_words(t->replays > 1 ? t->alarmed : 0, t->replays, replays, sizeof replays),
		part_words(t->last.n_unjudged_measures, t->last.n_measures, blind, sizeof blind));
	while (to->n && to->at[to->n - 1] == ' ')
		to->n--;
	buf_text(to, "\n");
}

/* Why there is nothing to try. */
static bool text_nothing(const struct reference *r, const struct trial *trials, struct buf *to)
{
	for (size_t i = 0; i < TRIALS; i++)
		if (trials[i].windows)
			return false;
	buf_format(to, "false alarms  not tried: of the reference's %zu null windows and %zu measures nothing can be judged\n", r->n_windows, r->n_measures);
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].why) {
			buf_format(to, "              %s: %s\n", r->measures[i].name, r->measures[i].why);
			break;
		}
	return true;
}

static void text_trials(const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	char head[48], period[32];

	snprintf(head, sizeof head, "per %s, 95 %%", rate_duration((double)budget->per_us / SECOND_US, period, sizeof period));
	buf_format(to, "false alarms      windows       time  alarms  allowed  %-24s budget   evidence  in replays   unjudged\n", head);
	for (size_t i = 0; i < TRIALS; i++)
		if (trials[i].replays)
			text_trial(&trials[i], budget, to);
}

static void text_legend(const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	for (size_t i = 0; i < TRIALS; i++)
		if (trial_kinds[i].help && trials[i].replays)
			buf_format(to, "  %-13s %s\n", trial_kinds[i].times > 1 ? "" : trial_kinds[i].name, trial_kinds[i].help);
	buf_format(to, "  %-13s what the budget allows in so many windows; kept: the alarms' upper 95 %% bound is below it; not broken: too few windows to show that\n",
		"allowed");
	buf_format(to, "  %-13s the highest log M; an alarm needs %.1f\n", "evidence", budget->log_budget);
}

/* What this reference cannot show. */
static void text_limits(const struct reference *r, const struct trial *drawn, const struct rate_budget *budget, struct buf *to)
{
	char period[32];
	double span = (double)r->n_windows * (double)r->window_us / SECOND_US;

	buf_text(to, "not shown here:\n");
	if (r->n_windows < FEW_WINDOWS)
		buf_format(to, "  - %zu windows (%s) are few: what they did not hold, no drawing from them can bring up; a longer reference can\n",
			r->n_windows, rate_duration(span, period, sizeof period));
	if (drawn->replays)
		buf_format(to, "  - drawn: %zu windows stand for %zu. It shows that the budget is kept while traffic is as those were, not that it will be\n",
		drawn->last.held_out, drawn->windows);
	buf_text(to, "  - shuffled: what windows have in common beyond their records is gone; it shows that a reference of this size is enough if traffic is as simple\n");
	if ((double)r->n_windows < 2 * exp(budget->log_budget))
		buf_text(to, "  - in order: fewer windows than the budget allows two alarms in; only logs without drift that are as long can show the rate "
			     "itself (oodd selftest LOG...)\n");
	buf_text(to, "  - seasons longer than the reference, and drift inside it\n");
}

static void reference_text(const struct reference *r, const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	struct rate_share flags;
	char period[32];

	flags_of(r, &flags);
	buf_format(to, "%s %s: %zu null windows of %s and %zu of calibration; budget %g per %s", r->model, r->version, r->n_windows,
		rate_duration((double)r->window_us / SECOND_US, period, sizeof period), r->n_others, budget->false_alarms,
		rate_duration((double)budget->per_us / SECOND_US, (char[32]){0}, 32));
	if (budget->log_budget > 0)
		buf_format(to, ", kept as 1 in %.0f windows", exp(budget->log_budget));
	buf_text(to, "\n");
	text_flags(&flags, r->flag_rate, "in the null windows, which no step of fitting has seen", to);
	text_detectors(r, to);
	if (text_nothing(r, trials, to))
		return;
	text_trials(trials, budget, to);
	text_legend(trials, budget, to);
	text_limits(r, &trials[0], budget, to);
}

static void json_trial(const struct trial *t, const struct rate_budget *budget, struct buf *to)
{
	struct rate r;

	rate_of(t->alarms, t->windows, clustering(t), budget, &r);
	buf_format(to, "{\"trial\":\"%s\",\"repeated\":%lld,\"replays\":%zu,\"replays_with_alarm\":%zu,\"held_out\":%zu,\"windows_ongoing\":%zu,"
		"\"unjudged_measures\":%zu,", t->kind->name, (long long)t->kind->times, t->replays, t->alarmed, t->last.held_out, t->ongoing,
		t->last.n_unjudged_measures);
	rate_json(&r, budget, to);
	buf_text(to, ",\"design_effect\":");
	buf_json_number(to, clustering(t));
	buf_text(to, ",\"highest_log_m\":");
	buf_json_number(to, t->highest_log_m);
	buf_text(to, "}");
}

static void json_head(const char *model, const char *version, const struct rate_budget *budget, struct buf *to)
{
	buf_text(to, "{\"model\":");
	buf_json_text(to, model, strlen(model));
	buf_text(to, ",\"version\":");
	buf_json_text(to, version, strlen(version));
	buf_text(to, ",\"budget\":{\"false_alarms\":");
	buf_json_number(to, budget->false_alarms);
	buf_text(to, ",\"per_s\":");
	buf_json_number(to, (double)budget->per_us / SECOND_US);
	buf_text(to, ",\"log_windows\":");
	buf_json_number(to, budget->log_budget);
	buf_text(to, "},");
}

/* The same of labels, which have a reference and a part of the budget of their own. */
static void labels_text(const struct reference *truth, const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	buf_format(to, "labels: %zu windows of them; a quarter of the budget\n", truth->n_windows);
	if (text_nothing(truth, trials, to))
		return;
	text_trials(trials, budget, to);
	buf_format(to, "  %-13s an alarm needs %.1f: 1 in %.0f windows\n", "evidence", budget->log_budget, exp(budget->log_budget));
}

static void trials_json(const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	buf_text(to, "\"trials\":[");
	for (size_t i = 0, put = 0; i < TRIALS; i++)
		if (trials[i].replays) {
			buf_text(to, put++ ? "," : "");
			json_trial(&trials[i], budget, to);
		}
	buf_text(to, "]");
}

static void labels_json(const struct reference *truth, const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	buf_format(to, ",\"labels\":{\"null_windows\":%zu,\"log_windows\":", truth->n_windows);
	buf_json_number(to, budget->log_budget);
	buf_text(to, ",");
	trials_json(trials, budget, to);
	buf_text(to, "}");
}

static void reference_json(const struct reference *r, const struct trial *trials, const struct rate_budget *budget, struct buf *to)
{
	struct rate_share flags;

	flags_of(r, &flags);
	json_head(r->model, r->version, budget, to);
	buf_format(to, "\"null_windows\":%zu,\"other_windows\":%zu,\"measures\":%zu,", r->n_windows, r->n_others, r->n_measures);
	json_flags(&flags, r->flag_rate, to);
	json_detectors(r, to);
	buf_text(to, ",");
	trials_json(trials, budget, to);
}

static const struct trial *first_run(const struct trial *trials)
{
	while (!trials->replays)
		trials++;
	return trials;
}

static void labels_test(struct selftest *t, const struct reference *r, const struct judge_options *options, const struct model_config *m)
{
	const struct reference *truth = r->performance.truth;
	struct judge_options part = truth_takes(options);
	struct trial trials[TRIALS];
	struct rate_budget budget;

	if (!truth)
		return;
	trials_run(truth, &part, t->only, (size_t)t->windows, (size_t)t->replays, t->offline.threads, trials);
	budget = budget_of(m, first_run(trials)->last.log_budget);
	budget.false_alarms *= TRUTH_BUDGET;
	(t->offline.json ? labels_json : labels_text)(truth, trials, &budget, &t->offline.out);
}

static int reference_test(struct selftest *t, const struct plugins *plugins, const struct model_config *m)
{
	struct judge_options options = judge_options_of(m);
	struct trial trials[TRIALS];
	struct rate_budget budget;
	struct reference *r;
	struct error e = {0};

	if (reference_read(m->reference, &r, &e))
		return cli_fail(t->offline.self, EX_DATAERR, "model \"%s\": %s", m->name, e.text);
	if (statistics_attach(r, plugins, &e)) {
		reference_close(r);
		return cli_fail(t->offline.self, EX_CONFIG, "model \"%s\": %s", m->name, e.text);
	}
	trials_run(r, &options, t->only, (size_t)t->windows, (size_t)t->replays, t->offline.threads, trials);
	budget = budget_of(m, first_run(trials)->last.log_budget);
	(t->offline.json ? reference_json : reference_text)(r, trials, &budget, &t->offline.out);
	labels_test(t, r, &options, m);
	if (t->offline.json)
		buf_text(&t->offline.out, "}\n");
	offline_flush(&t->offline, true);
	reference_close(r);
	t->n_tested++;
	return 0;
}

static int without_logs(void *context, const struct house *house)
{
	struct selftest *t = context;
	bool any = false;
	int status = 0;

	for (size_t i = 0; i < TRIALS; i++)
		any |= trial_wanted(&trial_kinds[i], t->only);
	if (!any)
		return cli_fail(t->offline.self, EX_USAGE, "no trial is called \"%s\": drawn, shuffled or \"in order\"", t->only);
	for (size_t i = 0; i < house->config->n_models && !status; i++) {
		const struct model_config *m = &house->config->models[i];

		if (t->model && strcmp(t->model, m->name))
			continue;
		if (m->reference && !access(m->reference, R_OK))
			status = reference_test(t, house->plugins, m);
		else
			fprintf(stderr, "oodd selftest: model \"%s\" has no reference yet: oodd fit makes one\n", m->name);
	}
	if (!status && !t->n_tested)
		return cli_fail(t->offline.self, EX_NOINPUT, "no reference to test%s%s", t->model ? " of model " : "", t->model ? t->model : "");
	return status;
}

/* ---- logs without drift ---- */

static struct live *live_of(struct selftest *t, const char *model, const char *version)
{
	for (size_t i = 0; i < t->n_live; i++)
		if (!strcmp(t->streams[i]->model, model) && !strcmp(t->streams[i]->version, version))
			return &t->live[i];
	return NULL;
}

static void on_window(void *context, const struct stream *s, const struct window *w)
{
	struct selftest *t = context;
	struct live *l = live_of(t, s->model, s->version);

	if (!l) {
		t->live = mem_grow(t->live, t->n_live + 1, sizeof *t->live);
		t->streams = mem_grow(t->streams, t->n_live + 1, sizeof *t->streams);
		t->streams[t->n_live] = s;
		l = &t->live[t->n_live++];
		*l = (struct live){0};
	}
	l->flags = mem_grow(l->flags, l->n_windows + 1, sizeof *l->flags);
	l->flags[l->n_windows++] = (struct rate_pair){w->n_flagged, w->n};
}

static bool any_judged(const struct signal *s)
{
	for (size_t i = 0; i < s->n_findings; i++)
		if (s->findings[i].judged)
			return true;
	return false;
}

/* Comes right behind its window. One of few records adds evidence too, though it is not called quiet. */
static void on_signal(void *context, const struct signal *s)
{
	struct live *l = live_of(context, s->model, s->version);

	l->alarms += s->fresh;
	l->judged += any_judged(s);
	l->unjudged += !any_judged(s);
	l->log_budget = s->log_budget;
}

static void live_put(struct selftest *t, const struct stream *s, const struct live *l)
{
	struct rate_budget budget = budget_of(s->config, l->log_budget);
	struct buf *to = &t->offline.out;
	struct rate_share flags;
	struct rate r;

	rate_share_of(l->flags, l->n_windows, &flags);
	rate_of(l->alarms, l->judged, 1, &budget, &r);
	if (t->offline.json) {
		json_head(s->model, s->version, &budget, to);
		json_flags(&flags, s->reference->flag_rate, to);
		buf_text(to, ",\"logs\":{");
		rate_json(&r, &budget, to);
		buf_format(to, ",\"unjudged\":%zu}}\n", l->unjudged);
		return;
	}
	buf_format(to, "%s %s: the logs given, as if nothing had moved in them\n", s->model, s->version);
	text_flags(&flags, s->reference->flag_rate, "in their windows", to);
	buf_text(to, "alarms      ");
	rate_text(&r, &budget, to);
	buf_format(to, "; %zu windows could not be judged\n", l->unjudged);
}

static void finish(void *context, struct pipeline *p)
{
	struct selftest *t = context;

	pipeline_flush(p);
	for (size_t i = 0; i < t->n_live; i++)
		if (!t->model || !strcmp(t->model, t->streams[i]->config->name))
			live_put(t, t->streams[i], &t->live[i]);
}

int command_selftest(const struct command *self, int argc, char **argv)
{
	struct selftest t = {
		.offline = {.self = self, .parts = PIPELINE_ALL, .without = without_logs, .finish = finish,
			.sinks = {.context = &t, .on_window = on_window, .on_signal = on_signal}},
		.windows = 8640, .replays = 10,
	};
	const struct cli_option options[] = {
		{"model", 0, CLI_TEXT, &t.model, "M", "only this model of the configuration", 0, 0},
		{"windows", 0, CLI_NUMBER, &t.windows, "N", "judged in each replay (default 8640)", 1, 10000000},
		{"trial", 0, CLI_TEXT, &t.only, "NAME", "only trials whose name begins so: drawn, shuffled, \"in order\"", 0, 0},
		{"replays", 0, CLI_NUMBER, &t.replays, "R", "of each trial, each with another draw (default 10)", 1, 1000000},
		{0},
	};
	int status;

	t.offline.options = options;
	status = offline_command(&t.offline, argc, argv);
	for (size_t i = 0; i < t.n_live; i++)
		free(t.live[i].flags);
	free(t.live);
	free(t.streams);
	return status;
}
