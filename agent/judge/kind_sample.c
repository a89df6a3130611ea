/* SPDX-License-Identifier: Apache-2.0
 * Which odd records of a window are kept: the oddest of all, and of every kind at least a fifth of the places. The set depends on
 * the window's records, not on their order: what is given up is always the least odd of the kinds that have more than their
 * fifth. */
#include "judge/kind_room.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KIND_SHARE 5

static double p_of(const struct sample *s)
{
	return isnan(s->p) ? 2 : s->p;
}

/* Odder first; the hash decides among equals, and has nothing to do with the order of reading. */
static bool odder(const struct sample *a, const struct sample *b)
{
	return p_of(a) < p_of(b) || (p_of(a) <= p_of(b) && a->hash < b->hash);
}

static size_t place_given_up(const struct odd_window *w, size_t most)
{
	size_t kept[ODD_KINDS] = {0}, own = most / KIND_SHARE > 0 ? most / KIND_SHARE : 1, worst = SIZE_MAX;

	for (size_t i = 0; i < w->n_samples; i++)
		kept[w->samples[i].kind]++;
	for (size_t i = 0; i < w->n_samples; i++)
		if ((kept[w->samples[i].kind] > own || most < KIND_SHARE) &&
			(worst == SIZE_MAX || odder(&w->samples[worst].s, &w->samples[i].s)))
			worst = i;
	return worst;
}

static char *text_copy(struct text t)
{
	return t.at ? mem_copy_span(t.at, t.n) : NULL;
}

struct sample *odd_sample_put(struct odd *o, struct odd_window *w, const struct odd_row *row, enum odd_kind kind, int16_t *rounded,
	struct sample *ret_dropped)
{
	const struct batch *b = row->batch;
	size_t most = o->options.samples, last = w->n_samples, out;
	struct odd_sample *s;

	for (size_t i = 0; i < w->n_samples; i++)
		if (w->samples[i].s.hash == b->hash[row->row]) { /* the same record again */
			free(rounded);
			return NULL;
		}
	w->samples = mem_grow(w->samples, w->n_samples + 1, sizeof *w->samples);
	s = &w->samples[w->n_samples++];
	*s = (struct odd_sample){.kind = kind, .rounded = rounded,
		.s = {.time_us = b->time_us[row->row], .p = row->p, .window_us = w->start_us, .hash = b->hash[row->row],
			.kind = odd_words[kind], .confidence = b->confidence[row->row]}};
	out = w->n_samples > most ? place_given_up(w, most) : SIZE_MAX;
	if (out == last) {
		free(rounded);
		w->n_samples--;
		return NULL;
	}
	s->s.id = text_copy(b->id[row->row]);
	s->s.prediction = text_copy(b->prediction[row->row]);
	if (out == SIZE_MAX)
		return &s->s;
	*ret_dropped = w->samples[out].s;
	free(w->samples[out].rounded);
	w->samples[out] = *s;
	w->n_samples--;
	return &w->samples[out].s;
}

static size_t sample_next(const struct odd_window *w, const enum odd_kind *final, size_t kind, const bool *told)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < w->n_samples; i++)
		if (!told[i] && final[i] == kind && (best == SIZE_MAX || odder(&w->samples[i].s, &w->samples[best].s)))
			best = i;
	return best;
}

void odd_examples(const struct odd_window *w, const enum odd_kind *final, struct signal_odd *to)
{
	size_t n = w->n_samples < ODD_EXAMPLES ? w->n_samples : ODD_EXAMPLES, order[ODD_KINDS];
	bool *told = mem_zero(w->n_samples + 1, sizeof *told);

	to->examples = mem_zero(n + 1, sizeof *to->examples);
	for (size_t k = 0; k < ODD_KINDS; k++) {
		size_t at = k;

		for (; at > 0 && to->kinds[order[at - 1]] < to->kinds[k]; at--)
			order[at] = order[at - 1];
		order[at] = k;
	}
	while (to->n_examples < n)
		for (size_t k = 0; k < ODD_KINDS && to->n_examples < n; k++) {
			size_t i = sample_next(w, final, order[k], told);

			if (i == SIZE_MAX)
				continue;
			told[i] = true;
			sample_copy(&to->examples[to->n_examples++], &w->samples[i].s);
		}
	free(told);
}
