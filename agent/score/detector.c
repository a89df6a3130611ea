/* SPDX-License-Identifier: Apache-2.0
 * What a detector is promised before it is called is kept here: it never sees a batch without what
 * it needs, and a row without is marked before. What it gives is distrusted: a score that is not
 * finite is no score. */
#include "score/detector.h"

#include "base/log.h"
#include "score/options.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int detector_attach(const struct reference_detector *from, const struct plugins *plugins,
	struct detector *ret, struct error *e)
{
	struct detector d = {0};
	int code = plugins_find(plugins, from->name, &d.plugin, e);

	if (code < 0)
		return code;
	if (strcmp(d.plugin->version, from->plugin_version) != 0)
		log_warning("detector",
			"the plugin is of another version than the one that fitted the reference",
			"detector", log_s(from->name), "fitted", log_s(from->plugin_version),
			"found", log_s(d.plugin->version));
	code = detector_open(
		d.plugin, from->options, from->n_options, from->bytes, from->n_bytes, &d.state, e);
	if (code < 0) {
		error_prefix(e, "detector %s", from->name);
		return code;
	}
	*ret = d;
	return 0;
}

void detector_detach(struct detector *d)
{
	if (d->plugin)
		detector_close(d->plugin, d->state);
	*d = (struct detector){0};
}

uint32_t detector_lacks(const struct oodd_detector *d, const struct oodd_batch *b)
{
	return detector_needs_lacking(d->needs, b);
}

uint32_t detector_needs_lacking(uint32_t needs, const struct oodd_batch *b)
{
	uint32_t has = 0;

	has |= b->logits.at ? OODD_NEEDS_LOGITS : 0u;
	has |= b->logits.at && !b->logits_normalised ? OODD_NEEDS_RAW_LOGITS : 0u;
	has |= b->embedding.at ? OODD_NEEDS_EMBEDDING : 0u;
	has |= b->predicted ? OODD_NEEDS_PREDICTED : 0u;
	has |= b->n_numeric + b->n_category > 0 ? OODD_NEEDS_FEATURES : 0u;
	has |= b->confidence ? OODD_NEEDS_CONFIDENCE : 0u;
	return needs & ~has;
}

/* A row without a vector is all NaN, so its first value tells. */
static void mark_vector(struct oodd_matrix m, size_t n, uint8_t *status)
{
	for (size_t i = 0; i < n; i++)
		if (isnan(oodd_row(m, i)[0]))
			status[i] = OODD_ROW_UNSCORED;
}

static void mark_rows(const struct oodd_detector *d, const struct oodd_batch *b, uint8_t *status)
{
	memset(status, OODD_ROW_SCORED, b->n);
	if (d->needs & (OODD_NEEDS_LOGITS | OODD_NEEDS_RAW_LOGITS))
		mark_vector(b->logits, b->n, status);
	if (d->needs & OODD_NEEDS_EMBEDDING)
		mark_vector(b->embedding, b->n, status);
	for (size_t i = 0; d->needs & OODD_NEEDS_CONFIDENCE && i < b->n; i++)
		if (isnan(b->confidence[i]))
			status[i] = OODD_ROW_UNSCORED;
}

static void scores_none(float *scores, size_t n)
{
	for (size_t i = 0; i < n; i++)
		scores[i] = (float)NAN;
}

int detector_score(
	const struct detector *d, const struct oodd_batch *b, float *scores, uint8_t *status)
{
	int code;

	if (b->n == 0)
		return 0;
	if (detector_lacks(d->plugin, b) != 0) {
		scores_none(scores, b->n);
		return 0;
	}
	mark_rows(d->plugin, b, status);
	code = d->plugin->score(d->state, b, scores, status);
	if (code < 0)
		scores_none(scores, b->n);
	for (size_t i = 0; i < b->n && code >= 0; i++)
		if (status[i] != OODD_ROW_SCORED || !isfinite(scores[i]))
			scores[i] = (float)NAN;
	return code < 0 ? code : 0;
}
