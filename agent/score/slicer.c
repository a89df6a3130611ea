/* SPDX-License-Identifier: Apache-2.0
 * Tags to slices. A value without a slice of its own is in the tag's last, "(other)". */
#include "score/slicer.h"

#include "base/mem.h"
#include "score/lookup.h"
#include "score/route.h"

#include <stdlib.h>
#include <string.h>

struct slicer {
	const struct reference *r;
	const struct slices *slices;
	size_t *tag;               /* by slice: which tag */
	size_t n_first;            /* measures of the stream: those of slices stand behind them */
	struct word_index *values; /* by tag */
	char ***words;             /* by tag: values; what an index borrows */
	int32_t *first, *other;    /* by tag: its first slice, the pooled one (-1: none) */
	uint32_t *measure_first, *sum; /* by aspect */
};

struct text slice_text(const struct column *c, size_t row, char *number)
{
	if (!c)
		return (struct text){NULL, 0};
	switch ((enum cell)c->kind[row]) {
	case CELL_TEXT:
		return c->text[row];
	case CELL_NUMBER:
		return (struct text){number, (uint32_t)number_text(c->number[row], number)};
	case CELL_BOOL:
		return c->number[row] != 0.0 ? (struct text){"true", 4} : (struct text){"false", 5};
	default:
		return (struct text){NULL, 0};
	}
}

static void tag_open(struct slicer *s, size_t t)
{
	size_t n = 0;

	s->words[t] = mem_zero(s->slices->n + 1, sizeof *s->words[t]);
	s->first[t] = s->other[t] = -1;
	for (size_t i = 0; i < s->slices->n; i++) {
		if (strcmp(s->slices->at[i].tag, s->slices->tags[t]) != 0)
			continue;
		s->first[t] = s->first[t] < 0 ? (int32_t)i : s->first[t];
		s->tag[i] = t;
		if (s->slices->at[i].other)
			s->other[t] = (int32_t)i;
		else
			s->words[t][n++] = s->slices->at[i].value;
	}
	word_index_open(&s->values[t], s->words[t], n);
}

struct slicer *slicer_open(const struct reference *r, const size_t *sum_of)
{
	const struct slices *slices = &r->slices;
	struct slicer *s;

	if (slices->n == 0)
		return NULL;
	s = mem_zero(1, sizeof *s);
	s->slices = slices;
	s->r = r;
	s->tag = mem_zero(slices->n + 1, sizeof *s->tag);
	while (s->n_first < r->n_measures && !r->measures[s->n_first].slice)
		s->n_first++;
	s->values = mem_zero(slices->n_tags + 1, sizeof *s->values);
	s->words = mem_zero(slices->n_tags + 1, sizeof *s->words);
	s->first = mem_zero(slices->n_tags + 1, sizeof *s->first);
	s->other = mem_zero(slices->n_tags + 1, sizeof *s->other);
	for (size_t t = 0; t < slices->n_tags; t++)
		tag_open(s, t);
	s->measure_first = mem_zero(slices->n_aspects + 1, sizeof *s->measure_first);
	s->sum = mem_zero(slices->n_aspects + 1, sizeof *s->sum);
	for (size_t i = 0; i < slices->n_aspects; i++) {
		s->measure_first[i] = (uint32_t)r->measures[slices->aspects[i].measure].first;
		s->sum[i] = (uint32_t)sum_of[slices->aspects[i].measure];
	}
	return s;
}

void slicer_close(struct slicer *s)
{
	if (!s)
		return;
	for (size_t t = 0; t < s->slices->n_tags; t++) {
		word_index_close(&s->values[t]);
		free(s->words[t]);
	}
	free(s->tag);
	free(s->values);
	free(s->words);
	free(s->first);
	free(s->other);
	free(s->measure_first);
	free(s->sum);
	free(s);
}

static int32_t slice_of(const struct slicer *s, size_t t, struct text value)
{
	int32_t code = word_index_find(&s->values[t], value.at, value.n);

	return code >= 0 ? s->first[t] + code : s->other[t];
}

void slicer_run(const struct slicer *s, const struct batch *b, struct scored *to)
{
	size_t n_tags = s ? s->slices->n_tags : 0;
	char number[32];

	to->slices = s ? s->slices : NULL;
	if (!s)
		return;
	to->slices_first = s->measure_first;
	to->slices_sum = s->sum;
	if (b->n * n_tags > to->room_slice) {
		to->room_slice = b->n * n_tags * 3 / 2 + 64;
		to->slice = mem_grow(to->slice, to->room_slice, sizeof *to->slice);
	}
	for (size_t t = 0; t < n_tags; t++) {
		const struct column *c = columns_find(&b->tags, s->slices->tags[t]);

		for (size_t i = 0; i < b->n; i++) {
			struct text value = slice_text(c, i, number);

			to->slice[i * n_tags + t] = value.at ? slice_of(s, t, value) : -1;
		}
	}
}

void slicer_bins(const struct slicer *s, struct scored *to)
{
	size_t n = to->n_measures, n_tags = s ? s->slices->n_tags : 0;

	for (size_t k = s ? s->n_first : n; k < n; k++) {
		const struct measure *m = &s->r->measures[k];
		uint32_t from = (uint32_t)s->r->measures[m->source].first, first = (uint32_t)m->first;
		size_t t = s->tag[m->slice - 1];

		for (size_t i = 0; i < to->n; i++) {
			uint32_t bin = to->bin[i * n + m->source];
			bool in = to->slice[i * n_tags + t] == (int32_t)(m->slice - 1) && bin != SCORED_NO_BIN;

			to->bin[i * n + k] = in ? bin - from + first : SCORED_NO_BIN;
		}
	}
}
