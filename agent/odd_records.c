/* SPDX-License-Identifier: Apache-2.0
 * Odd records between score/, which knows why, judge/, which knows of what kind, and whoever keeps them. */
#include "odd_records.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE_BYTES = 16 * 1024, WHY_BYTES = 4000, REASONS_BYTES = 64 * 1024 };

static void sample_out(const struct pipeline_sinks *sinks, const struct stream *s, const struct sample *sample, enum sample_fate fate)
{
	if (sinks->on_sample && (sample->id || sample->hash))
		sinks->on_sample(sinks->context, s, sample, fate);
}

static struct odd_reason reason_of(const struct explanation *e, size_t row)
{
	struct buf text = {.limit = WHY_BYTES}, json = {.limit = REASONS_BYTES};
	struct odd_reason to = {.row = row};

	explanation_words(e, &text);
	explanation_json(e, &json);
	to.why = mem_copy_span(text.at ? text.at : "", text.n);
	to.reasons = json.over ? NULL : mem_copy_span(json.at, json.n);
	to.nearest = mem_copy_text(e->nearest);
	buf_done(&text);
	buf_done(&json);
	return to;
}

static void reason_done(struct odd_reason *r)
{
	free(r->why);
	free(r->reasons);
	free(r->nearest);
}

void odd_reasons_done(struct odd_reasons *r)
{
	for (size_t i = 0; i < r->n; i++)
		reason_done(&r->at[i]);
	free(r->at);
	*r = (struct odd_reasons){0};
}

/* Rows of one window that may be kept, the oddest so far. */
struct foreseen {
	size_t *row;
	size_t n, most;
	int64_t window_us;
};

static double p_of(const struct scored *scored, size_t row)
{
	return isnan(scored->fused[row]) ? 2 : scored->fused[row];
}

/* One more; of more than may be kept the least odd goes. */
static void foresee(struct foreseen *f, const struct scored *scored, size_t row)
{
	size_t worst = 0;

	if (f->n < f->most) {
		f->row[f->n++] = row;
		return;
	}
	for (size_t i = 1; i < f->n; i++)
		if (p_of(scored, f->row[i]) > p_of(scored, f->row[worst]))
			worst = i;
	if (p_of(scored, row) < p_of(scored, f->row[worst]))
		f->row[worst] = row;
}

static void foreseen_explain(struct foreseen *f, struct odd_reasons *to, struct explainer *x, const struct stream *s,
	const struct scorer_space *space, const struct batch *b, const struct scored *scored)
{
	if (f->n)
		to->at = mem_grow(to->at, to->n + f->n, sizeof *to->at);
	for (size_t i = 0; i < f->n; i++) {
		struct explanation e;

		explain_scored(s->scorer, x, space, b, scored, f->row[i], &e);
		to->at[to->n++] = reason_of(&e, f->row[i]);
	}
	f->n = 0;
}

void odd_reasons_make(struct odd_reasons *to, struct explainer **x, const struct stream *s, const struct scorer_space *space,
	const struct batch *b, const struct scored *scored)
{
	struct foreseen f = {.most = (size_t)s->config->samples};
	int64_t bar_us = atomic_load(&s->odd_window_us), window_us = s->config->window_us;
	double bar = atomic_load(&s->odd_bar);

	if (!f.most)
		return;
	for (size_t i = 0; i < b->n; i++) {
		int64_t at = b->time_us[i] - b->time_us[i] % window_us;

		if ((!scored->flagged[i] && !scored->faulty[i]) || (at == bar_us && p_of(scored, i) > bar))
			continue;
		if (!f.row) {
			f.row = mem_zero(f.most, sizeof *f.row);
			*x = *x ? *x : explainer_open();
		}
		if (at != f.window_us)
			foreseen_explain(&f, to, *x, s, space, b, scored);
		f.window_us = at;
		foresee(&f, scored, i);
	}
	if (f.row)
		foreseen_explain(&f, to, *x, s, space, b, scored);
	free(f.row);
}

/* What was foreseen, else made now. */
static void sample_explain(struct explainer *x, struct odd_reasons *made, const struct stream *s, const struct batch *b, size_t row,
	struct sample *to)
{
	struct odd_reason r = {.row = row};
	struct explanation e;
	size_t i = 0;

	while (i < made->n && made->at[i].row != row)
		i++;
	if (i < made->n) {
		r = made->at[i];
		made->at[i] = made->at[--made->n];
	} else {
		explain_row(s->scorer, x, b, row, &e);
		r = reason_of(&e, row);
	}
	to->why = r.why;
	to->reasons = r.reasons;
	to->nearest = r.nearest;
}

void odd_record_apply(const struct pipeline_sinks *sinks, struct explainer *x, struct odd_reasons *made, struct stream *s, const struct batch *b,
	const struct scored *scored, size_t row, const struct window *w, const char *bytes)
{
	struct odd_row odd = {.batch = b, .row = row, .p = scored->fused[row], .flagged = scored->flagged[row],
		.faulty = scored->faulty[row], .class = scorer_class(s->scorer, b->prediction[row])};
	struct sample dropped, *kept;
	int64_t window_us;

	explain_families(s->scorer, scored, row, odd.family);
	kept = odd_record(s->odd, w->start_us, &odd, &dropped);
	sample_out(sinks, s, &dropped, SAMPLE_DROPPED);
	sample_done(&dropped);
	if (!kept)
		return;
	sample_explain(x, made, s, b, row, kept);
	atomic_store(&s->odd_bar, odd_bar(s->odd, &window_us));
	atomic_store(&s->odd_window_us, window_us);
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
