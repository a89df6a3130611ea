/* SPDX-License-Identifier: Apache-2.0
 * What a reference keeps for explaining: freed, looked up, checked. */
#include "model/reference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const char *const odd_family_words[ODD_FAMILY_N] = {
#define X(name, word) [name] = word,
	ODD_FAMILIES(X)
#undef X
};

void reference_rows_done(struct reference_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].id);
		free(rows[i].prediction);
	}
	free(rows);
}

void reference_odd_done(struct reference_odd *o)
{
	score_table_done(&o->logits);
	score_table_done(&o->space);
	score_table_done(&o->features);
	free(o->classes);
}

const struct score_table *reference_odd_table(const struct reference_odd *o, enum odd_family f)
{
	return f == ODD_LOGITS ? &o->logits : f == ODD_SPACE ? &o->space : &o->features;
}

const struct reference_row *reference_row_find(const struct reference_row *rows, size_t n, int64_t row)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rows[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && rows[low].row == row ? &rows[low] : NULL;
}

static bool distance_fits(double x)
{
	return isfinite(x) && x >= 0.0 && x <= 2.0;
}

int reference_odd_check(const struct reference_odd *o, const struct reference_row *rows, size_t n_rows, struct error *e)
{
	for (size_t i = 0; i < n_rows; i++)
		if (!rows[i].id || !rows[i].prediction || rows[i].row < 0 || (i > 0 && rows[i].row <= rows[i - 1].row))
			return error_set(e, -EINVAL, "record %zu of the bank has no name, or is out of order", i + 1);
	if (!distance_fits(o->near_) || !distance_fits(o->radius) || o->near_ > o->radius)
		return error_set(e, -EINVAL, "distances of %g and %g between embeddings of length 1", o->near_, o->radius);
	if (o->n_held < 0 || o->n_group < 0 || o->n_group > o->n_held)
		return error_set(e, -EINVAL, "a group of %lld among %lld records", (long long)o->n_group, (long long)o->n_held);
	for (size_t i = 0; i < o->n_classes; i++)
		if (!o->classes || o->classes[i] < 0)
			return error_set(e, -EINVAL, "predictions of class %zu: not a number of records", i + 1);
	return 0;
}
