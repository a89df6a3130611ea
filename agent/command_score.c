/* SPDX-License-Identifier: Apache-2.0
 * oodd score: one line a record, with what every detector gave it. */
#include "commands.h"

#include "offline.h"
#include "score/explain.h"

#include <stdio.h>
#include <string.h>

struct scoring {
	struct offline offline;
	bool explain;
	struct explainer *explainer;
	struct buf words;
};

static void put_values(struct buf *to, const char *key, const struct reference *r, const struct scored *s, size_t row, bool p)
{
	buf_format(to, ",\"%s\":{", key);
	for (size_t d = 0; d < s->n_detectors; d++) {
		double value = p ? s->p[d * s->n + row] : (double)s->score[d * s->n + row];

		buf_format(to, "%s\"%s\":", d ? "," : "", r->detectors[d].name);
		buf_json_number(to, value);
	}
	buf_text(to, "}");
}

/* {"id","p","flag","scores":{},"pvalues":{}}, with --explain "kind", "why" and "explanation" too where the record is odd; a record
 * without an id has its offset in the log beside the null. */
static void put_json(struct scoring *o, const struct reference *r, const struct batch *b, const struct scored *s, size_t row)
{
	struct buf *to = &o->offline.out;

	buf_text(to, "{\"id\":");
	if (b->id[row].at)
		buf_json_text(to, b->id[row].at, b->id[row].n);
	else
		buf_format(to, "null,\"offset\":%llu", (unsigned long long)b->offset[row]);
	buf_text(to, ",\"p\":");
	buf_json_number(to, s->fused[row]);
	buf_format(to, ",\"flag\":%s", s->flagged[row] ? "true" : "false");
	put_values(to, "scores", r, s, row, false);
	put_values(to, "pvalues", r, s, row, true);
}

static void put_why_json(struct scoring *o, const struct explanation *x, enum odd_kind kind)
{
	struct buf *to = &o->offline.out;

	buf_clear(&o->words);
	explanation_words(x, &o->words);
	buf_format(to, ",\"kind\":\"%s\",\"why\":", odd_words[kind]);
	buf_json_text(to, o->words.at, o->words.n);
	buf_text(to, ",\"explanation\":");
	explanation_json(x, to);
}

static void put_text(struct buf *to, const struct batch *b, const struct scored *s, size_t row)
{
	if (b->id[row].at)
		buf_put(to, b->id[row].at, b->id[row].n);
	else
		buf_format(to, "@%llu", (unsigned long long)b->offset[row]);
	buf_format(to, "\t%.6f\t%s", s->fused[row], s->flagged[row] ? "odd" : "");
}

/* By the record alone: whether it is of a group that keeps coming, replay and run can tell. */
static enum odd_kind kind_of(const struct stream *stream, const struct batch *b, const struct scored *s, size_t row, const struct explanation *x)
{
	struct odd_row odd = {.batch = b, .row = row, .p = s->fused[row], .flagged = s->flagged[row], .faulty = s->faulty[row],
		.class = scorer_class(stream->scorer, b->prediction[row])};

	memcpy(odd.family, x->family, sizeof odd.family);
	return odd_kind_of(stream->reference, &odd);
}

static void on_row(void *context, const struct stream *stream, const struct batch *b, const struct scored *s, size_t row)
{
	struct scoring *o = context;
	bool explained = o->explain && (s->flagged[row] || s->faulty[row]);
	struct explanation x;

	enum odd_kind kind = ODD_OTHER;

	if (explained) {
		explain_row(stream->scorer, o->explainer, b, row, &x);
		kind = kind_of(stream, b, s, row, &x);
	}
	if (o->offline.json)
		put_json(o, stream->reference, b, s, row);
	else
		put_text(&o->offline.out, b, s, row);
	if (explained && o->offline.json) {
		put_why_json(o, &x, kind);
	} else if (explained) {
		buf_format(&o->offline.out, "\t%s\t", odd_words[kind]);
		explanation_words(&x, &o->offline.out);
	}
	buf_text(&o->offline.out, o->offline.json ? "}\n" : "\n");
	offline_flush(&o->offline, false);
}

/* What was not scored is said on standard error, so that nobody takes a short output for a full one. */
static void finish(void *context, struct pipeline *p)
{
	struct counts total;

	(void)context;
	pipeline_total(p, &total);
	for (int i = 0; i < REJECT_N; i++)
		if (total.rejected[i].records)
			fprintf(stderr, "oodd score: %lld records not scored: %s (%s)\n", (long long)total.rejected[i].records,
				reject_words[i], reject_helps[i]);
}

int command_score(const struct command *self, int argc, char **argv)
{
	struct scoring o = {.offline = {.self = self, .parts = PIPELINE_SCORE, .finish = finish, .sinks = {.context = &o, .on_row = on_row}}};
	const struct cli_option options[] = {
		{"explain", 0, CLI_FLAG, &o.explain, NULL, "why each odd record is odd: detectors, nearest class and records, features, faulty cells", 0, 0},
		{0},
	};
	int status;

	o.offline.options = options;
	o.explainer = explainer_open();
	status = offline_command(&o.offline, argc, argv);
	explainer_close(o.explainer);
	buf_done(&o.words);
	return status;
}
