/* SPDX-License-Identifier: Apache-2.0
 *
 * What a detector sees: n predictions of one stream, column by column. Everything is lent for the duration of a call,
 * read-only, and owned by the host. Numbers are single precision where a model made them, double where a person did.
 */
#ifndef OODD_BATCH_H
#define OODD_BATCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n x width, row-major, 64-byte aligned at row 0. `at` is NULL when the stream logs none. A row that lacks the vector is
 * all NaN, and its status is OODD_ROW_UNSCORED before a detector that needs it is called. */
struct oodd_matrix {
	const float *at;
	size_t width;
};

/* A numeric feature: n values, NaN where missing. */
struct oodd_numeric {
	const char *name;
	const double *at;
};

/* A categorical feature: n codes. 0 .. n_known-1 are the reference's categories, n_known a value never seen, -1 missing. */
struct oodd_category {
	const char *name;
	const int32_t *at;
	int32_t n_known;
};

/* Fields are only ever appended; `size` is sizeof(struct oodd_batch) of the host that made it. */
struct oodd_batch {
	size_t size;
	size_t n;
	struct oodd_matrix logits;    /* raw logits, or log-probabilities: see logits_normalised */
	struct oodd_matrix embedding; /* as logged, not normalised */
	const int32_t *predicted;     /* n class indices (order of the logits), -1 unknown; NULL when nothing is known */
	const double *confidence;     /* n values in [0, 1], NaN missing; NULL when the stream logs none */
	const struct oodd_numeric *numeric;
	const struct oodd_category *category;
	size_t n_numeric, n_category;
	int32_t n_classes;         /* 0 when unknown */
	int32_t logits_normalised; /* 1: the log held probabilities, the logits are their logarithms */
	const uint64_t *hash;      /* n hashes of the records themselves; NULL when not known. Read it through oodd_sampled */
};

static inline const float *oodd_row(struct oodd_matrix m, size_t row)
{
	return m.at + row * m.width;
}

/* Does the row belong to a sample of that share of all records? It is the record's own hash that says so: the same on every
 * host, in every batch. Without hashes every row does. */
static inline int oodd_sampled(const struct oodd_batch *batch, size_t row, double share)
{
	if (batch->size < offsetof(struct oodd_batch, hash) + sizeof batch->hash || !batch->hash)
		return 1;
	return (double)(batch->hash[row] >> 11) < share * 9007199254740992.0;
}

#ifdef __cplusplus
}
#endif
#endif
