/* SPDX-License-Identifier: Apache-2.0
 * Canary against stable: two versions of a model that run side by side, compared window by window. README.md of this room
 * holds the mathematics. No clock, no randomness: what it says is a function of the two sequences of windows, however they
 * interleave. One owner at a time. */
#ifndef JUDGE_COMPARE_H
#define JUDGE_COMPARE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/comparison.h"
#include "model/reference.h"
#include "model/window.h"

#include <stdbool.h>
#include <stddef.h>

struct compare_options {
	double tolerance; /* a share of odd records may grow by so much; of others 2.5 times this */
	double alpha;     /* probability of a wrong verdict */
};
#define COMPARE_OPTIONS ((struct compare_options){.tolerance = .02, .alpha = .01})

enum { COMPARE_STABLE, COMPARE_CANARY };

struct compare;
/* As it stood after the last pair. */
enum comparison_verdict compare_verdict(const struct compare *c);
/* As many windows of the canary as are kept wait, and none of the stable is there for them. */
bool compare_alone(const struct compare *c);
/* What the two references count in the same bins is compared; neither is kept. */
struct compare *compare_open(const struct reference *stable, const struct reference *canary, const struct compare_options *options);
void compare_close(struct compare *c); /* accepts NULL */
/* Are these its references? Else it is to be opened anew. */
bool compare_is_of(const struct compare *c, const struct reference *stable, const struct reference *canary);

/* The next closed window of one of the two (cut ones are passed over). True when it makes a pair with one of the other of the
 * same interval: *ret is what is known now, lent until the next call. A window that waits for 256 others is given up. */
bool compare_window(struct compare *c, int which, const struct window *w, struct comparison *ret);

/* All state, and back; what comes after is bit for bit what would have come. unpack: 0, or -EINVAL and a sentence (then c is
 * as after compare_open). */
void compare_pack(const struct compare *c, struct buf *to);
int compare_unpack(struct compare *c, const void *at, size_t n, struct error *e);

#endif
