/* SPDX-License-Identifier: Apache-2.0
 * A decoded batch as detectors want it: the reference's features in the reference's order, numbers
 * as numbers, words as codes, the predicted class as an index. Shapes are checked here once, so
 * that detectors need not. */
#ifndef SCORE_ROUTE_H
#define SCORE_ROUTE_H

#include "base/buf.h"
#include "model/batch.h"
#include "model/reference.h"
#include "oodd/batch.h"

#include <stddef.h>
#include <stdint.h>

/* What about a batch does not fit its reference; such vectors are not handed to detectors. */
enum route_outcome {
	ROUTE_LOGITS_NONE = 1 << 0,    /* the reference has logits, the batch has none */
	ROUTE_LOGITS_WIDTH = 1 << 1,   /* .. of another width */
	ROUTE_LOGITS_NOT_RAW = 1 << 2, /* .. probabilities, where the reference has raw logits */
	ROUTE_EMBEDDING_NONE = 1 << 3,
	ROUTE_EMBEDDING_WIDTH = 1 << 4,
};
#define ROUTE_OUTCOMES 5
/* The outcome in words, "" when all is well: "no logits, which the reference has; ...". */
void route_outcome_words(unsigned outcome, struct buf *to);

/* Names and words to places, made once from a reference, which must outlive it. Const after: any
 * thread. */
struct route;
struct route *route_open(const struct reference *r);
void route_close(struct route *t); /* accepts NULL */

/* One batch routed; memory kept from batch to batch. One thread at a time. */
struct routed {
	struct oodd_batch batch;       /* lent to detectors; borrows the decoded batch */
	const struct column **numeric; /* where each numeric feature came from; NULL when the batch
					  has no such column */
	const struct column **category;
	double *numbers;               /* n_numeric x n */
	int32_t *codes;                /* n_category x n */
	int32_t *predicted;            /* n: index of the class; -1 unknown */
	uint32_t *lacks;               /* n: how many of the reference's fields the row lacks */
	const struct column **strange; /* of the batch's features, those that the reference never had */
	size_t n_strange;
	unsigned outcome;              /* enum route_outcome, or-ed */
	struct oodd_numeric *numerics; /* private from here on */
	struct oodd_category *categories;
	size_t room, room_numeric, room_category, room_strange;
};
void routed_init(struct routed *to);
void routed_done(struct routed *to);
int32_t route_class(const struct route *t, struct text prediction); /* -1: none of the reference's */
void route_run(const struct route *t, const struct batch *b, struct routed *to);

/* For fit, before any thread scores: from now on a feature of this name counts as one that the reference never had. */
void route_unsee(const struct route *t, const char *name);

/* A column as numbers: true and false are 1 and 0, text that reads as a number is one; the rest NaN. NULL: no such column. */
void column_numbers(const struct column *c, size_t n, double *to);
/* A text that is a decimal number and nothing else: true, and its value. */
bool text_number(struct text t, double *ret);
/* The shortest decimal text that reads back as x (finite); into at least 32 bytes. Returns its
 * length. */
size_t number_text(double x, char *to);

#endif
