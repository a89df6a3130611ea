/* SPDX-License-Identifier: Apache-2.0
 * Keys by guesswork. Records of one log look alike, so the keys of the last record are kept as they were written, quotes, colon
 * and blank included: a record that has them in the same order is read with one comparison for each key and no look-up. A key
 * that is not where it was is looked for a little further on (a field left out), then by name. The guess only ever
 * saves time: what a record means does not depend on the ones before it. Only for decode_json.c and msgpack.c. */
#ifndef INPUT_DECODE_SHAPE_H
#define INPUT_DECODE_SHAPE_H

#include "input/decode_row.h"
#include "input/pointer.h"

#include <string.h>

#define KEY_WRITTEN_MOST 256  /* bytes as written; longer ones are not kept. Less than JSON_PAD. */

enum key_is { KEY_SKIPPED, KEY_PLACE, KEY_COLUMN };

struct key {
	char *written;
	uint32_t n_written;
	enum key_is is;
	const struct place *place;
	enum field columns;
	char *name;             /* of a column, flattened */
	size_t n_name;
	size_t column;          /* its index in the batch with that serial */
	uint64_t serial;
	struct shape *inner;    /* of the value as an object */
	struct shape *elements; /* of the value as an array: by index, their keys have no name */
};

struct shape {
	struct key *at;
	size_t n, room;
};

/* All shapes of a decoder. */
struct shapes {
	struct row *row;
	struct shape *root;
	size_t n_keys;
	struct buf name;
};

/* An object being read. */
struct level {
	struct shape *shape;
	const struct place *place; /* NULL in a flattened one */
	enum field columns;        /* what members without a place are; FIELD_N: nothing */
	const struct key *prefix;  /* of their names, or NULL */
	unsigned flat;             /* levels flattened so far */
};

void shapes_open(struct shapes *s, struct row *row);
void shapes_done(struct shapes *s);
struct shape *shape_of(struct shape **where); /* made when it is not there */

/* Does the key stand at p? Reads n_written bytes there. */
static inline bool key_here(const struct key *k, const char *p)
{
	uint32_t n = k->n_written;
	uint64_t a, b;

	if (n < 8)
		return n && !memcmp(p, k->written, n);
	for (uint32_t i = 0; i + 8 < n; i += 8) {
		memcpy(&a, p + i, sizeof a);
		memcpy(&b, k->written + i, sizeof b);
		if (a != b)
			return false;
	}
	memcpy(&a, p + n - 8, sizeof a); /* overlaps those before */
	memcpy(&b, k->written + n - 8, sizeof b);
	return a == b;
}

/* The key at p when it stands a little behind position *i (then moved); `there` bytes may be read. NULL: not found. */
struct key *key_ahead(const struct shape *s, size_t *i, const char *p, size_t there);
/* A key seen at position i: what it means, learned there or, when it is not worth keeping, put into `once`. Never NULL. */
struct key *key_learn(struct shapes *s, const struct level *l, size_t i, const char *written, size_t n_written,
	const struct row_text *name, struct key *once);
/* What is known of element i of an array, or `once`. */
struct key *key_element(struct shapes *s, struct shape *of, size_t i, struct key *once);
void key_forget(struct shapes *s, struct key *once);

size_t key_column_find(struct shapes *s, struct key *k);
/* Index of the key's column in the batch of this record; SIZE_MAX with a fault. */
static inline size_t key_column(struct shapes *s, struct key *k)
{
	return s->row->batch && k->serial == s->row->batch->serial ? k->column : key_column_find(s, k);
}

#endif
