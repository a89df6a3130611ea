/* SPDX-License-Identifier: Apache-2.0
 * Lines for programs and for people. Key order is fixed: a diff of two replays is a diff of what they found. */
#include "events.h"
#include "events_samples.h"
#include "events_limits.h"
#include "events_schema.h"
#include "events_slices.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/member.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_head(struct buf *to, const char *event, int64_t ts_us)
{
	buf_format(to, "{\"event\":\"%s\"", event);
	member_time(to, "ts", ts_us);
}

static void put_stream(struct buf *to, const char *model, const char *version, int64_t start_us, int64_t end_us)
{
	member_text(to, "model", model);
	member_text(to, "version", version);
	member_time(to, "start", start_us);
	member_time(to, "end", end_us);
}

struct digest window_digest(const struct window *w)
{
	struct digest d;

	snprintf(d.text, sizeof d.text, "%016llx", (unsigned long long)hash_bytes(w->v, w->width * sizeof *w->v, (uint64_t)w->n));
	return d;
}

void event_window(struct buf *to, const char *model, const char *version, const struct window *w)
{
	put_head(to, "window", w->end_us);
	put_stream(to, model, version, w->start_us, w->end_us);
	member_whole(to, "n", w->n);
	member_whole(to, "flagged", w->n_flagged);
	member_bool(to, "cut", w->cut);
	member_text(to, "digest", window_digest(w).text);
	buf_text(to, "}\n");
}

static void put_finding(struct buf *to, const struct finding *f)
{
	buf_text(to, "{\"name\":");
	buf_json_text(to, f->name, strlen(f->name));
	member_text(to, "kind", measure_kind_words[f->kind]);
	member_bool(to, "judged", f->judged);
	member_bool(to, "moved", f->moved);
	member_bool(to, "latched", f->latched);
	member_number(to, "log_e", f->log_e);
	member_number(to, "log_m", f->log_m);
	member_number(to, "psi", f->psi);
	member_number(to, "ks", f->ks);
	member_number(to, "w1", f->w1);
	member_number(to, "js", f->js);
	member_number(to, "before", f->before);
	member_number(to, "after", f->after);
	member_whole(to, "severity", f->severity);
	member_text(to, "change", f->change);
	buf_text(to, "}");
}

void event_signal(struct buf *to, const struct signal *s)
{
	put_head(to, "signal", s->end_us);
	put_stream(to, s->model, s->version, s->start_us, s->end_us);
	member_whole(to, "n", s->n);
	member_whole(to, "flagged", s->n_flagged);
	member_number(to, "flag_rate", s->flag_rate);
	member_text(to, "state", signal_state_words[s->state]);
	member_bool(to, "alarm", s->alarm);
	member_bool(to, "fresh", s->fresh);
	member_whole(to, "severity", s->severity);
	member_number(to, "log_m", s->log_m);
	member_number(to, "log_budget", s->log_budget);
	member_time(to, "since", s->since_us);
	member_text(to, "why", s->why);
	member_text(to, "inherited_from", s->inherited_from);
	event_slices(to, &s->slices);
	event_limits(to, &s->limits);
	event_performance(to, &s->performance);
	buf_text(to, ",\"findings\":[");
	for (size_t i = 0; i < s->n_findings; i++) {
		if (i)
			buf_text(to, ",");
		put_finding(to, &s->findings[i]);
	}
	buf_text(to, "]");
	event_schema(to, &s->schema);
	event_odd(to, &s->odd);
	buf_text(to, "}\n");
}

void event_learning(struct buf *to, const struct learning_note *n)
{
	put_head(to, "learning", n->ts_us);
	member_text(to, "model", n->model);
	member_text(to, "version", n->version);
	member_text(to, "state", learning_words[n->state]);
	member_bool(to, "relearn", n->relearn);
	member_whole(to, "records", n->seen);
	member_whole(to, "kept", n->kept);
	member_whole(to, "bytes", n->bytes);
	member_time(to, "first", n->first_us);
	member_time(to, "newest", n->newest_us);
	member_whole(to, "wanted_records", n->wanted);
	member_number(to, "wanted_span_s", (double)n->wanted_us / 1e6);
	member_number(to, "eta_s", n->eta_us == TIME_NONE ? NAN : (double)n->eta_us / 1e6);
	member_whole(to, "classes", (int64_t)n->n_classes);
	member_whole(to, "fields", (int64_t)n->n_fields);
	member_whole(to, "logits", (int64_t)n->n_logits);
	member_whole(to, "embedding", (int64_t)n->n_embedding);
	member_text(to, "why", n->why);
	buf_text(to, "}\n");
}

void event_alert(struct buf *to, const struct alert *a)
{
	alert_json(a, to);
	buf_text(to, "\n");
}

static void put_tally(struct buf *to, const char *key, struct tally t)
{
	buf_format(to, "\"%s\":{\"records\":%lld,\"bytes\":%lld}", key, (long long)t.records, (long long)t.bytes);
}

void event_summary(struct buf *to, const struct counts *c, int64_t ts_us)
{
	struct tally gap = counts_gap(c);
	bool first = true;

	put_head(to, "summary", ts_us);
	buf_text(to, ",");
	put_tally(to, "read", c->read);
	buf_text(to, ",");
	put_tally(to, "scored", c->scored);
	buf_text(to, ",");
	put_tally(to, "learning", c->learning);
	buf_text(to, ",");
	put_tally(to, "late", c->late);
	buf_text(to, ",");
	put_tally(to, "in_flight", c->in_flight);
	buf_text(to, ",\"rejected\":{");
	for (int i = 0; i < REJECT_N; i++) {
		if (!c->rejected[i].records && !c->rejected[i].bytes)
			continue;
		if (!first)
			buf_text(to, ",");
		put_tally(to, reject_words[i], c->rejected[i]);
		first = false;
	}
	buf_text(to, "}");
	member_whole(to, "flagged", c->flagged);
	member_whole(to, "no_detectors", c->no_detectors);
	member_whole(to, "truncated_bytes_unread", c->truncated_bytes_unread);
	member_whole(to, "truncations", c->truncations);
	member_bool(to, "balanced", !gap.records && !gap.bytes);
	buf_text(to, "}\n");
}

static void text_tally(struct buf *to, const char *word, const char *help, struct tally t)
{
	buf_format(to, "  %-28s %12lld records %15lld bytes%s%s\n", word, (long long)t.records, (long long)t.bytes,
		*help ? "   " : "", help);
}

void text_summary(struct buf *to, const struct counts *c)
{
	struct tally gap = counts_gap(c);

	buf_text(to, "read = scored + learning + rejected + late + in flight\n");
	text_tally(to, "read", "", c->read);
	text_tally(to, "scored", "", c->scored);
	text_tally(to, "learning", c->learning.records ? "of streams whose reference is being made" : "", c->learning);
	for (int i = 0; i < REJECT_N; i++)
		if (c->rejected[i].records || c->rejected[i].bytes) {
			char word[64];

			snprintf(word, sizeof word, "rejected: %s", reject_words[i]);
			text_tally(to, word, reject_helps[i], c->rejected[i]);
		}
	text_tally(to, "late", "", c->late);
	text_tally(to, "in flight", "", c->in_flight);
	if (gap.records || gap.bytes)
		text_tally(to, "UNACCOUNTED", "a bug in oodd: please report it", gap);
	buf_format(to, "  flagged %lld of the scored", (long long)c->flagged);
	if (c->scored.records)
		buf_format(to, " (%.2f %%)", 100.0 * (double)c->flagged / (double)c->scored.records);
	if (c->no_detectors)
		buf_format(to, "; %lld were counted without detectors: their version has no reference yet", (long long)c->no_detectors);
	if (c->truncated_bytes_unread)
		buf_format(to, "; %lld bytes were truncated away or deleted unread", (long long)c->truncated_bytes_unread);
	if (c->truncations)
		buf_format(to, "; files were truncated %lld times", (long long)c->truncations);
	buf_text(to, "\n");
}

void text_signal(struct buf *to, const struct signal *s)
{
	char start[32], end[32];
	int shown = 0;

	buf_format(to, "%s .. %s %s%s%s %-8s n=%lld flagged=%lld", time_format(s->start_us, start, sizeof start),
		time_format(s->end_us, end, sizeof end) + 11, s->model, *s->version ? " " : "", s->version,
		signal_state_words[s->state], (long long)s->n, (long long)s->n_flagged);
	if (s->state == SIGNAL_LEARNED)
		buf_text(to, " (a reference was made of these; the stream is watched by it from here on)");
	else if (s->state == SIGNAL_UNJUDGED)
		buf_format(to, " (%s)", s->why ? s->why : "not enough data");
	else
		buf_format(to, " evidence=%.1f (alarm at %.1f)", s->log_m, s->log_budget);
	if (s->alarm)
		buf_format(to, " severity=%d", s->severity);
	if (s->inherited_from)
		buf_format(to, " (by the features of %s)", *s->inherited_from ? s->inherited_from : "the version without a name");
	buf_text(to, "\n");
	for (size_t i = 0; i < s->n_findings && s->alarm && shown < 5; i++)
		if (s->findings[i].moved) {
			buf_format(to, "    %s: %s%s\n", s->findings[i].name, s->findings[i].change, s->findings[i].latched ? "" : "  (new)");
			shown++;
		}
	text_slices(to, &s->slices, s->alarm);
	text_limits(to, &s->limits);
	text_performance(to, &s->performance, s->alarm);
	text_schema(to, &s->schema);
	if (s->alarm)
		text_odd(to, &s->odd);
}

void text_learning(struct buf *to, const struct learning_note *n)
{
	char at[32], span[64], wanted[64];

	buf_format(to, "%s LEARNING %s%s%s: %s%s, %lld of %lld records, %s of %s, %zu classes, %zu fields%s%s\n",
		n->ts_us == TIME_NONE ? "-" : time_format(n->ts_us, at, sizeof at), n->model, *n->version ? " " : "", n->version,
		learning_words[n->state], n->relearn ? " (anew)" : "", (long long)n->seen, (long long)n->wanted,
		duration_format(n->first_us == TIME_NONE ? 0 : n->newest_us - n->first_us, span, sizeof span),
		duration_format(n->wanted_us, wanted, sizeof wanted), n->n_classes, n->n_fields, n->why ? ": " : "", n->why ? n->why : "");
}

void text_alert(struct buf *to, const struct alert *a)
{
	char at[32];

	buf_format(to, "%s ALERT %s %s [%s] %s\n", time_format(a->at_us, at, sizeof at), a->name, alert_state_words[a->state],
		a->severity ? a->severity : "-", a->summary ? a->summary : "");
	if (a->description && *a->description)
		buf_format(to, "    %s\n", a->description);
}
