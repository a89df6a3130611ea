/* SPDX-License-Identifier: Apache-2.0
 * oodd selftest: a reference keeps its windows as counts, not its records. What can be done honestly with counts is done here. */
#include "command_selftest.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct reference_window *windows_copy(const struct reference_window *from, size_t n)
{
	struct reference_window *to = mem_alloc((n + 1) * sizeof *to);

	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].v = mem_copy(from[i].v, from[i].width * sizeof *from[i].v);
	}
	return to;
}

static void windows_free(struct reference_window *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(w[i].v);
	free(w);
}

void varied_open(struct varied *v, const struct reference *r)
{
	*v = (struct varied){.r = *r, .of = r};
	v->r.windows = windows_copy(r->windows, r->n_windows);
	v->r.others = windows_copy(r->others, r->n_others);
	v->r.measures = mem_alloc((r->n_measures + 1) * sizeof *v->r.measures);
	for (size_t i = 0; i < r->n_measures; i++) {
		v->r.measures[i] = r->measures[i];
		if (r->measures[i].base)
			v->r.measures[i].base = mem_copy(r->measures[i].base, r->measures[i].n * sizeof *r->measures[i].base);
	}
}

void varied_close(struct varied *v)
{
	for (size_t i = 0; i < v->r.n_measures; i++)
		free(v->r.measures[i].base);
	free(v->r.measures);
	windows_free(v->r.windows, v->r.n_windows);
	windows_free(v->r.others, v->r.n_others);
}

static void windows_repeat(struct reference_window *w, size_t n, int64_t times)
{
	for (size_t i = 0; i < n; i++) {
		w[i].n *= times;
		w[i].n_flagged *= times;
		for (size_t k = 0; k < w[i].width; k++)
			w[i].v[k] *= times;
	}
}

void varied_repeat(struct varied *v, int64_t times)
{
	windows_repeat(v->r.windows, v->r.n_windows, times);
	windows_repeat(v->r.others, v->r.n_others, times);
	for (size_t i = 0; i < v->r.n_measures; i++)
		for (size_t k = 0; v->r.measures[i].base && k < v->r.measures[i].n; k++)
			v->r.measures[i].base[k] *= times;
}

/* Windows that one deal goes over. */
struct table {
	struct reference_window *const *at;
	size_t n;
};

static int64_t window_total(const struct reference_window *w, const struct measure *m)
{
	int64_t all = 0;

	for (size_t k = 0; k < m->n; k++)
		all += w->v[m->first + k];
	return all;
}

/* Sums become the whole's share, so that before and after say that nothing moved. */
static void sums_spread(struct table t, const struct measure *m)
{
	double sum = 0, terms = 0;

	if (m->sums == MEASURE_NO_BIN)
		return;
	for (size_t i = 0; i < t.n; i++) {
		sum += (double)t.at[i]->v[m->sums];
		terms += (double)t.at[i]->v[m->sums + 1];
	}
	for (size_t i = 0; i < t.n && terms > 0; i++)
		t.at[i]->v[m->sums] = (int64_t)(sum / terms * (double)t.at[i]->v[m->sums + 1]);
}

static void deal(struct table t, const struct measure *m, uint64_t seed)
{
	size_t n = 0, at = 0;
	uint16_t *cards;

	for (size_t i = 0; i < t.n; i++)
		n += (size_t)window_total(t.at[i], m);
	cards = mem_alloc((n + 1) * sizeof *cards);
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < m->n; k++)
			for (int64_t c = 0; c < t.at[i]->v[m->first + k]; c++)
				cards[at++] = (uint16_t)k;
	for (size_t i = n; i > 1; i--) {
		uint64_t key[] = {seed, m->first, i};
		size_t other = hash_bytes(key, sizeof key, 0) % i;
		uint16_t card = cards[i - 1];

		cards[i - 1] = cards[other];
		cards[other] = card;
	}
	at = 0;
	for (size_t i = 0; i < t.n; i++) {
		int64_t hand = window_total(t.at[i], m);

		memset(t.at[i]->v + m->first, 0, m->n * sizeof *t.at[i]->v);
		while (hand-- > 0)
			t.at[i]->v[m->first + cards[at++]]++;
	}
	free(cards);
	sums_spread(t, m);
}

void varied_shuffle(struct varied *v, uint64_t seed)
{
	size_t n_all = v->r.n_windows + v->r.n_others;
	struct reference_window **all = mem_zero(n_all + 1, sizeof *all);

	for (size_t i = 0; i < n_all; i++)
		all[i] = i < v->r.n_windows ? &v->r.windows[i] : &v->r.others[i - v->r.n_windows];
	/* p-values of the calibration windows were made from those very records: theirs are another deck. */
	for (size_t i = 0; i < v->r.n_measures; i++)
		deal((struct table){all, v->r.measures[i].kind == MEASURE_P_VALUE ? v->r.n_windows : n_all}, &v->r.measures[i], seed);
	free(all);
}
