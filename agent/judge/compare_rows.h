/* SPDX-License-Identifier: Apache-2.0
 * What two versions have in common that can be compared, and what is remembered of each. Private to judge/. */
#ifndef JUDGE_COMPARE_ROWS_H
#define JUDGE_COMPARE_ROWS_H

#include "base/buf.h"
#include "model/comparison.h"
#include "model/reference.h"
#include "model/window.h"

#define ROW_BETS 5 /* alternatives to "no worse" */

struct msgpack_object;

/* Bins of both versions, brought together. SIDE_MORE_IS_WORSE: two of them, the second is what should not grow. */
struct row {
	char *name;
	enum comparison_side side;
	double tolerance, kappa;
	size_t k, at;      /* bins; where they stand among all rows' */
	char **words;      /* k: what a bin is called */
	double *usual;     /* k shares in the stable's reference */
	bool estimate;     /* ATC: a sum of records likely right, and how many could be estimated; the maps are not used */
	size_t first[2];   /* where in each version's vector .. */
	size_t n[2];
	int32_t *map[2];   /* .. which bin each position adds to; -1: none */

	/* remembered, in pairs of windows */
	double *recent[2], *all[2]; /* k counts: fading, and not */
	double *difference, *variance; /* k: sums over pairs of weight times the difference of shares, and what chance gives that */
	double weight;
	double squares; /* of differences around what was foretold, in those of independent records */
	int64_t n_pairs, n_squares;
	double by;      /* dispersion of the last pair */
	double worse[ROW_BETS], differs[ROW_BETS]; /* log evidence of each alternative */
	double *same;   /* 2 k: of each bin, both ways; SIDE_MORE_IS_WORSE uses the first two */
};

/* *ret is the caller's: rows_done. Returns how many. */
size_t rows_make(const struct reference *stable, const struct reference *canary, double tolerance, struct row **ret);
void rows_done(struct row *rows, size_t n);
/* The k counts of a window of version `which`. */
void row_counts(const struct row *r, int which, const struct window *w, int64_t *to);
void row_pack(const struct row *r, struct buf *to);
bool row_unpack(struct row *r, const struct msgpack_object *o);
void row_reset(struct row *r); /* remembers nothing */

#endif
