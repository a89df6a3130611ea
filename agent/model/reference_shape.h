/* SPDX-License-Identifier: Apache-2.0
 * The structs of a reference as tables: what a field is called in the file, where it stands in
 * memory. Private to model/. */
#ifndef MODEL_REFERENCE_SHAPE_H
#define MODEL_REFERENCE_SHAPE_H

#include "model/reference.h"

#include <stddef.h>
#include <string.h>

enum type {
	TEXT,     /* char *; nil is NULL */
	INTEGER,  /* int64_t */
	WORD,     /* uint64_t */
	COUNT,    /* uint32_t */
	KIND,     /* enum measure_kind */
	SIZE,     /* size_t; nil is SIZE_MAX */
	REAL,     /* double */
	TRUTH,    /* bool */
	BYTES,    /* void *, length at `n` */
	TEXTS,    /* char **, length at `n` */
	REALS,    /* double *, length at `n` */
	FLOATS,   /* float *, length at `n` */
	COUNTS,   /* uint32_t *, length at `n` */
	INTEGERS, /* int64_t *, length at `n` */
	STRUCT,   /* a struct of shape `of`, in place */
	STRUCTS,  /* array of structs of shape `of`, length at `n` */
};

/* Length shared with an earlier field: it must agree, or the array be absent (NULL). */
#define AGREES 1
/* Younger than the format: a file without it is read, and the field is zero. */
#define YOUNG 2

struct shape;
struct field {
	const char *key;
	enum type type;
	size_t at, n;
	int flags;
	const struct shape *of;
};
struct shape {
	size_t size, n;
	const struct field *fields;
};

extern const struct shape reference_shape;

/* Pointers inside structs, whatever their type, are read and written through memcpy: void * and
 * float * need not alias. */
static inline void *pointer_get(const char *at)
{
	void *p;

	memcpy(&p, at, sizeof p);
	return p;
}

static inline void pointer_set(char *at, void *p)
{
	memcpy(at, &p, sizeof p);
}

static inline size_t length_get(const char *base, const struct field *f)
{
	size_t n;

	memcpy(&n, base + f->n, sizeof n);
	return n;
}

/* n numbers of `size` (4 or 8) bytes each, between this machine's order and little-endian: the same
 * step both ways. */
void little_endian(const char *at, size_t n, size_t size, char *to);

#endif
