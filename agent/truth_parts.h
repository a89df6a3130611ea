/* SPDX-License-Identifier: Apache-2.0
 * Between truth.c and truth_state.c only. */
#ifndef TRUTH_PARTS_H
#define TRUTH_PARTS_H

#include "truth.h"
#include "judge/performance_labels.h"

enum { TRUTH_SEGMENT = 1024, TRUTH_PAST = 256, TRUTH_MOST_OPEN = 1024 };

/* A prediction. */
struct kept {
	uint64_t id, said;       /* hashes of the id and of the predicted class */
	int64_t time_us;
	int32_t class;           /* of the reference; -1 unknown */
	float confidence, p;     /* NaN where there was none */
	uint8_t met;             /* a label came */
	uint8_t sure;            /* ATC takes it for right: 2, for wrong: 1; 0: not known to this reference */
	int8_t slice[SLICE_MOST_TAGS]; /* of each tag, or -1 */
};

/* Labels of a window that is still open. */
struct labelled {
	int64_t start_us, n, n_right, n_mislabelled;
	struct performance_beside beside;
	int64_t *v;              /* as wide as the reference of labels, NULL where there is none */
	int64_t *opportunity;    /* as performance.opportunity; NULL where there is none */
};

struct class_hash {
	uint64_t hash;
	int32_t class;
};

struct truth_book {
	const struct reference *r;
	struct truth_options o;
	struct judge *judge;     /* of labels; NULL where the reference has none */
	struct class_hash *classes; /* by hash */
	size_t n_classes;

	/* Predictions first .. next - 1, number i at ring[i % room]; room is a multiple of TRUTH_SEGMENT. */
	struct kept *ring;
	uint64_t first, next;
	size_t room;
	uint32_t *heads, *chain; /* by id: of ring + 1 */
	size_t n_heads;          /* a power of two */

	struct labelled *open;   /* by start */
	size_t n_open;
	struct truth_window past[TRUTH_PAST]; /* by start */
	size_t n_past;
	struct performance_beside beside[PERFORMANCE_BESIDE]; /* of the last windows with labels, oldest first */
	size_t n_beside;
	size_t atc;              /* which term of a row is ATC's; SIZE_MAX: none */
	int64_t closed_us;       /* end of the last window closed; TIME_NONE */
	int64_t *period;         /* opportunity of the period that is under way, as many numbers; NULL where there is none */
	int64_t period_windows;  /* that are in it */

	bool moved;
	uint64_t *stale;         /* segments that changed since the last save */
	size_t n_stale, stale_room;
	uint64_t *gone;          /* segments that hold nothing any more, still in the database */
	size_t n_gone, gone_room;
};

void truth_clear(struct truth_book *t); /* as new */
/* Room for numbers first .. next - 1 and one more; the index is made anew when it moves. */
void truth_room(struct truth_book *t);
void truth_index(struct truth_book *t, uint64_t number);
struct labelled *truth_open_at(struct truth_book *t, int64_t start_us);

#endif
