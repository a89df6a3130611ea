/* SPDX-License-Identifier: Apache-2.0
 * Fields that were one value in the whole reference and are another in a good part of a window. How often windows do such a thing by
 * nature their number bounds, not what they hold: no evidence of one window can pass the budget, and yet nobody would call it chance.
 * A switch that was thrown (one value, then another) may begin to vary later: that is news again, as the first time. What it is after
 * that is left to evidence. */
#include "judge/constant.h"

#include "base/hash.h"
#include "judge/caution.h"

#define BROKEN_SHARE .25

/* Records whose value is not the reference's one; 0 for a measure that has no such value. */
static int64_t off_reference(const struct measure *m, const int64_t *n)
{
	if (m->kind == MEASURE_NUMERIC && m->least == m->most)
		return (m->below == MEASURE_NO_BIN ? 0 : n[m->below]) + (m->above == MEASURE_NO_BIN ? 0 : n[m->above]);
	if (m->kind == MEASURE_CATEGORY && m->n_words == 1)
		return m->other == MEASURE_NO_BIN ? 0 : n[m->other];
	return 0;
}

/* Never 0: that is "none, or several". */
static uint64_t value_hash(const struct unseen_value *v)
{
	return hash_bytes(v->text, v->n, 0) | 1;
}

static double records_with(const struct window *w, size_t index, uint64_t value)
{
	const struct unseen_set *s = unseen_find(&w->unseen, index);

	for (size_t i = 0; s && i < s->n; i++)
		if (value_hash(&s->at[i]) == value)
			return unseen_count(s, &s->at[i]);
	return 0;
}

bool constant_breaks(const struct track *t, size_t index, const struct window *w)
{
	const struct measure *m = t->m;
	const int64_t *n = w->v + m->first;
	double off = (double)off_reference(m, n), all = 0;

	if (off < CAUTION_LEAST_BROKEN || m->slice || m->n_windows < CAUTION_LEAST_WINDOWS)
		return false;
	if (t->broken ? !t->since : track_latched(t))
		return false;
	if (t->broken)
		off -= records_with(w, index, t->since);
	for (size_t b = 0; b < m->n; b++)
		all += (double)n[b];
	return off >= CAUTION_LEAST_BROKEN && off >= BROKEN_SHARE * all;
}

void constant_told(struct track *t, size_t index, const struct window *w)
{
	const struct unseen_set *s = unseen_find(&w->unseen, index);

	t->since = !t->broken && s && s->n == 1 ? value_hash(&s->at[0]) : 0;
	t->broken = true;
}
