/* SPDX-License-Identifier: Apache-2.0
 * Which slices are watched, and what is counted of each: learned from the records, as all else. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "model/metric.h"
#include "score/slicer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ASPECTS 64
#define MOST_COARSE 8    /* words of a class or category that keep a bin of their own */
#define QUARTERS 4

/* Values of one tag, counted. */

struct value {
	struct text text;
	size_t n;
};

struct values {
	struct value *at;
	size_t n, room;
};

static int by_text(const void *a, const void *b)
{
	const struct value *p = a, *q = b;
	uint32_t n = p->text.n < q->text.n ? p->text.n : q->text.n;
	int order = memcmp(p->text.at, q->text.at, n);

	return order ? order : (p->text.n > q->text.n) - (p->text.n < q->text.n);
}

static int by_count(const void *a, const void *b)
{
	const struct value *p = a, *q = b;

	return p->n != q->n ? (p->n < q->n) - (p->n > q->n) : by_text(a, b);
}

static void values_settle(struct values *v)
{
	size_t kept = 0;

	if (v->n == 0)
		return;
	qsort(v->at, v->n, sizeof *v->at, by_text);
	for (size_t i = 1; i < v->n; i++)
		if (by_text(&v->at[kept], &v->at[i]) == 0)
			v->at[kept].n++;
		else
			v->at[++kept] = v->at[i];
	v->n = kept + 1;
	qsort(v->at, v->n, sizeof *v->at, by_count);
}

/* Of the records that calibrate: those that are counted. Text of numbers lies in the batch's arena. */
static struct values values_of(struct fit *f, const char *tag)
{
	struct values v = {.at = mem_alloc((f->n_rows + 1) * sizeof(struct value))};
	char number[32];

	for (size_t i = 0; i < f->n_rows; i++) {
		struct batch *b = f->batches[f->rows[i].batch];
		struct text t = slice_text(columns_find(&b->tags, tag), f->rows[i].row, number);

		if (!t.at || t.n == 0 || !fit_row_calibrates(f, i))
			continue;
		if (t.at == number)
			t.at = arena_span(b->arena, number, t.n);
		v.at[v.n++] = (struct value){t, 1};
	}
	values_settle(&v);
	return v;
}

static void slice_add(struct slices *s, const char *tag, char *value, bool other)
{
	s->at = mem_grow(s->at, s->n + 1, sizeof *s->at);
	s->at[s->n++] = (struct slice){mem_copy_text(tag), value, other};
}

static void tag_learn(struct fit *f, const char *tag)
{
	struct slices *s = &f->r->slices;
	struct values v = values_of(f, tag);
	size_t kept = 0;

	while (kept < v.n && kept < SLICE_MOST_VALUES && s->n + 1 < SLICE_MOST && v.at[kept].n >= SLICE_LEAST_RECORDS) {
		f->slice_records[s->n] = v.at[kept].n;
		slice_add(s, tag, mem_copy_span(v.at[kept].text.at, v.at[kept].text.n), false);
		kept++;
	}
	if (kept == 0)
		fit_note(f, "slices: no value of tag %s is in %d records: it is left out", tag, SLICE_LEAST_RECORDS);
	else {
		slice_add(s, tag, mem_copy_text(SLICE_OTHER), true);
		s->tags = mem_grow(s->tags, s->n_tags + 1, sizeof *s->tags);
		s->tags[s->n_tags++] = mem_copy_text(tag);
	}
	if (kept > 0 && kept < v.n)
		fit_note(f, "slices: of %zu values of tag %s the commonest %zu are watched, the rest as " SLICE_OTHER, v.n, tag, kept);
	free(v.at);
}

/* Aspects. */

static void aspect_word(struct slice_aspect *a, const char *word)
{
	a->words = mem_grow(a->words, a->n + 1, sizeof *a->words);
	a->words[a->n++] = mem_copy_text(word);
}

static void special_map(struct slice_aspect *a, size_t special, size_t to)
{
	if (special != MEASURE_NO_BIN)
		a->map[special] = (int64_t)to;
}

/* Below and above are one bin, whatever is no number another. */
static void specials(const struct measure *m, struct slice_aspect *a)
{
	size_t beyond = a->n;

	if (m->below != MEASURE_NO_BIN) {
		special_map(a, m->below, beyond);
		special_map(a, m->above, beyond);
		aspect_word(a, "beyond the reference");
	}
	if (m->other != MEASURE_NO_BIN) {
		special_map(a, m->other, a->n);
		aspect_word(a, "never seen");
	}
	if (m->missing != MEASURE_NO_BIN) {
		special_map(a, m->missing, a->n);
		special_map(a, m->mistyped, a->n);
		aspect_word(a, "missing");
	}
}

static void quarter_words(const struct measure *m, size_t first, size_t last, char *to, size_t n)
{
	if (first == 0 && last == m->n_edges)
		snprintf(to, n, "any");
	else if (first == 0)
		snprintf(to, n, "<= %.6g", m->edges[last]);
	else if (last == m->n_edges)
		snprintf(to, n, "> %.6g", m->edges[first - 1]);
	else
		snprintf(to, n, "(%.6g, %.6g]", m->edges[first - 1], m->edges[last]);
}

/* Edges are quantiles, so that quarters of the bins are about quarters of the records. */
static void aspect_numbers(const struct measure *m, struct slice_aspect *a)
{
	size_t plain = m->n_edges + 1, quarters = plain < QUARTERS ? plain : QUARTERS;
	char words[80];

	for (size_t q = 0; q < quarters; q++) {
		size_t first = q * plain / quarters, last = (q + 1) * plain / quarters - 1;

		for (size_t k = first; k <= last; k++)
			a->map[k] = (int64_t)q;
		quarter_words(m, first, last, words, sizeof words);
		aspect_word(a, words);
	}
}

static size_t predicted(const struct fit *f, const char *class)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++) {
		struct text t = f->batches[f->rows[i].batch]->prediction[f->rows[i].row];

		n += t.at && strlen(class) == t.n && memcmp(t.at, class, t.n) == 0;
	}
	return n;
}

/* Few words keep their bins; of many the commonest do (categories are by count already). */
static void aspect_words(const struct fit *f, const struct measure *m, struct slice_aspect *a)
{
	size_t kept[MOST_COARSE], n_kept = 0, *counts = mem_zero(m->n_words + 1, sizeof *counts), rest = SIZE_MAX;

	for (size_t i = 0; i < m->n_words; i++)
		counts[i] = m->kind == MEASURE_CLASS && m->n_words > MOST_COARSE ? predicted(f, m->words[i]) + 1 : m->n_words - i;
	while (n_kept < MOST_COARSE && n_kept < m->n_words) {
		size_t best = 0;

		for (size_t i = 1; i < m->n_words; i++)
			best = counts[i] > counts[best] ? i : best;
		counts[best] = 0;
		kept[n_kept++] = best;
	}
	for (size_t i = 0; i < n_kept; i++) {
		a->map[kept[i]] = (int64_t)a->n;
		aspect_word(a, m->words[kept[i]]);
		counts[kept[i]] = SIZE_MAX;
	}
	for (size_t i = 0; i < m->n_words; i++) {
		if (counts[i] == SIZE_MAX)
			continue;
		if (rest == SIZE_MAX) {
			rest = a->n;
			aspect_word(a, "(rest)");
		}
		a->map[i] = (int64_t)rest;
	}
	free(counts);
}

static void aspect_add(struct fit *f, size_t measure)
{
	const struct measure *m = &f->r->measures[measure];
	struct slices *s = &f->r->slices;
	struct slice_aspect *a;

	s->aspects = mem_grow(s->aspects, s->n_aspects + 1, sizeof *s->aspects);
	a = &s->aspects[s->n_aspects++];
	*a = (struct slice_aspect){.measure = measure, .at = s->width, .n_map = m->n, .map = mem_zero(m->n + 1, sizeof *a->map),
		.output = m->kind == MEASURE_CLASS || m->kind == MEASURE_METRIC,
		.sums = m->kind == MEASURE_METRIC && m->sums != MEASURE_NO_BIN};
	if (m->n_words > 0)
		aspect_words(f, m, a);
	else
		aspect_numbers(m, a);
	specials(m, a);
	s->width += a->n + (a->sums ? 2 : 0);
}

/* p-values are the flags of SLICE_HEAD; what labels say is not of records. */
static bool has_aspect(const struct measure *m)
{
	return m->kind == MEASURE_CONFIDENCE || m->kind == MEASURE_CLASS || m->kind == MEASURE_NUMERIC ||
	       m->kind == MEASURE_CATEGORY || m->kind == MEASURE_MISSING || m->kind == MEASURE_METRIC;
}

static bool is_output(const struct measure *m)
{
	return m->kind == MEASURE_CLASS || m->kind == MEASURE_METRIC;
}

/* Outputs first: they are what slices are compared by. */
static void aspects_learn(struct fit *f)
{
	struct slices *s = &f->r->slices;
	size_t most = SLICE_MOST_NUMBERS / s->n, left = 0;

	s->width = SLICE_HEAD;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < f->r->n_measures; i++) {
			const struct measure *m = &f->r->measures[i];

			if (!has_aspect(m) || is_output(m) != (pass == 0))
				continue;
			if (s->n_aspects == MOST_ASPECTS || s->width + MOST_COARSE + 6 > most)
				left++;
			else
				aspect_add(f, i);
		}
	if (left > 0)
		fit_note(f, "slices: %zu measures are not told apart by slices: the first %zu are", left, s->n_aspects);
}

/* Measures of slices: as those of the stream, bin for bin. */

#define MOST_BINS_JUDGED 40
#define LEAST_JUDGED 200 /* records of the slice */

static bool is_alarmable(const struct measure *m)
{
	return (m->kind == MEASURE_P_VALUE || is_output(m)) && m->n <= MOST_BINS_JUDGED && !m->slice;
}

static char **words_copy(const struct measure *m)
{
	char **to = m->n_words ? mem_zero(m->n_words, sizeof *to) : NULL;

	for (size_t i = 0; i < m->n_words; i++)
		to[i] = mem_copy_text(m->words[i]);
	return to;
}

static void measure_of_slice(struct fit *f, size_t slice, size_t source)
{
	struct reference *r = f->r;
	const struct slice *s = &r->slices.at[slice];
	struct measure *m, *of;

	r->measures = mem_grow(r->measures, r->n_measures + 1, sizeof *r->measures);
	of = &r->measures[source];
	m = &r->measures[r->n_measures++];
	*m = *of;
	m->name = mem_format("%s[%s=%s]", of->name, s->tag, s->value);
	m->edges = of->n_edges ? mem_copy(of->edges, of->n_edges * sizeof *of->edges) : NULL;
	m->words = words_copy(of);
	m->first = r->width;
	m->sums = MEASURE_NO_BIN;
	m->base = mem_zero(m->n, sizeof *m->base);
	m->slice = slice + 1;
	m->source = source;
	r->width += m->n;
}

static void slice_measures(struct fit *f, const size_t *records)
{
	struct slices *s = &f->r->slices;
	size_t n = f->r->n_measures, made = 0;

	for (size_t i = 0; i < n; i++) /* a measure of all slices before the next measure */
		for (size_t k = 0; k < s->n && is_alarmable(&f->r->measures[i]) && made < SLICE_MOST_MEASURES; k++)
			if (!s->at[k].other && records[k] >= LEAST_JUDGED) {
				measure_of_slice(f, k, i);
				made++;
			}
}

void fit_slices(struct fit *f)
{
	struct slices *s = &f->r->slices;

	s->asked = mem_zero(f->o.n_slices + 1, sizeof *s->asked);
	for (size_t i = 0; i < f->o.n_slices; i++)
		s->asked[s->n_asked++] = mem_copy_text(f->o.slices[i]);
	for (size_t i = 0; i < f->o.n_slices && i < SLICE_MOST_TAGS; i++)
		tag_learn(f, f->o.slices[i]);
	if (s->n == 0)
		return;
	aspects_learn(f);
	slice_measures(f, f->slice_records);
}

void fit_slices_place(struct fit *f)
{
	struct slices *s = &f->r->slices;

	if (s->n == 0)
		return;
	s->first = f->r->width;
	s->n_base = s->n * s->width;
	s->base = mem_zero(s->n_base + 1, sizeof *s->base);
	f->r->width += s->n_base;
}
