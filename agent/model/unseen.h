/* SPDX-License-Identifier: Apache-2.0
 * By name, what a window's bins can only count: words the reference never held, numbers beyond its range, fields it never
 * had. Kept beside the window's vector, and like it a function of the set of records alone, whatever their order: windows of
 * two hosts add.
 *
 * While a measure has at most UNSEEN_VALUES different values their counts are exact. When there are more, only records whose
 * hash has at least `level` leading zero bits count (one in 2^level), the least level that leaves so few (adaptive sampling:
 * Flajolet 1990): what is common stays with a fair estimate of its count, what is rare thins out. */
#ifndef MODEL_UNSEEN_H
#define MODEL_UNSEEN_H

#include "base/buf.h"
#include "model/batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNSEEN_VALUES 128
#define UNSEEN_LEVELS 24
#define UNSEEN_BYTES 64 /* of a value that are kept, cut at a character; values alike so far are one */

struct unseen_value {
	char *text;
	uint32_t n;       /* bytes */
	int64_t first_us; /* earliest event time */
	int64_t count[UNSEEN_LEVELS]; /* records whose hash has so many leading zero bits (the last: so many or more) */
};

/* Of one measure. */
struct unseen_set {
	size_t measure; /* index in the reference */
	unsigned level;
	size_t n;
	struct unseen_value *at; /* room for UNSEEN_VALUES + 1 */
};

struct unseen {
	struct unseen_set *at; /* by measure */
	size_t n;
};

void unseen_done(struct unseen *u);
/* A record that holds the value. hash: of the record. */
void unseen_put(struct unseen *u, size_t measure, uint64_t hash, struct text value, int64_t time_us);
void unseen_add(struct unseen *to, const struct unseen *from);
const struct unseen_set *unseen_find(const struct unseen *u, size_t measure); /* NULL: nothing */
/* Estimated records: exact at level 0. */
double unseen_count(const struct unseen_set *s, const struct unseen_value *v);
/* Indices of the values, commonest first, of equal count by their bytes; to[0..s->n). */
void unseen_order(const struct unseen_set *s, size_t *to);

struct msgpack_object;
void unseen_pack(const struct unseen *u, struct buf *to);
/* NULL is the empty one. false: not one; *ret is then empty. */
bool unseen_read(const struct msgpack_object *o, struct unseen *ret);

#endif
