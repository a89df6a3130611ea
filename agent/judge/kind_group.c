/* SPDX-License-Identifier: Apache-2.0
 * Groups of odd records: which keep coming more often than the reference's own odd records of one kind do, and who is typical
 * of each. */
#include "judge/kind_room.h"

#include "base/mem.h"
#include "stats/interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fewer are no group, however rarely chance would bring them. */
#define LEAST_MEMBERS 5
/* Chance of so many by the reference's rate. */
#define TAIL 1e-2
enum { TEXT_SHOWN = 80 };

static bool beyond_chance(const struct odd *o, int64_t n, int64_t records)
{
	/* Its first member is why it is looked at; what counts is how many more came. */
	return n >= LEAST_MEMBERS && interval_gamma((double)(n - 1), o->rate * (double)records) < TAIL;
}

static bool of_copies(const struct odd *o, size_t group)
{
	return leaders_spread(o->leaders, group) <= fmax(o->r->odd.near_, 1e-6);
}

bool odd_group_burst(const struct odd *o, size_t group, int64_t n, int64_t window_n)
{
	const struct odd_cluster *c = &o->clusters[group];

	return of_copies(o, group) && (beyond_chance(o, n, window_n) || beyond_chance(o, c->n, o->seen - c->since));
}

static void groups_judge(struct odd *o, bool *ret_fresh)
{
	for (size_t i = 0; i < LEADERS_MOST; i++) {
		struct odd_cluster *c = &o->clusters[i];
		int64_t records = o->seen - c->since;

		ret_fresh[i] = false;
		if (o->leaders->at[i].n == 0)
			continue;
		if ((double)(c->n - 1) < o->rate * (double)records) {
			/* No more than chance: it may become a class from here on, and is none any more. */
			c->class = o->leaders->at[i].kept = false;
			c->n = 1;
			c->since = o->seen;
			c->windows = 0;
		} else if (!c->class && c->windows >= 2 && beyond_chance(o, c->n, records) && !of_copies(o, i)) {
			c->class = o->leaders->at[i].kept = ret_fresh[i] = true;
		}
	}
}

/* Shortened at a whole character. */
static char *text_short(struct text t)
{
	size_t n = t.n;

	if (!t.at)
		return NULL;
	if (n <= TEXT_SHOWN)
		return mem_copy_span(t.at, n);
	for (n = TEXT_SHOWN; n > 0 && ((unsigned char)t.at[n] & 0xc0) == 0x80; n--)
		;
	return mem_format("%.*s...", (int)n, t.at);
}

/* The most typical stay, in that order. */
static void member_put(struct odd *o, size_t group, struct odd_looked *l)
{
	struct odd_member *m = o->clusters[group].members, last;
	double distance[ODD_MEMBERS], own = leaders_distance(o->leaders, group, l->rounded);
	size_t n = 0;

	for (; n < ODD_MEMBERS && m[n].id; n++)
		distance[n] = leaders_distance(o->leaders, group, m[n].rounded);
	/* The mean has moved: in order again. */
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && distance[k] < distance[k - 1]; k--) {
			struct odd_member other = m[k];
			double far = distance[k];

			m[k] = m[k - 1];
			m[k - 1] = other;
			distance[k] = distance[k - 1];
			distance[k - 1] = far;
		}
	if (n == ODD_MEMBERS && !(own < distance[n - 1]))
		return;
	n = n == ODD_MEMBERS ? n - 1 : n;
	odd_member_done(&m[n]);
	last = (struct odd_member){mem_copy_text(l->id), mem_copy_text(l->text), mem_copy(l->rounded, o->leaders->d * sizeof *l->rounded)};
	for (; n > 0 && own < distance[n - 1]; n--)
		m[n] = m[n - 1];
	m[n] = last;
}

/* In the order of time; the hash decides among equals. */
static int looked_order(const void *a, const void *b)
{
	const struct odd_looked *x = a, *y = b;

	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Whoever stood in that place is of no group any more. */
static void place_empty(struct odd *o, struct odd_window *w, size_t group, size_t before)
{
	for (size_t i = 0; i < before; i++)
		if (w->looked[i].group == group)
			w->looked[i].group = SIZE_MAX;
	odd_cluster_done(&o->clusters[group]);
	o->clusters[group] = (struct odd_cluster){.since = o->seen, .first_us = w->start_us, .last_us = INT64_MIN};
}

static void looked_join(struct odd *o, struct odd_window *w, size_t i, int64_t window_n)
{
	struct odd_cluster *c;
	bool new;

	w->looked[i].group = leaders_put(o->leaders, w->looked[i].rounded, &new);
	c = &o->clusters[w->looked[i].group];
	if (new) {
		place_empty(o, w, w->looked[i].group, i);
		c->since = o->seen - window_n;
	}
	c->size++;
	c->n++;
	c->windows += w->start_us != c->last_us;
	c->last_us = w->start_us;
	member_put(o, w->looked[i].group, &w->looked[i]);
}

void odd_groups_close(struct odd *o, struct odd_window *w, int64_t window_n, int64_t *ret_n, bool *ret_fresh)
{
	if (!o->leaders)
		return;
	if (w->n_looked > 1)
		qsort(w->looked, w->n_looked, sizeof *w->looked, looked_order);
	for (size_t i = 0; i < w->n_looked; i++)
		looked_join(o, w, i, window_n);
	for (size_t i = 0; i < w->n_looked; i++)
		if (w->looked[i].group != SIZE_MAX)
			ret_n[w->looked[i].group]++;
	groups_judge(o, ret_fresh);
}

int16_t *odd_direction(const struct odd *o, const struct odd_row *row, enum odd_kind kind)
{
	int16_t *rounded;

	if (!o->leaders || kind == ODD_FAULT || row->batch->n_embedding != o->leaders->d)
		return NULL;
	rounded = mem_alloc(o->leaders->d * sizeof *rounded);
	if (leader_rounded(row->batch->embedding + row->row * o->leaders->d, o->leaders->d, rounded))
		return rounded;
	free(rounded);
	return NULL;
}

static size_t largest_hash(const struct odd_window *w)
{
	size_t most = 0;

	for (size_t i = 1; i < w->n_looked; i++)
		most = w->looked[i].hash > w->looked[most].hash ? i : most;
	return most;
}

void odd_look(const struct odd *o, struct odd_window *w, const struct odd_row *row, enum odd_kind kind, const int16_t *rounded)
{
	const struct batch *b = row->batch;
	struct text id = b->id[row->row];
	size_t at = w->n_looked;

	if (w->n_looked == ODD_LOOKED) {
		at = largest_hash(w);
		if (b->hash[row->row] >= w->looked[at].hash)
			return;
		odd_looked_done(&w->looked[at]);
	} else {
		w->looked = mem_grow(w->looked, ++w->n_looked, sizeof *w->looked);
	}
	w->looked[at] = (struct odd_looked){.hash = b->hash[row->row], .time_us = b->time_us[row->row], .kind = kind, .group = SIZE_MAX,
		.id = mem_copy_span(id.at ? id.at : "", id.at ? id.n : 0),
		.text = o->options.texts ? text_short(b->label_text[row->row]) : NULL,
		.rounded = mem_copy(rounded, o->leaders->d * sizeof *rounded)};
}
