/* SPDX-License-Identifier: Apache-2.0
 * Where the fields of a record stand, compiled once from JSON Pointers (RFC 6901) to a small tree that is walked while
 * reading: a log with other names costs no more than one with ours. Immutable once made. */
#ifndef INPUT_POINTER_H
#define INPUT_POINTER_H

#include "input/decode.h"

#include <stdbool.h>
#include <stddef.h>

/* A value in a record: its key in the object above (of an array: its index, in decimal). */
struct place {
	char *key;
	size_t n_key;
	unsigned fields;       /* bits: the fields that this value is; features, tags and metrics are not among them */
	enum field columns;    /* FIELD_FEATURES, _TAGS or _METRICS when members without a place of their own are such; else FIELD_N */
	struct place *inner;
	size_t n_inner;
};

struct place *places_open(const struct decode_options *options); /* the record itself; pointers must pass pointer_check */
void places_close(struct place *root);                           /* accepts NULL */
const struct place *place_find(const struct place *in, const char *key, size_t n); /* NULL: none */
/* Is field one of features, tags, metrics? */
bool field_is_columns(enum field field);

#endif
