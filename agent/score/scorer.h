/* SPDX-License-Identifier: Apache-2.0
 * A reference at work: batches in, scores, p-values, flags and window bins out. */
#ifndef SCORE_SCORER_H
#define SCORE_SCORER_H

#include "base/error.h"
#include "model/batch.h"
#include "model/reference.h"
#include "model/scored.h"
#include "score/detector.h"
#include "score/registry.h"
#include "score/route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Const once opened: any number of threads may score with it at once, each with its own space. */
struct scorer;

/* Opens every detector of the reference, those that are muted too (their scores are shown, and do
 * not count). Borrows both, which must outlive it. 0, or -errno and a sentence: a plugin is
 * missing, or does not take what its fit wrote. */
int scorer_open(const struct reference *r, const struct plugins *plugins, const struct scorer **ret,
	struct error *e);
void scorer_close(const struct scorer *s); /* accepts NULL */
const struct reference *scorer_reference(const struct scorer *s);
/* Detectors of the reference, in its order. */
const struct detector *scorer_detectors(const struct scorer *s);

/* Scratch of one thread; memory is kept. May serve several scorers in turn. */
struct scorer_space {
	struct routed routed; /* after scorer_run: what detectors saw, for explain */
	uint8_t *status;
	float *surprise; /* n_detectors x n of the last batch */
	double *numbers; /* n: of the metric at hand */
	uint8_t *kinds;  /* n: of the prediction, where it is counted as a metric */
	size_t room, room_surprise, room_numbers;
	unsigned outcome; /* of the last batch: enum route_outcome; see route_outcome_words */
	uint64_t failed; /* of the last batch: detectors whose score() returned an error, as bits */
};
void scorer_space_init(struct scorer_space *space);
void scorer_space_done(struct scorer_space *space);

/* Score every row of the batch. A row's result is a function of the row and the reference: how rows
 * were batched, and on which thread, changes no bit of it. */
void scorer_run(const struct scorer *s, struct scorer_space *space, const struct batch *b,
	struct scored *to);

/* Index of the class of that name in the reference; -1: none. */
int32_t scorer_class(const struct scorer *s, struct text prediction);
/* Is the cell of that measure, counted in `bin` of the window's vector, one that hardly any record of the reference has the like of:
 * mistyped, missing, never seen, out of range by more than the range is wide? scored->faulty says it of a whole row. */
bool scorer_is_fault(const struct scorer *s, const struct routed *routed, size_t row, size_t measure, uint32_t bin);

/* For fit, before any thread scores: from now on `code` of categorical feature `category` counts as
 * never seen. */
void scorer_unsee(const struct scorer *s, size_t category, size_t code);
/* The same of a predicted class. */
void scorer_unsee_class(const struct scorer *s, size_t class);
/* The same of a feature: it counts as one that the reference never had. */
void scorer_unsee_field(const struct scorer *s, const char *name);

#endif
