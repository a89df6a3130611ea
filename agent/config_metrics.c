/* SPDX-License-Identifier: Apache-2.0
 * Limits of output metrics:
 *     metrics = { toxicity = { above = 0.5, at_most = 0.02 }, groundedness = { mean_at_least = 0.7 }, refusal = { at_most = 0.05 } }
 * A metric with several limits has a list of such tables. */
#include "config_parts.h"

#include "base/mem.h"
#include "model/limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LIMITS 256 /* of a model */

enum { ABOVE, BELOW, AT_MOST, AT_LEAST, MEAN_AT_MOST, MEAN_AT_LEAST, WORDS };
static const char *const words[WORDS] = {"above", "below", "at_most", "at_least", "mean_at_most", "mean_at_least"};

struct said {
	const struct value *of[WORDS];
};

static bool said_read(struct reading *r, const char *metric, const struct value *v, struct said *ret)
{
	char hint[64];
	size_t before = r->n_errors;

	*ret = (struct said){{NULL}};
	for (size_t i = 0; i < v->n; i++) {
		const struct value *item = &v->items[i];
		size_t w = 0;

		while (item->key && w < WORDS && strcmp(item->key, words[w]) != 0)
			w++;
		if (!item->key)
			table_wrong(r, item->line, "metrics: %s: a value without a key; write { at_most = 0.02 }", metric);
		else if (w == WORDS)
			table_wrong(r, item->line, "metrics: %s: unknown key '%.60s'%s", metric, item->key,
				table_nearest(item->key, words, WORDS, hint, sizeof hint));
		else if (item->type != VALUE_NUMBER || !isfinite(item->number))
			table_wrong(r, item->line, "metrics: %s: %s must be a number, and is %s", metric, item->key,
				item->type == VALUE_NUMBER ? "not finite" : value_type_words[item->type]);
		else if ((w == AT_MOST || w == AT_LEAST) && !(item->number >= 0 && item->number <= 1))
			table_wrong(r, item->line, "metrics: %s: %s is a share of the records, from 0 to 1, and is %g", metric,
				item->key, item->number);
		else
			ret->of[w] = item;
	}
	return r->n_errors == before;
}

/* Do these go together? Reports what does not. */
static bool said_fits(struct reading *r, const char *metric, const struct value *v, const struct said *s)
{
	bool share = s->of[AT_MOST] || s->of[AT_LEAST], side = s->of[ABOVE] || s->of[BELOW];

	if (s->of[ABOVE] && s->of[BELOW])
		table_wrong(r, v->line, "metrics: %s: above and below are two limits: write { { above = ... }, { below = ... } }", metric);
	else if (side && !share)
		table_wrong(r, v->line, "metrics: %s: of how many records? Add at_most or at_least, a share from 0 to 1", metric);
	else if (!share && !s->of[MEAN_AT_MOST] && !s->of[MEAN_AT_LEAST])
		table_wrong(r, v->line, "metrics: %s: no limit; write at_most, at_least, mean_at_most or mean_at_least", metric);
	else
		return true;
	return false;
}

static void limit_add(struct reading *r, struct limits *to, const struct limit *l, const char *metric)
{
	if (to->n == MOST_LIMITS) {
		table_wrong(r, l->line, "metrics: more than %d limits", MOST_LIMITS);
		return;
	}
	to->at = mem_grow(to->at, to->n + 1, sizeof *to->at);
	to->at[to->n] = *l;
	to->at[to->n++].metric = mem_copy_text(metric);
}

static void limits_add(struct reading *r, struct limits *to, const struct said *s, const char *metric)
{
	const struct value *side = s->of[ABOVE] ? s->of[ABOVE] : s->of[BELOW];
	struct limit l = {.of = s->of[ABOVE] ? LIMIT_ABOVE : s->of[BELOW] ? LIMIT_BELOW : LIMIT_TRUE,
		.threshold = side ? side->number : 0};

	for (int w = AT_MOST; w <= MEAN_AT_LEAST; w++) {
		if (!s->of[w])
			continue;
		if (w >= MEAN_AT_MOST)
			l = (struct limit){.of = LIMIT_MEAN};
		l.at_least = w == AT_LEAST || w == MEAN_AT_LEAST;
		l.limit = s->of[w]->number;
		l.line = s->of[w]->line;
		limit_add(r, to, &l, metric);
	}
}

static void metric_read(struct reading *r, struct limits *to, const char *metric, const struct value *v)
{
	struct said s;

	if (v->type != VALUE_TABLE || v->n == 0) {
		table_wrong(r, v->line, "metrics: %s must be a table such as { above = 0.5, at_most = 0.02 }, and is %s", metric,
			v->type == VALUE_TABLE ? "empty" : value_type_words[v->type]);
		return;
	}
	if (!v->items[0].key && v->items[0].type == VALUE_TABLE) {
		for (size_t i = 0; i < v->n; i++)
			metric_read(r, to, metric, &v->items[i]);
		return;
	}
	if (said_read(r, metric, v, &s) && said_fits(r, metric, v, &s))
		limits_add(r, to, &s, metric);
}

void value_read_metrics(struct reading *r, const struct key *k, const struct value *v, void *member)
{
	(void)k;
	if (v && v->type != VALUE_TABLE)
		table_wrong(r, v->line, "metrics must be a table such as { toxicity = { above = 0.5, at_most = 0.02 } }, and is %s",
			value_type_words[v->type]);
	for (size_t i = 0; v && v->type == VALUE_TABLE && i < v->n; i++)
		if (!v->items[i].key)
			table_wrong(r, v->items[i].line, "metrics: a value without a name; write name = { at_most = 0.02 }");
		else
			metric_read(r, member, v->items[i].key, &v->items[i]);
}

void value_done_metrics(void *member)
{
	limits_done(member);
}

static void limit_print(const struct limit *l, struct buf *to)
{
	buf_text(to, "{ ");
	if (l->of == LIMIT_ABOVE || l->of == LIMIT_BELOW) {
		buf_text(to, l->of == LIMIT_ABOVE ? "above = " : "below = ");
		buf_json_number(to, l->threshold);
		buf_text(to, ", ");
	}
	buf_format(to, "%s%s = ", l->of == LIMIT_MEAN ? "mean_" : "", l->at_least ? "at_least" : "at_most");
	buf_json_number(to, l->limit);
	buf_text(to, " }");
}

/* Each metric once, with the list of its limits. */
void value_print_metrics(const void *member, struct buf *to)
{
	const struct limits *l = member;

	for (size_t i = 0; i < l->n; i++) {
		bool again = i > 0 && strcmp(l->at[i].metric, l->at[i - 1].metric) == 0;

		if (!again) {
			buf_text(to, i ? " }, [" : "{ [");
			table_print_text(to, l->at[i].metric);
			buf_text(to, "] = { ");
		} else {
			buf_text(to, ", ");
		}
		limit_print(&l->at[i], to);
	}
	if (l->n)
		buf_text(to, " } }");
}
