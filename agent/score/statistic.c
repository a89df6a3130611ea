/* SPDX-License-Identifier: Apache-2.0
 * Rows are handed to a window detector one by one, since only the loop thread knows which window a row belongs to, if to any;
 * what a row adds is kept beside its score. A detector that samples leaves most rows without. */
#include "score/statistic.h"

#include "base/log.h"
#include "base/mem.h"
#include "score/detector.h"
#include "score/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int state_open(const struct statistic *s, const struct oodd_detector *d, void **ret, struct error *e)
{
	int code = detector_open(d, s->options, s->n_options, s->bytes, s->n_bytes, ret, e);

	if (code < 0)
		error_prefix(e, "detector %s", s->name);
	return code;
}

int statistic_attach(struct statistic *s, const struct plugins *plugins, struct error *e)
{
	const struct oodd_detector *d;
	void *state = NULL;
	int code = plugins_find(plugins, s->name, &d, e);

	if (code < 0)
		return code;
	if (!d->accumulate)
		return error_set(e, -EINVAL, "detector %s is no window detector any more: fit again", s->name);
	if (strcmp(d->version, s->plugin_version) != 0)
		log_warning("detector", "the plugin is of another version than the one that fitted the reference", "detector",
			log_s(s->name), "fitted", log_s(s->plugin_version), "found", log_s(d->version));
	code = state_open(s, d, &state, e);
	if (code < 0)
		return code;
	if (s->width > 0 && d->width(state) != s->width) {
		detector_close(d, state);
		return error_set(e, -EINVAL, "detector %s adds up %zu numbers, the reference holds %zu: fit again", s->name,
			d->width(state), s->width);
	}
	s->width = d->width(state);
	s->door = mem_zero(1, sizeof *s->door);
	*s->door = (struct statistic_door){d->needs, d->accumulate, d->compare, d->close, state};
	return 0;
}

int statistics_attach(struct reference *r, const struct plugins *plugins, struct error *e)
{
	int code = 0;

	for (size_t i = 0; i < r->n_statistics && code == 0; i++)
		if (!r->statistics[i].door)
			code = statistic_attach(&r->statistics[i], plugins, e);
	return code;
}

/* A row without a vector is all NaN, so its first value tells. */
static bool row_has(const struct oodd_batch *b, uint32_t needs, size_t row)
{
	if ((needs & (OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS)) && isnan(oodd_row(b->logits, row)[0]))
		return false;
	return !(needs & OODD_NEEDS_EMBEDDING) || !isnan(oodd_row(b->embedding, row)[0]);
}

static void statistic_run(const struct statistic *s, size_t k, const struct oodd_batch *b, struct scored *to)
{
	for (size_t i = 0; i < b->n; i++) {
		int64_t *slot = scored_slot(to, s->width);

		if (row_has(b, s->door->needs, i) && s->door->accumulate(s->door->state, b, i, i + 1, slot) == 1)
			scored_slot_take(to, i, k, s->width);
	}
}

void statistics_run(const struct reference *r, const struct oodd_batch *b, struct scored *to)
{
	for (size_t k = 0; k < r->n_statistics; k++) {
		const struct statistic *s = &r->statistics[k];

		to->stretch_at[k] = (uint32_t)s->first;
		to->stretch_n[k] = (uint32_t)s->width;
		if (s->door && detector_needs_lacking(s->door->needs, b) == 0)
			statistic_run(s, k, b, to);
	}
}
