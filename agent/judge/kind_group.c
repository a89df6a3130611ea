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

bool odd_group_burst(const struct odd *o, size_t group, int64_t n, int64_t window_n)
{
	return leaders_spread(o->leaders, group) <= o->r->odd.near_ && beyond_chance(o, n, window_n);
}

void odd_groups_judge(struct odd *o, bool *ret_fresh)
{
	for (size_t i = 0; o->clusters && i < LEADERS_MOST; i++) {
		struct odd_cluster *c = &o->clusters[i];
		int64_t records = o->seen - c->since;
		bool lasts = c->windows >= 2 && c->last_us > c->first_us;

		ret_fresh[i] = false;
		if (o->leaders->at[i].n == 0)
			continue;
		if ((double)(c->n - 1) < o->rate * (double)records) {
			/* No more than chance: it may become a class from here on, and is none any more. */
			c->class = o->leaders->at[i].kept = false;
			c->n = 1;
			c->since = o->seen;
			c->windows = 0;
		} else if (!c->class && lasts && beyond_chance(o, c->n, records)) {
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

static void member_fill(const struct odd *o, const struct odd_row *row, int16_t *rounded, struct odd_member *to)
{
	struct text id = row->batch->id[row->row];

	odd_member_done(to);
	to->id = mem_copy_span(id.at ? id.at : "", id.at ? id.n : 0);
	to->text = o->options.texts ? text_short(row->batch->label_text[row->row]) : NULL;
	to->rounded = rounded;
}

/* The most typical stay, in that order. */
static void member_put(struct odd *o, size_t group, const struct odd_row *row)
{
	struct odd_member *m = o->clusters[group].members, last;
	double distance[ODD_MEMBERS], own;
	int16_t *rounded = mem_alloc(o->leaders->d * sizeof *rounded);
	size_t n = 0;

	leader_rounded(row->batch->embedding + row->row * row->batch->n_embedding, o->leaders->d, rounded);
	own = leaders_distance(o->leaders, group, rounded);
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
	if (n == ODD_MEMBERS && !(own < distance[n - 1])) {
		free(rounded);
		return;
	}
	n = n == ODD_MEMBERS ? n - 1 : n;
	last = m[n];
	member_fill(o, row, rounded, &last);
	for (; n > 0 && own < distance[n - 1]; n--)
		m[n] = m[n - 1];
	m[n] = last;
}

size_t odd_group_join(struct odd *o, int64_t window_us, const struct odd_row *row)
{
	struct odd_cluster *c;
	size_t group;
	bool new;

	if (!o->leaders || row->batch->n_embedding != o->leaders->d)
		return SIZE_MAX;
	group = leaders_put(o->leaders, row->batch->embedding + row->row * o->leaders->d, &new);
	if (group == SIZE_MAX)
		return SIZE_MAX;
	c = &o->clusters[group];
	if (new) {
		odd_cluster_done(c);
		*c = (struct odd_cluster){.since = o->seen, .first_us = window_us, .last_us = INT64_MIN};
	}
	c->size++;
	c->n++;
	c->windows += window_us != c->last_us;
	c->first_us = window_us < c->first_us ? window_us : c->first_us;
	c->last_us = window_us > c->last_us ? window_us : c->last_us;
	member_put(o, group, row);
	return group;
}
