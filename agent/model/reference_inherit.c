/* SPDX-License-Identifier: Apache-2.0
 * A reference of features only, for a version that has none of its own yet.
 *
 * It is put together of borrowed parts, then packed and unpacked: so it owns a copy of everything, whatever a measure may
 * come to hold, has passed all checks, and has a hash like any file's. */
#include "model/reference_inherit.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fields may be missing in so many of the old records before their being vectors and predictions matters. */
#define MOST_LACKING 1e-3

enum fate {
	DROP,  /* means nothing without the old model */
	COUNT, /* in the same bins, for comparing versions; not judged */
	KEEP,
};

static const enum fate fates[MEASURE_KINDS] = {
	[MEASURE_CONFIDENCE] = COUNT,
	[MEASURE_CLASS] = COUNT,
	[MEASURE_NUMERIC] = KEEP,
	[MEASURE_CATEGORY] = KEEP,
	[MEASURE_MISSING] = KEEP,
	[MEASURE_FIELDS] = KEEP,
	[MEASURE_METRIC] = COUNT,
};

static bool has_kind(const struct reference *r, enum measure_kind kind)
{
	for (size_t i = 0; i < r->n_measures; i++)
		if (r->measures[i].kind == kind)
			return true;
	return false;
}

/* Were the old reference's missing fields those of features? */
static bool lacks_features_only(const struct reference *r, const struct measure *m)
{
	double all = 0;

	if (!r->n_logits && !r->n_embedding && !has_kind(r, MEASURE_CONFIDENCE) && !has_kind(r, MEASURE_CLASS))
		return true;
	for (size_t i = 0; m->base && i < m->n; i++)
		all += (double)m->base[i];
	return all > 0 && all - (double)m->base[0] <= MOST_LACKING * all;
}

static enum fate fate_of(const struct reference *r, const struct measure *m)
{
	if (m->slice)
		return DROP;
	if (m->kind == MEASURE_MISSING && !r->n_numeric && !r->n_category)
		return DROP;
	if (m->kind == MEASURE_MISSING && !lacks_features_only(r, m))
		return COUNT;
	return fates[m->kind];
}

static size_t width_of(const struct measure *m)
{
	return m->n + (m->sums == MEASURE_NO_BIN ? 0 : 2);
}

/* One stretch of the old vectors that goes into the new ones. */
struct stretch {
	size_t from, to, n;
};

struct heir {
	struct reference r; /* all it points at is borrowed, but for measures and windows */
	struct stretch *stretches; /* one for each measure */
	size_t *place;           /* of each of the old measures among the new ones; SIZE_MAX: dropped, or not judged */
	struct stretch *parts;   /* of a slice's numbers: its head, then one for each aspect */
	size_t n_parts;
	char *why;
};

static void measures_take(struct heir *h, const struct reference *from)
{
	h->r.measures = mem_zero(from->n_measures + 1, sizeof *h->r.measures);
	h->stretches = mem_zero(from->n_measures + 1, sizeof *h->stretches);
	h->place = mem_zero(from->n_measures + 1, sizeof *h->place);
	h->why = mem_format("of version %s: counted, not judged, until there is a reference of this one", from->version);
	for (size_t i = 0; i < from->n_measures; i++) {
		const struct measure *m = &from->measures[i];
		enum fate fate = fate_of(from, m);
		struct measure *to = &h->r.measures[h->r.n_measures];

		h->place[i] = fate == KEEP ? h->r.n_measures : SIZE_MAX;
		if (fate == DROP)
			continue;
		*to = *m;
		to->first = h->r.width;
		to->sums = m->sums == MEASURE_NO_BIN ? MEASURE_NO_BIN : to->first + m->n;
		h->stretches[h->r.n_measures++] = (struct stretch){m->first, to->first, width_of(m)};
		h->r.width += width_of(m);
		if (fate == COUNT) {
			to->judged = false;
			to->why = h->why;
		}
	}
}

/* Where a shift of a feature sits does not depend on the model either; how slices fare with its outputs does. */
static void slices_take(struct heir *h, const struct reference *from)
{
	const struct slices *old = &from->slices;
	struct slices *s = &h->r.slices;

	s->asked = old->asked;
	s->n_asked = old->n_asked;
	s->aspects = mem_zero(old->n_aspects + 1, sizeof *s->aspects);
	h->parts = mem_zero(old->n_aspects + 1, sizeof *h->parts);
	h->parts[h->n_parts++] = (struct stretch){0, 0, SLICE_HEAD};
	s->width = SLICE_HEAD;
	for (size_t i = 0; i < old->n_aspects; i++) {
		const struct slice_aspect *a = &old->aspects[i];
		size_t n = a->n + (a->sums ? 2 : 0);

		if (h->place[a->measure] == SIZE_MAX)
			continue;
		s->aspects[s->n_aspects] = *a;
		s->aspects[s->n_aspects].measure = h->place[a->measure];
		s->aspects[s->n_aspects++].at = s->width;
		h->parts[h->n_parts++] = (struct stretch){a->at, s->width, n};
		s->width += n;
	}
	if (s->n_aspects == 0)
		return;
	s->tags = old->tags;
	s->n_tags = old->n_tags;
	s->at = old->at;
	s->n = old->n;
	s->first = h->r.width;
	s->n_base = s->n * s->width;
	h->r.width += s->n_base;
}

/* The numbers of every slice, from the old layout to the new one. */
static void slices_copy(const struct heir *h, const struct slices *old, const int64_t *from, int64_t *to)
{
	for (size_t i = 0; i < h->r.slices.n; i++)
		for (size_t k = 0; k < h->n_parts; k++)
			memcpy(to + i * h->r.slices.width + h->parts[k].to, from + i * old->width + h->parts[k].from, h->parts[k].n * sizeof(int64_t));
}

/* No detector scores what is counted now. */
static void slices_base(struct heir *h, const struct slices *old)
{
	struct slices *s = &h->r.slices;

	if (s->n == 0)
		return;
	s->base = mem_zero(s->n_base, sizeof *s->base);
	slices_copy(h, old, old->base, s->base);
	for (size_t i = 0; i < s->n; i++)
		s->base[i * s->width + SLICE_SCORED] = s->base[i * s->width + SLICE_FLAGGED] = 0;
}

static struct reference_window *windows_take(const struct heir *h, const struct slices *old, const struct reference_window *from, size_t n)
{
	struct reference_window *to = mem_zero(n + 1, sizeof *to);

	for (size_t i = 0; i < n; i++) {
		to[i] = (struct reference_window){from[i].start_us, from[i].n, 0, h->r.width, mem_zero(h->r.width + 1, sizeof(int64_t))};
		for (size_t k = 0; k < h->r.n_measures; k++)
			memcpy(to[i].v + h->stretches[k].to, from[i].v + h->stretches[k].from, h->stretches[k].n * sizeof(int64_t));
		slices_copy(h, old, from[i].v + old->first, to[i].v + h->r.slices.first);
	}
	return to;
}

static void windows_drop(struct reference_window *windows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(windows[i].v);
	free(windows);
}

static struct heir heir_of(const struct reference *from, const char *version)
{
	return (struct heir){.r = {.model = from->model, .version = (char *)version, .inherited_from = from->version,
		.made_by = from->made_by, .made_us = from->made_us, .first_us = from->first_us, .last_us = from->last_us,
		.logs = from->logs, .n_logs = from->n_logs, .n_fit = from->n_fit, .n_cal_a = from->n_cal_a, .n_cal_b = from->n_cal_b,
		.n_null = from->n_null, .classes = from->classes, .n_classes = from->n_classes, .numeric = from->numeric,
		.n_numeric = from->n_numeric, .category = from->category, .n_category = from->n_category,
		.left_out = from->left_out, .n_left_out = from->n_left_out, .flag_rate = from->flag_rate,
		.tails = from->tails, .strict = from->strict, .window_us = from->window_us, .season = from->season,
		.season_why = from->season_why}};
}

static int heir_copy(const struct heir *h, struct reference **ret, struct error *e)
{
	struct buf payload = BUF_EMPTY;
	int code;

	reference_pack(&h->r, &payload);
	code = reference_unpack_payload(payload.at, payload.n, ret, e);
	if (!code)
		hash_sha256_hex(payload.at, payload.n, (*ret)->hash);
	buf_done(&payload);
	return code;
}

int reference_inherit(const struct reference *from, const char *version, struct reference **ret, struct error *e)
{
	struct heir h = heir_of(from, version);
	int code;

	measures_take(&h, from);
	if (h.r.n_measures == 0) {
		code = error_set(e, -ENOENT, "the reference of version %s has nothing that version %s could be counted by", from->version, version);
	} else {
		slices_take(&h, from);
		slices_base(&h, &from->slices);
		h.r.windows = windows_take(&h, &from->slices, from->windows, h.r.n_windows = from->n_windows);
		h.r.others = windows_take(&h, &from->slices, from->others, h.r.n_others = from->n_others);
		code = heir_copy(&h, ret, e);
	}
	windows_drop(h.r.windows, h.r.n_windows);
	windows_drop(h.r.others, h.r.n_others);
	free(h.r.slices.base);
	free(h.r.slices.aspects);
	free(h.r.measures);
	free(h.stretches);
	free(h.place);
	free(h.parts);
	free(h.why);
	return code;
}
