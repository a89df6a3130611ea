/* SPDX-License-Identifier: Apache-2.0
 * Features as coordinates: each numeric one as the normal score of its rank among the reference's (van der Waerden 1952; the marginals
 * of a Gaussian copula), each categorical one as how rare its category is, and one more for what is missing. So a scale, a unit or a
 * heavy tail does not matter, and what lies outside the reference lies as far outside here. */
#ifndef TABULAR_SCORES_H
#define TABULAR_SCORES_H

#include <stdbool.h>
#include <stddef.h>

#include "algebra/bytes.h"
#include "oodd/detector.h"

struct scores;

/* From the reference. 0, -ENODATA after telling the host why, or -ENOMEM. */
int scores_learn(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, struct scores **ret);
void scores_close(struct scores *s); /* accepts NULL */

size_t scores_size(const struct scores *s);
void scores_write(const struct scores *s, struct bytes *to);
/* NULL, with from->bad set, where it cannot be. */
struct scores *scores_read(struct bytes *from);

/* Coordinates: numeric features, then categorical ones, then the one of what is missing. */
size_t scores_width(const struct scores *s);
bool scores_suit(const struct scores *s, const struct oodd_batch *batch);
/* Rows [from, from + n) into n x width, row-major, all finite. there[i] false: the row has no feature at all. */
void scores_rows(const struct scores *s, const struct oodd_batch *batch, size_t from, size_t n, float *to, bool *there);

/* The columns that weigh most, as shares of the sum of all of part[width]: features only. Returns how many reasons were written. */
int scores_reasons(const struct scores *s, const double *part, struct oodd_reason *reasons, size_t n);

#endif
