/* SPDX-License-Identifier: Apache-2.0
 * One increment for each measure, one term for each mean: what happens to a record last, and most
 * often. */
#include "score/count.h"

#include <assert.h>

void scored_count(const struct scored *s, size_t row, struct window *w)
{
	const uint32_t *bin = s->bin + row * s->n_measures;
	const int64_t *term = s->term + row * s->n_sums;

	assert(row < s->n);
	w->n++;
	w->n_flagged += s->flagged[row];
	for (size_t k = 0; k < s->n_measures; k++)
		if (bin[k] != SCORED_NO_BIN)
			w->v[bin[k]]++;
	for (size_t k = 0; k < s->n_sums; k++)
		if (term[k] != INT64_MIN) {
			w->v[s->sum_at[k]] += term[k];
			w->v[s->sum_at[k] + 1]++;
		}
}
