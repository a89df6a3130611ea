/* SPDX-License-Identifier: Apache-2.0
 * Versions of one model that run side by side: which are compared with which, and what came of it. Loop thread. */
#ifndef VERSIONS_H
#define VERSIONS_H

#include "streams.h"
#include "base/error.h"
#include "model/comparison.h"
#include "store/store.h"

#include <stddef.h>

/* Of all models; further ones are not compared. A version is the canary of one pair at most. */
#define VERSIONS_MOST_PAIRS 256

struct version_pair;
struct versions {
	struct version_pair *pairs;
	size_t n;
	char **gone; /* keys whose state is to be dropped with the next save */
	size_t n_gone;
};

void versions_done(struct versions *v);
/* A window of `s` was closed: fn for each pair that it completes (judge/compare.h); the comparison is lent. */
void versions_window(struct versions *v, const struct streams *streams, const struct stream *s, const struct window *w,
	void (*fn)(void *context, const struct comparison *c), void *context);
/* What changed since the last save; and back, when all streams are there. What does not fit its references is dropped. */
void versions_save(struct versions *v, struct txn *t);
int versions_load(struct versions *v, const struct streams *streams, struct store *s, struct error *e);

#endif
