/* SPDX-License-Identifier: Apache-2.0
 * Made-up predictions for the conformance kit: some classes, embeddings around them, logits that know, a few features. */
#ifndef SCORE_CONFORM_DATA_H
#define SCORE_CONFORM_DATA_H

#include "oodd/detector.h"

#include <stddef.h>
#include <stdint.h>

#define CONFORM_CLASSES 7
#define CONFORM_WIDTH 24
#define CONFORM_NUMERIC 3
#define CONFORM_CATEGORY 2

/* Owns its columns. */
struct conform_data {
	struct oodd_batch batch;
	float *logits, *embedding;
	int32_t *predicted;
	double *confidence;
	double *number[CONFORM_NUMERIC];
	int32_t *code[CONFORM_CATEGORY];
	struct oodd_numeric numeric[CONFORM_NUMERIC];
	struct oodd_category category[CONFORM_CATEGORY];
};

/* n rows; the same for the same seed. */
struct conform_data *conform_data_open(size_t n, uint64_t seed);
void conform_data_close(struct conform_data *d); /* accepts NULL */
/* Row `from` of one becomes row `to` of the other. */
void conform_data_copy(struct conform_data *d, size_t to, const struct conform_data *source, size_t from);
/* A hash of everything a detector was lent. */
uint64_t conform_data_hash(const struct conform_data *d);
/* What is left of a batch when only what `needs` names is there. */
struct oodd_batch conform_data_bare(const struct conform_data *d, uint32_t needs);

#endif
