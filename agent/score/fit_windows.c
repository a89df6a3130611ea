/* SPDX-License-Identifier: Apache-2.0
 * The reference through its own eyes: every held-out record scored as live ones will be, and
 * counted into its measures and its window.
 *
 * A record took part in saying which values are known. Counted naively, no reference record ever
 * holds a value never seen, so the first new word of live traffic would be news; left out one by
 * one, each record that alone holds its word, its least or its most counts as new (Good and
 * Turing's estimate of what is not yet seen), and the expected number of new values is right. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "model/window.h"
#include "score/count.h"
#include "score/scorer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WINDOWS 1000 /* kept of each sort; more tell no more about how they vary */

struct gather {
	struct fit *f;
	const struct scorer *scorer;
	struct scorer_space space;
	struct scored scored;
	struct batch *batch;
	int64_t first_whole_us,
		end_whole_us; /* windows from .. to that are not cut by the ends of the log */
};

/* Leave-one-out. */

static void words_unsee(const struct gather *g)
{
	const struct reference *r = g->f->r;

	for (size_t c = 0; c < r->n_category; c++)
		for (size_t i = 0; i < r->category[c].n_words; i++)
			if (g->f->seldom[c][i])
				scorer_unsee(g->scorer, c, i);
	for (size_t i = 0; i < r->n_classes; i++)
		if (g->f->seldom_class[i] == 1)
			scorer_unsee_class(g->scorer, i);
	for (size_t i = 0; i < g->f->n_lone_fields; i++)
		scorer_unsee_field(g->scorer, g->f->lone_fields[i]);
}

struct ends {
	double *least, *most;
};

static struct ends ends_trim(const struct fit *f)
{
	struct reference *r = f->r;
	struct ends was = {mem_zero(r->n_measures + 1, sizeof(double)),
		mem_zero(r->n_measures + 1, sizeof(double))};

	for (size_t i = 0; i < r->n_measures; i++) {
		struct measure *m = &r->measures[i];

		was.least[i] = m->least;
		was.most[i] = m->most;
		m->least = f->lone_least[i] ? nextafter(m->least, (double)INFINITY) : m->least;
		m->most = f->lone_most[i] ? nextafter(m->most, -(double)INFINITY) : m->most;
	}
	return was;
}

static void ends_restore(const struct fit *f, struct ends *was)
{
	for (size_t i = 0; i < f->r->n_measures; i++) {
		f->r->measures[i].least = was->least[i];
		f->r->measures[i].most = was->most[i];
	}
	free(was->least);
	free(was->most);
}

/* Base counts. */

static void base_count(struct gather *g, enum part part)
{
	struct reference *r = g->f->r;

	for (size_t row = 0; row < g->scored.n; row++)
		for (size_t k = 0; k < r->n_measures; k++) {
			uint32_t bin = g->scored.bin[row * r->n_measures + k];

			if (bin != SCORED_NO_BIN &&
				(r->measures[k].kind != MEASURE_P_VALUE || part == IN_NULL))
				r->measures[k].base[bin - r->measures[k].first]++;
		}
	for (size_t row = 0; row < g->scored.n; row++)
		for (size_t k = 0; k < r->n_statistics; k++)
			scored_slot_add(&g->scored, row, k, r->statistics[k].base);
	for (size_t row = 0; row < g->scored.n && r->slices.n > 0; row++)
		scored_slice_add(&g->scored, row, part == IN_NULL, r->slices.base);
}

static void flags_count(struct gather *g, enum part part)
{
	for (size_t row = 0; row < g->scored.n && part == IN_NULL; row++) {
		g->f->notes->n_scored_null += !isnan(g->scored.fused[row]);
		g->f->notes->n_flagged_null += g->scored.flagged[row];
	}
}

/* Windows. */

static int64_t window_start(int64_t time_us, int64_t window_us)
{
	int64_t rest = time_us % window_us;

	return time_us - (rest < 0 ? rest + window_us : rest);
}

/* The first and the last window are whole only when the log begins and ends with them, to within
 * two usual gaps. */
static void whole_find(struct gather *g)
{
	const struct fit *f = g->f;
	int64_t first = INT64_MAX, last = INT64_MIN, gap, n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		if (fit_row_calibrates(f, i)) {
			first = f->rows[i].time_us < first ? f->rows[i].time_us : first;
			last = f->rows[i].time_us;
			n++;
		}
	if (n == 0)
		return;
	gap = 2 * ((last - first) / n + 1);
	g->first_whole_us = window_start(first, f->o.window_us);
	g->end_whole_us = window_start(last, f->o.window_us) + f->o.window_us;
	if (first - g->first_whole_us > gap)
		g->first_whole_us += f->o.window_us;
	if (g->end_whole_us - last > gap)
		g->end_whole_us -= f->o.window_us;
}

struct windows {
	struct window *at;
	size_t n, room;
};

static struct window *window_of(struct windows *w, const struct fit *f, int64_t time_us)
{
	int64_t start = window_start(time_us, f->o.window_us);

	if (w->n > 0 && w->at[w->n - 1].start_us == start)
		return &w->at[w->n - 1];
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 64;
		w->at = mem_grow(w->at, w->room, sizeof *w->at);
	}
	window_init(&w->at[w->n], start, start + f->o.window_us, f->r->width);
	return &w->at[w->n++];
}

/* Rows of a part come in order of time, so a window's rows come together. */
static void part_count(struct gather *g, enum part part, struct windows *to)
{
	const struct fit *f = g->f;

	for (size_t i = 0; i < f->n_rows;) {
		batch_reset(g->batch);
		i = fit_rows_gather(f, i, f->n_rows, part, g->batch);
		scorer_run(g->scorer, &g->space, g->batch, &g->scored);
		base_count(g, part);
		flags_count(g, part);
		for (size_t row = 0; row < g->batch->n; row++)
			scored_count(&g->scored, row, window_of(to, f, g->batch->time_us[row]));
	}
}

/* A log too short to be dealt by windows has windows whose records are spread over the parts: none
 * is whole. */
static bool windows_shared(const struct fit *f)
{
	int64_t start = 0;
	int part = -1;

	for (size_t i = 0; i < f->n_rows; i++) {
		int64_t at = window_start(f->rows[i].time_us, f->o.window_us);

		if (!fit_row_calibrates(f, i))
			continue;
		if (part >= 0 && at == start && f->rows[i].part != part)
			return true;
		start = at;
		part = f->rows[i].part;
	}
	return false;
}

static bool window_whole(const struct gather *g, const struct window *w)
{
	return w->start_us >= g->first_whole_us && w->end_us <= g->end_whole_us;
}

static int start_order(const void *a, const void *b)
{
	const struct reference_window *p = a, *q = b;

	return (p->start_us > q->start_us) - (p->start_us < q->start_us);
}

/* Evenly thinned to at most MOST_WINDOWS. */
static size_t windows_thin(struct reference_window *at, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (n <= MOST_WINDOWS || i * MOST_WINDOWS / n != (i + 1) * MOST_WINDOWS / n)
			at[kept++] = at[i];
		else
			free(at[i].v);
	}
	return kept;
}

/* Whole windows become the reference's; the rest were counted and are forgotten. */
static void windows_keep(struct gather *g, struct windows *from, bool shared,
	struct reference_window **to, size_t *n)
{
	*to = mem_grow(*to, *n + from->n + 1, sizeof **to);
	for (size_t i = 0; i < from->n; i++) {
		struct window *w = &from->at[i];

		if (shared || !window_whole(g, w)) {
			g->f->notes->n_windows_cut++;
			window_done(w);
			continue;
		}
		(*to)[(*n)++] =
			(struct reference_window){w->start_us, w->n, w->n_flagged, w->width, w->v};
		w->v = NULL; /* handed over */
		window_done(w);
	}
	free(from->at);
	qsort(*to, *n, sizeof **to, start_order);
}

static void parts_count(struct gather *g)
{
	struct reference *r = g->f->r;
	struct windows of[PARTS] = {0};
	bool shared = windows_shared(g->f);

	for (int part = IN_CAL_A; part < PARTS; part++)
		part_count(g, (enum part)part, &of[part]);
	windows_keep(g, &of[IN_NULL], shared, &r->windows, &r->n_windows);
	windows_keep(g, &of[IN_CAL_A], shared, &r->others, &r->n_others);
	windows_keep(g, &of[IN_CAL_B], shared, &r->others, &r->n_others);
	r->n_windows = windows_thin(r->windows, r->n_windows);
	r->n_others = windows_thin(r->others, r->n_others);
}

int fit_windows(struct fit *f, struct error *e)
{
	struct gather g = {.f = f, .batch = batch_open("", 0, "", 0)};
	struct ends was = ends_trim(f);
	int code = scorer_open(f->r, f->plugins, &g.scorer, e);

	scorer_space_init(&g.space);
	scored_init(&g.scored);
	if (code == 0) {
		words_unsee(&g);
		whole_find(&g);
		parts_count(&g);
	}
	ends_restore(f, &was);
	scorer_close(g.scorer);
	scorer_space_done(&g.space);
	scored_done(&g.scored);
	batch_close(g.batch);
	return code;
}
