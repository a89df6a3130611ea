/* SPDX-License-Identifier: Apache-2.0
 * oodd score: one line a record, with what every detector gave it. */
#include "commands.h"

#include "offline.h"

#include <stdio.h>


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

/* {"id","p","flag","scores":{},"pvalues":{}}; a record without an id has its offset in the log beside the null. */
static void put_json(struct buf *to, const struct reference *r, const struct batch *b, const struct scored *s, size_t row)
{
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
	buf_text(to, "}\n");
}

static void put_text(struct buf *to, const struct batch *b, const struct scored *s, size_t row)
{
	if (b->id[row].at)
		buf_put(to, b->id[row].at, b->id[row].n);
	else
		buf_format(to, "@%llu", (unsigned long long)b->offset[row]);
	buf_format(to, "\t%.6f\t%s\n", s->fused[row], s->flagged[row] ? "odd" : "");
}

static void on_row(void *context, const struct stream *stream, const struct batch *b, const struct scored *s, size_t row)
{
	struct offline *o = context;

	if (o->json)
		put_json(&o->out, stream->reference, b, s, row);
	else
		put_text(&o->out, b, s, row);
	offline_flush(o, false);
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
	struct offline o = {.self = self, .parts = PIPELINE_SCORE, .finish = finish, .sinks = {.context = &o, .on_row = on_row}};

	return offline_command(&o, argc, argv);
}
