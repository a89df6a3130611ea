/* SPDX-License-Identifier: Apache-2.0
 * The end of slices, and what must be true of those from a file. */
#include "model/slice.h"

#include "model/reference.h"

#include <errno.h>
#include <stdlib.h>

#define NO(...) error_set(e, -EINVAL, __VA_ARGS__)
#define MOST_RECORDS (INT64_C(1) << 40)

static void texts_done(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

void slices_done(struct slices *s)
{
	texts_done(s->asked, s->n_asked);
	texts_done(s->tags, s->n_tags);
	for (size_t i = 0; i < s->n; i++) {
		free(s->at[i].tag);
		free(s->at[i].value);
	}
	for (size_t i = 0; i < s->n_aspects; i++) {
		texts_done(s->aspects[i].words, s->aspects[i].n);
		free(s->aspects[i].map);
	}
	free(s->at);
	free(s->aspects);
	free(s->base);
	*s = (struct slices){0};
}

void slice_signal_done(struct slice_signal *s)
{
	free(s->where.at);
	free(s->gaps.at);
	free(s->parity.at);
	free(s->opportunity.at);
	free(s->counts);
	*s = (struct slice_signal){0};
}

static int aspect_check(const struct reference *r, const struct slice_aspect *a, size_t at, struct error *e)
{
	if (a->measure >= r->n_measures || a->n_map != r->measures[a->measure].n || a->at != at || a->n == 0 || !a->map)
		return NO("slices: an aspect does not fit its measure");
	for (size_t i = 0; i < a->n_map; i++)
		if (a->map[i] < 0 || (size_t)a->map[i] >= a->n)
			return NO("slices: a bin of %s leads nowhere", r->measures[a->measure].name);
	for (size_t i = 0; i < a->n; i++)
		if (!a->words || !a->words[i])
			return NO("slices: a bin of %s has no words", r->measures[a->measure].name);
	return a->sums && r->measures[a->measure].sums == MEASURE_NO_BIN ? NO("slices: a mean of what has none") : 0;
}

static int base_check(const struct slices *s, struct error *e)
{
	if (s->n_base != s->n * s->width || (s->n_base > 0 && !s->base))
		return NO("slices: %zu counts, expected %zu", s->n_base, s->n * s->width);
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < SLICE_HEAD; k++)
			if (s->base[i * s->width + k] < 0 || s->base[i * s->width + k] > MOST_RECORDS)
				return NO("slices: a count is out of range");
	return 0;
}

int slices_check(const struct reference *r, size_t first, struct error *e)
{
	const struct slices *s = &r->slices;
	size_t at = SLICE_HEAD;

	for (size_t i = 0; s->n == 0 && i < r->n_measures; i++)
		if (r->measures[i].slice)
			return NO("slices: measure %s is of none", r->measures[i].name);
	if (s->n == 0)
		return s->n_aspects == 0 && s->n_base == 0 ? 0 : NO("slices: aspects of none");
	if (s->n > SLICE_MOST || s->n_tags > SLICE_MOST_TAGS || s->first != first)
		return NO("slices: %zu of %zu tags at %zu, expected them at %zu", s->n, s->n_tags, s->first, first);
	for (size_t i = 0; i < s->n_tags; i++)
		if (!s->tags[i])
			return NO("slices: a tag without a name");
	for (size_t i = 0; i < s->n; i++)
		if (!s->at[i].tag || !s->at[i].value)
			return NO("slices: slice %zu has no name", i + 1);
	for (size_t i = 0; i < s->n_aspects; i++) {
		int code = aspect_check(r, &s->aspects[i], at, e);

		if (code < 0)
			return code;
		at += s->aspects[i].n + (s->aspects[i].sums ? 2 : 0);
	}
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].slice > s->n || (r->measures[i].slice && (r->measures[i].source >= i ||
			r->measures[r->measures[i].source].slice || r->measures[r->measures[i].source].n != r->measures[i].n)))
			return NO("slices: measure %s is of none", r->measures[i].name);
	if (at != s->width || s->n * s->width > SLICE_MOST_NUMBERS)
		return NO("slices: %zu numbers of each, its parts take %zu", s->width, at);
	return base_check(s, e);
}
