/* SPDX-License-Identifier: Apache-2.0
 * Slices, as JSON and as text. What was found in a period is told in the signal that ends it; its counts too, so that other
 * programs can compare as they like. */
#include "events_slices.h"

#include "base/clock.h"
#include "model/reference.h"

#include <string.h>

#define FIXED_POINT 1048576.0

static void put(struct buf *to, const char *key, double x)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_number(to, x);
}

static void put_text(struct buf *to, const char *key, const char *text)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_text(to, text, strlen(text));
}

static void put_time(struct buf *to, const char *key, int64_t us)
{
	char text[32];

	if (us != TIME_NONE)
		put_text(to, key, time_format(us, text, sizeof text));
}

static void gap_json(struct buf *to, const struct slice_gap *g, bool where)
{
	buf_text(to, "{\"tag\":");
	buf_json_text(to, g->tag, strlen(g->tag));
	put_text(to, "value", g->value);
	put_text(to, "name", g->name);
	put_text(to, "what", g->what);
	buf_format(to, ",\"n\":%lld", (long long)g->n);
	put(to, "inside", g->inside);
	put(to, "rest", g->rest);
	put(to, "difference", g->inside - g->rest);
	put(to, "low", g->low);
	put(to, "high", g->high);
	put(to, "ratio", g->ratio);
	put(to, "before", g->before);
	put(to, "before_rest", g->before_rest);
	put(to, "change", g->change);
	put(to, "change_low", g->change_low);
	put(to, "change_high", g->change_high);
	if (where) {
		put(to, "share", g->share);
		put(to, "of_records", g->of_records);
	} else {
		buf_format(to, ",\"differs\":%s,\"news\":%s", g->differs ? "true" : "false", g->news ? "true" : "false");
	}
	put_text(to, "words", g->words);
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
	put_text(to, "class", p->name);
	put_text(to, "highest", p->highest);
	put_text(to, "lowest", p->lowest);
	put(to, "difference", p->difference);
	put(to, "low", p->low);
	put(to, "high", p->high);
	put(to, "ratio", p->ratio);
	put(to, "before", p->before);
	put(to, "change_low", p->change_low);
	put(to, "change_high", p->change_high);
	buf_format(to, ",\"differs\":%s,\"news\":%s}", p->differs ? "true" : "false", p->news ? "true" : "false");
}

/* The counts of one slice: records, flagged, then of every output its bins, or its mean. */
static void counts_json(struct buf *to, const struct slice_signal *s, size_t slice)
{
	const struct slices *of = &s->of->slices;
	const int64_t *at = s->counts + (slice + 1) * of->width;

	buf_text(to, "{\"tag\":");
	buf_json_text(to, of->at[slice].tag, strlen(of->at[slice].tag));
	put_text(to, "value", of->at[slice].value);
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
			put(to, "mean", m->centre + m->scale * (double)sum[0] / FIXED_POINT / (double)sum[1]);
		buf_text(to, "}");
	}
	buf_text(to, "}");
}

static void period_json(struct buf *to, const struct slice_signal *s)
{
	put_time(to, "period_start", s->period_start_us);
	put_time(to, "period_end", s->period_end_us);
	buf_format(to, ",\"period_n\":%lld", (long long)s->period_n);
	put(to, "level", s->level);
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
	put_time(to, "where_from", s->where_from_us);
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
