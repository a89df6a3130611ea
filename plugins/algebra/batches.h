/* SPDX-License-Identifier: Apache-2.0
 * What several fits ask of the batches of a reference before they begin. */
#ifndef ALGEBRA_BATCHES_H
#define ALGEBRA_BATCHES_H

#include <errno.h>

#include "oodd/detector.h"

static inline size_t batches_rows(const struct oodd_batch *const *batches, size_t n_batches)
{
	size_t n = 0;

	for (size_t b = 0; b < n_batches; b++)
		n += batches[b]->n;
	return n;
}

/* The width of all embeddings. 0, or -ENODATA after telling the host that there are none, or of several widths. */
static inline int batches_embedding(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, size_t *ret_d)
{
	size_t d = 0;
	int same = 1;

	for (size_t b = 0; b < n_batches; b++) {
		if (batches[b]->n == 0)
			continue;
		d = d ? d : batches[b]->embedding.width;
		same &= batches[b]->embedding.at && batches[b]->embedding.width == d;
	}
	if (!same || d == 0) {
		host->log(host->context, OODD_LOG_ERROR, "the reference has no embeddings, or of several widths");
		return -ENODATA;
	}
	*ret_d = d;
	return 0;
}

#endif
