/* SPDX-License-Identifier: Apache-2.0
 * What scoring made of a batch, row by row: from score/ to windows (judge/), samples and the commands. */
#ifndef MODEL_SCORED_H
#define MODEL_SCORED_H

#include "model/batch.h"
#include "model/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCORED_NO_BIN UINT32_MAX

/* A value that the bin of its measure has no name for: what `row` holds in `column` of the batch that was scored (NULL: its
 * prediction), or, of a field that the reference never had, the column's name. */
struct scored_unseen {
	uint32_t row, measure;
	const struct column *column;
	bool field;
};

/* One owner at a time; memory kept from batch to batch. Row i is row i of the batch. */
struct scored {
	size_t n;                /* rows */
	size_t room;             /* private */
	size_t n_detectors, n_measures, n_sums; /* of the reference */
	float *score;            /* n_detectors x n: detector-major; NaN where unscored */
	double *p;               /* n_detectors x n: NaN where unscored or muted */
	double *fused;           /* n; NaN where no detector could score the row */
	uint8_t *flagged;        /* n; 1 where fused <= flag rate */
	uint8_t *faulty;         /* n; 1 where a cell is a fault: mistyped, missing, out of range, although the reference hardly has such */
	uint32_t *bin;           /* n x n_measures: position in the window's vector to add 1 to, or SCORED_NO_BIN */
	int64_t *term;           /* n x n_sums: fixed-point term (see measure.sums); INT64_MIN: none */
	uint32_t *sum_at;        /* n_sums: position in the window's vector of each sum (its count stands behind it) */
	struct scored_unseen *unseen; /* by row, then measure */
	size_t n_unseen, room_unseen;

	const struct slices *slices; /* of the reference; NULL: it has none */
	int32_t *slice;          /* n x slices->n_tags: which slice of each tag a row is in, -1: none */
	const uint32_t *slices_first, *slices_sum; /* by aspect: where its measure begins in the vector, which term is its sum */
	size_t room_slice;       /* private */

	/* What rows add to the stretches of window detectors: row i adds slots[slot[i x n_statistics + k] ...] to that of k. */
	size_t n_statistics;
	uint32_t *stretch_at, *stretch_n; /* n_statistics: position in the window's vector of its count; numbers behind it */
	size_t *slot;            /* n x n_statistics: SCORED_NO_SLOT where a row adds nothing */
	int64_t *slots;
	size_t n_slots, room_slots, room_statistics; /* private */
};
#define SCORED_NO_SLOT SIZE_MAX

void scored_init(struct scored *s);
/* Set the sizes; what the tables held is gone. Zero-size tables are not NULL. */
void scored_room(struct scored *s, size_t n, size_t n_detectors, size_t n_measures, size_t n_sums);
/* The same for window detectors, after scored_room. Nothing when there are none. */
void scored_room_statistics(struct scored *s, size_t n_statistics);
/* The next free slot, `width` zeros; scored_slot_take gives it to a row's stretch k. */
int64_t *scored_slot(struct scored *s, size_t width);
void scored_slot_take(struct scored *s, size_t row, size_t k, size_t width);
/* Add what row `row` adds to stretch k: `to` is the stretch itself, its count first. */
void scored_slot_add(const struct scored *s, size_t row, size_t k, int64_t *to);
void scored_done(struct scored *s);
/* One more at the end of `unseen`. */
void scored_unseen_add(struct scored *s, struct scored_unseen u);

#endif
