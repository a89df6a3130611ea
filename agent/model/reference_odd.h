/* SPDX-License-Identifier: Apache-2.0
 * What a reference keeps for explaining: the names of records that detectors point at, and what kinds of odd records are told
 * apart by (agent/judge/README.md, "Kinds"). */
#ifndef MODEL_REFERENCE_ODD_H
#define MODEL_REFERENCE_ODD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Scores of the reference in rising order, thinned: exact in the upper tail. p-value of s: share of scores >= s. */
struct score_table {
	size_t n;        /* knots */
	size_t n_exact;  /* the last n_exact knots are one value each, nothing between them; an earlier knot stands for all values
	                  * from it up to the next, which count as tied (so that a p-value stays valid) */
	float *score;    /* rising */
	uint32_t *above; /* how many of `total` calibration scores are >= score[i]; falling */
	uint32_t total;
};

/* A record of the fit part. */
struct reference_row {
	int64_t row;      /* its number among the fit data, as OODD_REASON_ROW counts */
	char *id;         /* "" where it had none */
	char *prediction; /* "" where it had none */
};

/* What a detector looks at, and so what it can tell: the model's doubt, the place in its space, or the input's features.
 * X(enum, word). */
#define ODD_FAMILIES(X) X(ODD_LOGITS, "logits") X(ODD_SPACE, "space") X(ODD_FEATURES, "features")
enum odd_family {
#define X(name, word) name,
	ODD_FAMILIES(X)
#undef X
	ODD_FAMILY_N
};
extern const char *const odd_family_words[ODD_FAMILY_N];

struct reference_odd {
	/* cal-B: of the weighted mean surprise (-log p) over the detectors of a family, for a p-value of its own; n 0 where no
	 * detector of it counts. */
	struct score_table logits, space, features;
	/* Distances between embeddings of length 1, from held-out records to the nearest of the fit part: 1 % of records are nearer
	 * than `near_`, 95 % nearer than `radius`. 0: no embedding. */
	double near_, radius;
	/* Held-out records, and how many of the flagged of them the largest group within `radius` holds: how often records of one
	 * kind may come without being news. */
	int64_t n_held, n_group;
	int64_t *classes;   /* n_classes: how many held-out records each was predicted for; NULL: not counted */
	size_t n_classes;   /* of the reference, or 0 */
};

void reference_rows_done(struct reference_row *rows, size_t n);
void reference_odd_done(struct reference_odd *o);
/* The table of a family. */
const struct score_table *reference_odd_table(const struct reference_odd *o, enum odd_family f);
/* The record of that number, or NULL. */
const struct reference_row *reference_row_find(const struct reference_row *rows, size_t n, int64_t row);
/* Called by reference_check. */
int reference_odd_check(const struct reference_odd *o, const struct reference_row *rows, size_t n_rows, struct error *e);

#endif
