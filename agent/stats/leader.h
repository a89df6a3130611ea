/* SPDX-License-Identifier: Apache-2.0
 * Groups of directions, met one after the other (leader clustering, Hartigan 1975, section 3.2, with the mean of a group in its
 * leader's place): a vector joins the group whose mean direction is nearest, if that is within the radius, or begins one.
 * Bounded, and exact: vectors are rounded to whole numbers once, so that a state saved and read again goes on with the same
 * bits. The order of vectors matters. */
#ifndef STATS_LEADER_H
#define STATS_LEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEADERS_MOST 64 /* groups; more find little more (tests/shared/kinds.py), and each costs a product for every vector */
/* What length 1 becomes: a chord is off by less than 0.01 at 768 dimensions, and most numbers are one byte when packed. */
#define LEADER_ONE 1024
/* A group's mean is settled after so many, and stays. */
#define LEADER_MOST_SUMMED (1 << 18)

struct leader {
	int64_t n;      /* vectors that joined; 0: free */
	int64_t first;  /* number of its first vector among all that were put */
	bool kept;      /* the caller's: not to be given up for a new group while others are there */
	int32_t *sum;   /* d: of the rounded vectors, at most LEADER_MOST_SUMMED of them */
	double lengths; /* of the rounded vectors in sum, added up */
	double squares; /* of sum; leader_settle */
};

struct leaders {
	size_t d, most;
	double radius;        /* chord between directions, 0 .. 2 */
	int64_t put;          /* vectors put so far */
	struct leader *at;    /* most */
};

/* Length 1, into `to`; false where x has no direction (zero, or not finite). */
bool leader_unit(const float *x, size_t d, float *to);
/* The same as whole numbers. */
bool leader_rounded(const float *x, size_t d, int16_t *to);

struct leaders *leaders_open(size_t d, double radius, size_t most);
void leaders_close(struct leaders *l); /* accepts NULL */
/* The group that x (rounded) joins or begins. Where all places are taken, a new one takes that of the
 * group with the fewest vectors for its age. *ret_new (may be NULL): it begins here, whatever stood in that place is gone. */
size_t leaders_put(struct leaders *l, const int16_t *x, bool *ret_new);
/* The group that x would join; SIZE_MAX: none. */
size_t leaders_nearest(const struct leaders *l, const int16_t *x);
/* Chord from a rounded vector to the mean direction of a group; 2 where that has none. */
double leaders_distance(const struct leaders *l, size_t group, const int16_t *x);
/* Root mean square chord of a group's vectors from one another's mean direction: 0 for copies of one. */
double leaders_spread(const struct leaders *l, size_t group);
/* After `sum` was set from elsewhere. */
void leader_settle(struct leader *g, size_t d);
int64_t leaders_largest(const struct leaders *l);

#endif
