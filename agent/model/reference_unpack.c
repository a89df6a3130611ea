/* SPDX-License-Identifier: Apache-2.0
 * msgpack to a reference, by the tables of reference_shape.c. Unknown keys are passed over; a
 * missing one is an error. What the values mean is judged afterwards, in reference_check.c; here
 * only that nothing is read past its end and nothing is allocated that the bytes do not fill. */
#include "model/reference_shape.h"

#include "base/mem.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>

/* Do containers hold no more than the bytes behind them, and nest no deeper than ours? Before
 * msgpack-c allocates what they declare. Returns the bytes of the value at p, or 0. */
struct head {
	size_t bytes, items; /* of itself with its body; values that follow inside it */
};

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
	uint64_t x = 0;

	while (n-- > 0)
		x = x << 8 | *p++;
	return x;
}

static bool head_sized(
	const uint8_t *p, size_t n, unsigned width, unsigned body, unsigned items, struct head *ret)
{
	uint64_t length;

	if (n < 1 + (size_t)width)
		return false;
	length = big_endian(p + 1, width);
	*ret = (struct head){
		1 + width + (body ? length : 0) + (body == 2), items ? length * items : 0};
	return length <= n;
}

static bool head_read(const uint8_t *p, size_t n, struct head *ret)
{
	static const uint8_t fixed[] = {
		/* ca */ 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, /* d4, fixext */ 3, 4, 6, 10, 18};
	uint8_t c = *p;

	if (c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3)
		*ret = (struct head){1, 0};
	else if (c < 0x90)
		*ret = (struct head){1, 2 * (size_t)(c & 15)};
	else if (c < 0xa0)
		*ret = (struct head){1, c & 15};
	else if (c < 0xc0)
		*ret = (struct head){1 + (size_t)(c & 31), 0};
	else if (c >= 0xca && c <= 0xd8)
		*ret = (struct head){fixed[c - 0xca], 0};
	else if (c >= 0xc4 && c <= 0xc6)
		return head_sized(p, n, 1u << (c - 0xc4), 1, 0, ret);
	else if (c >= 0xc7 && c <= 0xc9)
		return head_sized(p, n, 1u << (c - 0xc7), 2, 0, ret);
	else if (c >= 0xd9 && c <= 0xdb)
		return head_sized(p, n, 1u << (c - 0xd9), 1, 0, ret);
	else if (c == 0xdc || c == 0xdd)
		return head_sized(p, n, 2u << (c - 0xdc), 0, 1, ret);
	else if (c == 0xde || c == 0xdf)
		return head_sized(p, n, 2u << (c - 0xde), 0, 2, ret);
	else
		return false;
	return true;
}

static size_t value_bytes(const uint8_t *p, size_t n, unsigned depth)
{
	struct head head;
	size_t used;

	if (n == 0 || depth == 0 || !head_read(p, n, &head) || head.bytes > n ||
		head.items > n - head.bytes)
		return 0;
	used = head.bytes;
	for (size_t i = 0; i < head.items; i++) {
		size_t more = value_bytes(p + used, n - used, depth - 1);

		if (more == 0)
			return 0;
		used += more;
	}
	return used;
}

/* In. Every reader frees nothing: what was stored is freed with the half-built reference. */

static int wrong(const struct field *f, const char *expected, struct error *e)
{
	return error_set(e, -EINVAL, "\"%s\": expected %s", f->key, expected);
}

/* The length of an array that shares its count with another field, or sets it. */
static int length_set(char *base, const struct field *f, size_t n, struct error *e)
{
	if (f->flags & AGREES)
		return length_get(base, f) == n
			       ? 0
			       : wrong(f, "as many values as its neighbours have", e);
	memcpy(base + f->n, &n, sizeof n);
	return 0;
}

static int text_copy(const msgpack_object *o, const struct field *f, char **ret, struct error *e)
{
	if (o->type != MSGPACK_OBJECT_STR || memchr(o->via.str.ptr, 0, o->via.str.size))
		return wrong(f, "text without a NUL", e);
	*ret = mem_copy_span(o->via.str.ptr, o->via.str.size);
	return 0;
}

static int read_text(const msgpack_object *o, const struct field *f, char *at, struct error *e)
{
	char *text = NULL;
	int code = o->type == MSGPACK_OBJECT_NIL ? 0 : text_copy(o, f, &text, e);

	pointer_set(at, text);
	return code;
}

static int read_texts(const msgpack_object *o, const struct field *f, char *base, struct error *e)
{
	char **texts;
	int code = 0;

	if (o->type != MSGPACK_OBJECT_ARRAY)
		return wrong(f, "an array of texts", e);
	texts = mem_zero(o->via.array.size + 1, sizeof *texts);
	pointer_set(base + f->at, texts);
	for (size_t i = 0; i < o->via.array.size && code == 0; i++) {
		code = text_copy(&o->via.array.ptr[i], f, &texts[i], e);
		if (code == 0)
			code = length_set(base, f, i + 1, e);
	}
	return code;
}

static int read_numbers(
	const msgpack_object *o, const struct field *f, char *base, size_t size, struct error *e)
{
	size_t n;
	char *numbers;
	int code;

	if (o->type == MSGPACK_OBJECT_NIL && (f->flags & AGREES))
		return 0;
	if (o->type != MSGPACK_OBJECT_BIN || o->via.bin.size % size != 0)
		return wrong(f, "bytes of whole numbers of its kind", e);
	n = o->via.bin.size / size;
	code = length_set(base, f, n, e);
	if (code < 0)
		return code;
	numbers = mem_zero(n + 1, size);
	little_endian(o->via.bin.ptr, n, size, numbers);
	pointer_set(base + f->at, numbers);
	return 0;
}

static int read_bytes(const msgpack_object *o, const struct field *f, char *base, struct error *e)
{
	if (o->type != MSGPACK_OBJECT_BIN)
		return wrong(f, "bytes", e);
	if (o->via.bin.size > 0)
		pointer_set(base + f->at, mem_copy(o->via.bin.ptr, o->via.bin.size));
	return length_set(base, f, o->via.bin.size, e);
}

static bool integer_of(const msgpack_object *o, int64_t *ret)
{
	if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*ret = o->via.i64;
	else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		*ret = (int64_t)o->via.u64;
	else
		return false;
	return true;
}

static int read_integers(
	const msgpack_object *o, const struct field *f, char *base, struct error *e)
{
	int64_t *numbers;
	int code;

	if (o->type == MSGPACK_OBJECT_NIL && (f->flags & AGREES))
		return 0;
	if (o->type != MSGPACK_OBJECT_ARRAY)
		return wrong(f, "an array of whole numbers", e);
	code = length_set(base, f, o->via.array.size, e);
	if (code < 0)
		return code;
	numbers = mem_zero(o->via.array.size + 1, sizeof *numbers);
	pointer_set(base + f->at, numbers);
	for (size_t i = 0; i < o->via.array.size; i++)
		if (!integer_of(&o->via.array.ptr[i], &numbers[i]))
			return wrong(f, "whole numbers", e);
	return 0;
}

/* A nil takes a byte in the file and a whole struct in memory. */
#define MOST_STRUCTS 1000000

static int read_struct(const msgpack_object *o, const struct shape *s, char *base, struct error *e);

static int read_structs(const msgpack_object *o, const struct field *f, char *base, struct error *e)
{
	char *at;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > MOST_STRUCTS)
		return wrong(f, "an array of at most a million entries", e);
	at = mem_zero(o->via.array.size + 1, f->of->size);
	pointer_set(base + f->at, at);
	for (size_t i = 0; i < o->via.array.size; i++) {
		int code = length_set(base, f, i + 1, e);

		if (code == 0)
			code = read_struct(&o->via.array.ptr[i], f->of, at + i * f->of->size, e);
		if (code < 0) {
			error_prefix(e, "\"%s\" %zu", f->key, i + 1);
			return code;
		}
	}
	return 0;
}

#define SET(type_, value_) (*(type_ *)(void *)at = (type_)(value_), 0)

static int read_integer(const msgpack_object *o, const struct field *f, char *at, struct error *e)
{
	int64_t x = 0;
	bool whole_number = integer_of(o, &x);

	if (f->type == SIZE && o->type == MSGPACK_OBJECT_NIL)
		return SET(size_t, SIZE_MAX);
	if (f->type == WORD && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return SET(uint64_t, o->via.u64);
	if (f->type == INTEGER && whole_number)
		return SET(int64_t, x);
	if (f->type == COUNT && whole_number && x >= 0 && x <= UINT32_MAX)
		return SET(uint32_t, x);
	if (f->type == KIND && whole_number && x >= 0 && x < MEASURE_KINDS)
		return SET(enum measure_kind, x);
	if (f->type == SIZE && whole_number && x >= 0 && x < INT64_C(1) << 31)
		return SET(size_t, x);
	return wrong(f, "a whole number in its range", e);
}

static int read_scalar(const msgpack_object *o, const struct field *f, char *at, struct error *e)
{
	switch (f->type) {
	case TEXT:
		return read_text(o, f, at, e);
	case REAL:
		if (o->type != MSGPACK_OBJECT_FLOAT64)
			return wrong(f, "a number in double precision", e);
		return SET(double, o->via.f64);
	case TRUTH:
		if (o->type != MSGPACK_OBJECT_BOOLEAN)
			return wrong(f, "true or false", e);
		return SET(bool, o->via.boolean);
	default:
		return read_integer(o, f, at, e);
	}
}

static int read_field(const msgpack_object *o, const struct field *f, char *base, struct error *e)
{
	switch (f->type) {
	case BYTES:
		return read_bytes(o, f, base, e);
	case TEXTS:
		return read_texts(o, f, base, e);
	case REALS:
		return read_numbers(o, f, base, 8, e);
	case FLOATS: /* as COUNTS */
	case COUNTS:
		return read_numbers(o, f, base, 4, e);
	case INTEGERS:
		return read_integers(o, f, base, e);
	case STRUCT:
		return read_struct(o, f->of, base + f->at, e);
	case STRUCTS:
		return read_structs(o, f, base, e);
	default:
		return read_scalar(o, f, base + f->at, e);
	}
}

/* The first entry of that key. */
static const msgpack_object *entry_find(const msgpack_object *o, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];

		if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == n &&
			memcmp(kv->key.via.str.ptr, key, n) == 0)
			return &kv->val;
	}
	return NULL;
}

static int read_struct(const msgpack_object *o, const struct shape *s, char *base, struct error *e)
{
	if (o->type != MSGPACK_OBJECT_MAP)
		return error_set(e, -EINVAL, "expected a map");
	for (size_t i = 0; i < s->n; i++) {
		const msgpack_object *entry = entry_find(o, s->fields[i].key);
		int code;

		if (!entry && (s->fields[i].flags & YOUNG))
			continue;
		if (!entry)
			return wrong(&s->fields[i], "it to be there", e);
		code = read_field(entry, &s->fields[i], base, e);
		if (code < 0)
			return code;
	}
	return 0;
}

#define DEEPEST 12

int reference_unpack_payload(const void *at, size_t n, struct reference **ret, struct error *e)
{
	struct reference *r;
	msgpack_unpacked unpacked;
	size_t off = 0;
	int code;

	if (value_bytes(at, n, DEEPEST) != n)
		return error_set(
			e, -EINVAL, "the payload is not one whole msgpack value of %zu bytes", n);
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, at, n, &off) != MSGPACK_UNPACK_SUCCESS) {
		msgpack_unpacked_destroy(&unpacked);
		return error_set(e, -EINVAL, "the payload is not msgpack");
	}
	r = reference_new();
	code = read_struct(&unpacked.data, &reference_shape, (char *)r, e);
	msgpack_unpacked_destroy(&unpacked);
	if (code == 0)
		code = reference_check(r, e);
	if (code < 0)
		reference_close(r);
	else
		*ret = r;
	return code;
}
