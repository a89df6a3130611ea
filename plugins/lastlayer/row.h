/* SPDX-License-Identifier: Apache-2.0
 * A row of embedding and logits, as the detectors of this family look at it. */
#ifndef LASTLAYER_ROW_H
#define LASTLAYER_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "algebra/rows.h"
#include "oodd/detector.h"

/* What the state of each begins with. */
struct row_shape {
	size_t d, n_classes;
	const struct rows *rows;
};

/* Room to work on one row. */
struct row_room {
	unsigned *index; /* d */
	float *z;        /* n_classes */
};

bool row_room_open(struct row_room *room, const struct row_shape *s); /* false: no memory */
void row_room_close(struct row_room *room);

/* Has row i a whole embedding and whole logits? */
bool row_usable(const struct rows *rows, const struct oodd_batch *b, size_t i);
/* As `explain` begins: 1, 0 where the row cannot be scored, -EINVAL where state and batch do not belong together. */
int row_check(const void *state, const struct oodd_batch *batch, size_t i);

/* The score of a usable row; what is not finite is no score. x: d, z: n_classes. */
typedef double row_function(const void *state, const float *x, const float *z, struct row_room *room);
/* `score` of a detector that looks at its rows one by one. The state is NULL or begins with a struct row_shape. */
int rows_score(const void *state, row_function *function, const struct oodd_batch *batch, float *scores, uint8_t *status);

/* By how much activations are one-sided: the share of their sum, regardless of sign, that is below zero; 0 after a ReLU. Returns 0, or
 * -EDOM where it is more than `most`, after telling the host so, and `why` it matters. */
int rows_one_sided(const struct oodd_host *host, const struct oodd_batch *const *batches, size_t n_batches, double most, const char *why);

/* The first of the largest. */
size_t row_argmax(const struct rows *rows, const float *z, size_t n);
/* -log of the sum of exp(z), in place of whose values something else stands afterwards. */
double row_energy(const struct rows *rows, float *z, size_t n);
/* Classes by share of the softmax of z, largest first; at most n. Returns how many. */
int row_classes(const struct rows *rows, const float *z, size_t n_classes, struct oodd_reason *reasons, size_t n);

#endif
