/* SPDX-License-Identifier: Apache-2.0
 * Odd records between score/, which knows why, judge/, which knows of what kind, and whoever keeps them. */
#include "odd_records.h"

#include "base/mem.h"

#include <stdlib.h>

enum { SAMPLE_BYTES = 16 * 1024, WHY_BYTES = 4000, REASONS_BYTES = 64 * 1024 };

static void sample_out(const struct pipeline_sinks *sinks, const struct stream *s, const struct sample *sample, enum sample_fate fate)
{
	if (sinks->on_sample && (sample->id || sample->hash))
		sinks->on_sample(sinks->context, s, sample, fate);
}

static void sample_explain(struct explainer *x, const struct stream *s, const struct batch *b, size_t row, struct sample *to)
{
	struct buf text = {.limit = WHY_BYTES}, json = {.limit = REASONS_BYTES};
	struct explanation e;

	explain_row(s->scorer, x, b, row, &e);
	explanation_words(&e, &text);
	explanation_json(&e, &json);
	to->why = mem_copy_span(text.at ? text.at : "", text.n);
	to->reasons = json.over ? NULL : mem_copy_span(json.at, json.n);
	to->nearest = mem_copy_text(e.nearest);
	buf_done(&text);
	buf_done(&json);
}

void odd_record_apply(const struct pipeline_sinks *sinks, struct explainer *x, struct stream *s, const struct batch *b,
	const struct scored *scored, size_t row, const struct window *w, const char *bytes)
{
	struct odd_row odd = {.batch = b, .row = row, .p = scored->fused[row], .flagged = scored->flagged[row],
		.faulty = scored->faulty[row], .class = scorer_class(s->scorer, b->prediction[row])};
	struct sample dropped, *kept;

	explain_families(s->scorer, scored, row, odd.family);
	kept = odd_record(s->odd, w->start_us, &odd, &dropped);
	sample_out(sinks, s, &dropped, SAMPLE_DROPPED);
	sample_done(&dropped);
	if (!kept)
		return;
	sample_explain(x, s, b, row, kept);
	if (sinks->on_sample) {
		struct sample whole = *kept;

		whole.model = s->model;
		whole.version = s->version;
		whole.record = (char *)bytes;
		whole.n_record = b->length[row] < SAMPLE_BYTES ? b->length[row] : SAMPLE_BYTES;
		sample_out(sinks, s, &whole, SAMPLE_KEPT);
	}
}

struct settling {
	const struct pipeline_sinks *sinks;
	const struct stream *s;
};

static void settled(void *context, const struct sample *sample)
{
	const struct settling *to = context;

	sample_out(to->sinks, to->s, sample, SAMPLE_SETTLED);
}

void odd_records_close(const struct pipeline_sinks *sinks, struct stream *s, const struct window *w, struct signal *to)
{
	struct settling context = {sinks, s};

	odd_window(s->odd, w, settled, &context, &to->odd);
}
