/* SPDX-License-Identifier: Apache-2.0
 * msgpack in and out for what travels and what is kept: a thin layer over msgpack-c, which only
 * pack.c meets. */
#ifndef MODEL_PACK_H
#define MODEL_PACK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writing. A map of n takes n times a text key and a value; an array of n takes n values. The buf's
 * limit is the caller's. */
void pack_map(struct buf *to, size_t n);
void pack_array(struct buf *to, size_t n);
void pack_int(struct buf *to, int64_t x);
void pack_real(struct buf *to, double x); /* all 64 bits: reads back the same */
void pack_bool(struct buf *to, bool x);
void pack_text(struct buf *to, const char *text); /* NULL: nil */
/* Arrays of numbers. In integers a run of zeros is one array of one number, its length: [5, [200],
 * 7]. */
void pack_ints(struct buf *to, const int64_t *x, size_t n);
void pack_reals(struct buf *to, const double *x, size_t n);

/* Reading. A value is borrowed from the document it stands in; every reader accepts NULL and then
 * says false. */
struct unpacked;
struct msgpack_object;
/* One whole value in at[0..n) and nothing behind it, or NULL. The bytes must outlive the document.
 */
struct unpacked *unpack_open(const void *at, size_t n);
void unpack_close(struct unpacked *u); /* accepts NULL */
const struct msgpack_object *unpack_root(const struct unpacked *u);
const struct msgpack_object *unpack_field(
	const struct msgpack_object *map, const char *key); /* NULL when absent */
size_t unpack_length(const struct msgpack_object *array);   /* 0 when it is none */
const struct msgpack_object *unpack_item(const struct msgpack_object *array, size_t i);
bool unpack_int(const struct msgpack_object *o, int64_t least, int64_t most, int64_t *ret);
bool unpack_real(const struct msgpack_object *o, double *ret);
bool unpack_bool(const struct msgpack_object *o, bool *ret);
bool unpack_text(
	const struct msgpack_object *o, const char **ret, size_t *ret_n); /* not NUL-terminated */
bool unpack_is_text(const struct msgpack_object *o, const char *text);
/* Exactly n numbers into to[0..n), which is written to even when the answer is false. */
bool unpack_ints(const struct msgpack_object *o, int64_t *to, size_t n);
bool unpack_reals(const struct msgpack_object *o, double *to, size_t n);

#endif
