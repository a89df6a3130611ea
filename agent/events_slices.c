/* SPDX-License-Identifier: Apache-2.0
 * Slices, as JSON and as text. What was found in a period is told in the signal that ends it; its counts too, so that other
 * programs can compare as they like. */
#include "events_slices.h"

#include "base/clock.h"
#include "base/member.h"
#include "model/reference.h"

#include <string.h>

#define FIXED_POINT 1048576.0

static void time_if_any(struct buf *to, const char *key, int64_t us)
{
	if (us != TIME_NONE)
		member_time(to, key, us);
}

static void gap_json(struct buf *to, const struct slice_gap *g, bool where)
{
	buf_text(to, "{\"tag\":");
	buf_json_text(to, g->tag, strlen(g->tag));
	member_text(to, "value", g->value);
	member_text(to, "name", g->name);
	member_text(to, "what", g->what);
	buf_format(to, ",\"n\":%lld", (long long)g->n);
	member_number(to, "inside", g->inside);
	member_number(to, "rest", g->rest);
	member_number(to, "difference", g->inside - g->rest);
	member_number(to, "low", g->low);
	member_number(to, "high", g->high);
	member_number(to, "ratio", g->ratio);
	member_number(to, "before", g->before);
	member_number(to, "before_rest", g->before_rest);
	member_number(to, "change", g->change);
	member_number(to, "change_low", g->change_low);
	member_number(to, "change_high", g->change_high);
	if (where) {
		member_number(to, "share", g->share);
		member_number(to, "of_records", g->of_records);
	} else {
		buf_format(to, ",\"differs\":%s,\"news\":%s", g->differs ? "true" : "false", g->news ? "true" : "false");
	}
	member_text(to, "words", g->words);
	buf_text(to, "}");
}

static void gaps_json(struct buf *to, const char *key, const struct slice_gaps *g, bool where)
{
	buf_format(to, ",\"%s\":[", key);
	for (size_t i = 0; i < g->n; i++) {
		buf_text(to, i ? "," : "");
		gap_json(to, &g->at[i], where);
	}
	buf_text(to, "]");
}

static void parity_json(struct buf *to, const struct slice_parity *p)
{
	buf_text(to, "{\"tag\":");
	buf_json_text(to, p->tag, strlen(p->tag));
	member_text(to, "class", p->name);
	member_text(to, "highest", p->highest);
	member_text(to, "lowest", p->lowest);
	member_number(to, "difference", p->difference);
	member_number(to, "low", p->low);
	member_number(to, "high", p->high);
	member_number(to, "ratio", p->ratio);
	member_number(to, "before", p->before);
	member_number(to, "change_low", p->change_low);
	member_number(to, "change_high", p->change_high);
	buf_format(to, ",\"differs\":%s,\"news\":%s}", p->differs ? "true" : "false", p->news ? "true" : "false");
}

/* The counts of one slice: records, flagged, then of every output its bins, or its mean. */
static void counts_json(struct buf *to, const struct slice_signal *s, size_t slice)
{
	const struct slices *of = &s->of->slices;
	const int64_t *at = s->counts + (slice + 1) * of->width;

	buf_text(to, "{\"tag\":");
	buf_json_text(to, of->at[slice].tag, strlen(of->at[slice].tag));
	member_text(to, "value", of->at[slice].value);
	buf_format(to, ",\"n\":%lld,\"flagged\":%lld", (long long)at[SLICE_RECORDS], (long long)at[SLICE_FLAGGED]);
	for (size_t k = 0; k < of->n_aspects; k++) {
		const struct slice_aspect *a = &of->aspects[k];
		const struct measure *m = &s->of->measures[a->measure];
		const int64_t *sum = at + a->at + a->n;

		if (!a->output)
			continue;
		buf_text(to, ",");
		buf_json_text(to, m->name, strlen(m->name));
		buf_text(to, ":{\"n\":{");
		for (size_t b = 0; b < a->n; b++) {
			buf_text(to, b ? "," : "");
			buf_json_text(to, a->words[b], strlen(a->words[b]));
			buf_format(to, ":%lld", (long long)at[a->at + b]);
		}
		buf_text(to, "}");
		if (a->sums && sum[1] > 0)
			member_number(to, "mean", m->centre + m->scale * (double)sum[0] / FIXED_POINT / (double)sum[1]);
		buf_text(to, "}");
	}
	buf_text(to, "}");
}

static void period_json(struct buf *to, const struct slice_signal *s)
{
	time_if_any(to, "period_start", s->period_start_us);
	time_if_any(to, "period_end", s->period_end_us);
	buf_format(to, ",\"period_n\":%lld", (long long)s->period_n);
	member_number(to, "level", s->level);
	gaps_json(to, "gaps", &s->gaps, false);
	buf_text(to, ",\"parity\":[");
	for (size_t i = 0; i < s->parity.n; i++) {
		buf_text(to, i ? "," : "");
		parity_json(to, &s->parity.at[i]);
	}
	buf_text(to, "],\"counts\":[");
	for (size_t i = 0; s->counts && i < s->of->slices.n; i++) {
		buf_text(to, i ? "," : "");
		counts_json(to, s, i);
	}
	buf_text(to, "]");
}

void event_slices(struct buf *to, const struct slice_signal *s)
{
	if (!s->of)
		return;
	buf_text(to, ",\"slices\":{\"where_words\":");
	buf_json_text(to, s->where_words, strlen(s->where_words));
	time_if_any(to, "where_from", s->where_from_us);
	gaps_json(to, "where", &s->where, true);
	if (s->period_fresh)
		period_json(to, s);
	if (s->opportunity.n > 0)
		gaps_json(to, "opportunity", &s->opportunity, false);
	buf_text(to, "}");
}

void text_slices(struct buf *to, const struct slice_signal *s, bool alarm)
{
	size_t shown = 0;
	char start[32];

	if (alarm && s->where_words[0])
		buf_format(to, "    where: %s\n", s->where_words);
	for (size_t i = 0; s->period_fresh && i < s->gaps.n && shown < 5; i++)
		if (s->gaps.at[i].news) {
			buf_format(to, "    slices since %s: %s\n", time_format(s->period_start_us, start, sizeof start), s->gaps.at[i].words);
			shown++;
		}
	for (size_t i = 0; i < s->opportunity.n && shown < 8; i++)
		if (s->opportunity.at[i].news) {
			buf_format(to, "    slices, by their labels: %s\n", s->opportunity.at[i].words);
			shown++;
		}
}
