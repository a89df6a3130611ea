/* SPDX-License-Identifier: Apache-2.0
 * A reference described to the person who made it: what went in, what came out, how well it holds
 * on records it has not seen. */
#include "score/fit.h"
#include "score/performance.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void text_times(const struct reference *r, struct buf *to)
{
	char first[40], last[40], window[40];

	buf_format(to, "model      %s %s\n", r->model, r->version);
	buf_format(to, "from       %s\nto         %s\n",
		time_format(r->first_us, first, sizeof first),
		time_format(r->last_us, last, sizeof last));
	buf_format(to,
		"window     %s: %zu whole ones in the null part, %zu in the calibration parts\n",
		duration_format(r->window_us, window, sizeof window), r->n_windows, r->n_others);
}

/* What there is of it. */
static void text_shape(const struct reference *r, struct buf *to)
{
	const struct {
		size_t n;
		const char *words;
	} parts[] = {{r->n_logits, r->logits_normalised ? "log-probabilities" : "logits"}, {r->n_embedding, "dimensions of embedding"},
		{r->n_classes, "classes"}};
	size_t told = r->n_numeric + r->n_category;

	buf_text(to, "shape      ");
	if (told > 0)
		buf_format(to, "%zu numeric and %zu categorical features", r->n_numeric, r->n_category);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].n > 0)
			buf_format(to, "%s%zu %s", told++ ? ", " : "", parts[i].n, parts[i].words);
	buf_text(to, told ? "\n" : "no features, logits, embeddings or classes\n");
}

static void text_records(const struct reference *r, const struct fit_notes *notes, struct buf *to)
{
	buf_format(to,
		"records    %" PRId64 ": fit %" PRId64 ", cal-A %" PRId64 ", cal-B %" PRId64
		", null %" PRId64 "\n",
		notes->n_records, r->n_fit, r->n_cal_a, r->n_cal_b, r->n_null);
	text_shape(r, to);
}

static void text_number(double x, struct buf *to)
{
	if (isnan(x))
		buf_format(to, "%10s", "-");
	else
		buf_format(to, "%10.3f", x);
}

static size_t tables_of(const struct reference_detector *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_by_class; i++)
		n += d->by_class[i].n > 0;
	return n;
}

static void text_detectors(const struct reference *r, struct buf *to)
{
	if (r->n_detectors == 0)
		return;
	buf_format(to, "\n%-16s %8s %10s %10s %10s %8s\n", "detector", "weight", "pseudo",
		"agreement", "held-out %", "classes");
	for (size_t i = 0; i < r->n_detectors; i++) {
		const struct reference_detector *d = &r->detectors[i];

		buf_format(to, "%-16s %8.3f ", d->name, d->weight);
		text_number(d->pseudo_auroc, to);
		buf_text(to, " ");
		text_number(d->agreement, to);
		buf_text(to, " ");
		text_number(100.0 * d->held_out_flag_rate, to);
		buf_format(to, " %8zu  %s%s\n", tables_of(d), d->muted ? "muted: " : "",
			d->muted ? d->muted : "");
	}
	buf_text(to, "(pseudo: AUROC on odd records made of the reference's own; agreement: rank correlation with the others;\n"
		     " held-out %: of unseen records flagged by it alone; classes: so many have a calibration of their own)\n");
}

/* Flags among n records are binomial: what share may be, two standard deviations either way. */
static void text_flags(const struct reference *r, const struct fit_notes *notes, struct buf *to)
{
	double n = (double)notes->n_scored_null, share;

	if (notes->n_scored_null == 0)
		return;
	share = (double)notes->n_flagged_null / n;
	buf_format(to,
		"\nflagged    %.2f %% of %" PRId64
		" records that no step has seen; asked %.2f %%, give or take %.2f %%\n",
		100.0 * share, notes->n_scored_null, 100.0 * r->flag_rate,
		200.0 * sqrt(r->flag_rate * (1.0 - r->flag_rate) *
				(1.0 / n + 1.0 / (r->fused.total + 1.0))));
}

static void text_season(const struct reference *r, struct buf *to)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_measures; i++)
		n += r->measures[i].season_prior > 0;
	buf_format(to, "\nseason     %s", season_words[r->season]);
	if (r->season != SEASON_NONE && n > 0)
		buf_format(to, " (UTC) in %zu of %zu measures", n, r->n_measures);
	else if (r->season != SEASON_NONE)
		buf_text(to, " (UTC), which no measure varies with beyond chance");
	buf_format(to, "%s%s\n", r->season_why ? ": " : "", r->season_why ? r->season_why : "");
}

static void text_statistics(const struct reference *r, struct buf *to)
{
	for (size_t i = 0; i < r->n_statistics; i++) {
		const struct statistic *s = &r->statistics[i];

		buf_format(to, "  %-24s %-10s %4zu sums%s%s\n", s->name, measure_kind_words[MEASURE_STATISTIC], s->width,
			s->why ? "  not judged: " : "", s->why ? s->why : "");
	}
}

static void text_measures(const struct reference *r, struct buf *to)
{
	buf_format(to, "\nmeasures   %zu in a window of %zu numbers (%zu bytes)\n", r->n_measures,
		r->width, 8 * r->width);
	for (size_t i = 0; i < r->n_measures; i++) {
		const struct measure *m = &r->measures[i];

		buf_format(to, "  %-24s %-10s %4zu bins%s%s\n", m->name,
			measure_kind_words[m->kind], m->n, m->why ? "  not judged: " : "",
			m->why ? m->why : "");
	}
	text_statistics(r, to);
}

void fit_summary_text(const struct reference *r, const struct fit_notes *notes, struct buf *to)
{
	text_times(r, to);
	text_records(r, notes, to);
	text_detectors(r, to);
	text_flags(r, notes, to);
	text_season(r, to);
	text_measures(r, to);
	performance_text(&r->performance, notes->n_labels, to);
	for (size_t i = 0; i < notes->n_lines; i++)
		buf_format(to, "%snote       %s\n", i == 0 ? "\n" : "", notes->lines[i]);
}

/* JSON. */

static void json_text(const char *key, const char *value, struct buf *to)
{
	buf_format(to, "\"%s\":", key);
	if (value)
		buf_json_text(to, value, strlen(value));
	else
		buf_text(to, "null");
}

static void json_number(const char *key, double value, struct buf *to)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_number(to, value);
}

static void json_integer(const char *key, int64_t value, struct buf *to)
{
	buf_format(to, ",\"%s\":%" PRId64, key, value);
}

static void json_head(const struct reference *r, const struct fit_notes *notes, struct buf *to)
{
	char time[40];

	json_text("model", r->model, to);
	buf_text(to, ",");
	json_text("version", r->version, to);
	buf_text(to, ",");
	json_text("first", time_format(r->first_us, time, sizeof time), to);
	buf_text(to, ",");
	json_text("last", time_format(r->last_us, time, sizeof time), to);
	json_integer("window_us", r->window_us, to);
	json_integer("records", notes->n_records, to);
	json_integer("fit", r->n_fit, to);
	json_integer("cal_a", r->n_cal_a, to);
	json_integer("cal_b", r->n_cal_b, to);
	json_integer("null", r->n_null, to);
	json_integer("windows", (int64_t)r->n_windows, to);
	json_integer("other_windows", (int64_t)r->n_others, to);
	json_integer("cut_windows", notes->n_windows_cut, to);
	json_integer("numeric", (int64_t)r->n_numeric, to);
	json_integer("categorical", (int64_t)r->n_category, to);
	json_integer("logits", (int64_t)r->n_logits, to);
	json_integer("embedding", (int64_t)r->n_embedding, to);
	json_integer("classes", (int64_t)r->n_classes, to);
	json_number("flag_rate", r->flag_rate, to);
	json_integer("scored_null", notes->n_scored_null, to);
	json_integer("flagged_null", notes->n_flagged_null, to);
}

static void json_detectors(const struct reference *r, struct buf *to)
{
	for (size_t i = 0; i < r->n_detectors; i++) {
		const struct reference_detector *d = &r->detectors[i];

		buf_text(to, i > 0 ? ",{" : "{");
		json_text("name", d->name, to);
		json_number("weight", d->weight, to);
		json_number("pseudo_auroc", d->pseudo_auroc, to);
		json_number("agreement", d->agreement, to);
		json_number("held_out_flag_rate", d->held_out_flag_rate, to);
		json_integer("classes", (int64_t)tables_of(d), to);
		buf_text(to, ",");
		json_text("muted", d->muted, to);
		buf_text(to, "}");
	}
}

static void json_measures(const struct reference *r, struct buf *to)
{
	for (size_t i = 0; i < r->n_measures; i++) {
		const struct measure *m = &r->measures[i];

		buf_text(to, i > 0 ? ",{" : "{");
		json_text("name", m->name, to);
		buf_text(to, ",");
		json_text("kind", measure_kind_words[m->kind], to);
		json_integer("bins", (int64_t)m->n, to);
		buf_text(to, m->judged ? ",\"judged\":true," : ",\"judged\":false,");
		json_text("why", m->why, to);
		buf_text(to, "}");
	}
}

static void json_statistics(const struct reference *r, struct buf *to)
{
	for (size_t i = 0; i < r->n_statistics; i++) {
		const struct statistic *s = &r->statistics[i];

		buf_text(to, i > 0 ? ",{" : "{");
		json_text("name", s->name, to);
		json_integer("sums", (int64_t)s->width, to);
		json_integer("windows", (int64_t)s->one.n, to);
		buf_text(to, s->judged ? ",\"judged\":true," : ",\"judged\":false,");
		json_text("why", s->why, to);
		buf_text(to, "}");
	}
}

void fit_summary_json(const struct reference *r, const struct fit_notes *notes, struct buf *to)
{
	buf_text(to, "{");
	json_head(r, notes, to);
	buf_text(to, ",\"detectors\":[");
	json_detectors(r, to);
	buf_text(to, "],\"measures\":[");
	json_measures(r, to);
	buf_text(to, "],\"window_detectors\":[");
	json_statistics(r, to);
	buf_text(to, "]");
	performance_json(&r->performance, notes->n_labels, to);
	buf_text(to, ",\"notes\":[");
	for (size_t i = 0; i < notes->n_lines; i++) {
		buf_text(to, i > 0 ? "," : "");
		buf_json_text(to, notes->lines[i], strlen(notes->lines[i]));
	}
	buf_text(to, "]}");
}
