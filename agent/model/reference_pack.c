/* SPDX-License-Identifier: Apache-2.0
 * A reference to msgpack, by the tables of reference_shape.c. Numbers that must come back bit for
 * bit travel as little-endian bytes, counts as msgpack integers, which are one byte when small. */
#include "model/reference_shape.h"

#include "base/mem.h"

#include <assert.h>
#include <msgpack.h>
#include <stdlib.h>

static int to_buf(void *data, const char *at, size_t n)
{
	return buf_put(data, at, n);
}

static void pack_text(msgpack_packer *to, const char *text)
{
	if (text)
		msgpack_pack_str_with_body(to, text, strlen(text));
	else
		msgpack_pack_nil(to);
}

static void pack_numbers(msgpack_packer *to, const void *at, size_t n, size_t size)
{
	char *bytes;

	if (!at && n > 0) {
		msgpack_pack_nil(to);
		return;
	}
	bytes = mem_alloc(n * size + 1);
	little_endian(at, n, size, bytes);
	msgpack_pack_bin_with_body(to, bytes, n * size);
	free(bytes);
}

static void pack_bytes(msgpack_packer *to, const void *at, size_t n)
{
	msgpack_pack_bin_with_body(to, n > 0 ? at : "", n);
}

static void pack_integers(msgpack_packer *to, const int64_t *at, size_t n)
{
	if (!at && n > 0) {
		msgpack_pack_nil(to);
		return;
	}
	msgpack_pack_array(to, n);
	for (size_t i = 0; i < n; i++)
		msgpack_pack_int64(to, at[i]);
}

static void pack_texts(msgpack_packer *to, char *const *texts, size_t n)
{
	msgpack_pack_array(to, n);
	for (size_t i = 0; i < n; i++)
		pack_text(to, texts[i]);
}

static void pack_struct(msgpack_packer *to, const struct shape *s, const char *base);

static void pack_structs(msgpack_packer *to, const struct shape *s, const char *at, size_t n)
{
	msgpack_pack_array(to, n);
	for (size_t i = 0; i < n; i++)
		pack_struct(to, s, at + i * s->size);
}

#define GET(type_) (*(const type_ *)(const void *)at)

static void pack_scalar(msgpack_packer *to, enum type type, const char *at)
{
	switch (type) {
	case TEXT:
		pack_text(to, pointer_get(at));
		break;
	case INTEGER:
		msgpack_pack_int64(to, GET(int64_t));
		break;
	case WORD:
		msgpack_pack_uint64(to, GET(uint64_t));
		break;
	case COUNT:
		msgpack_pack_uint32(to, GET(uint32_t));
		break;
	case KIND:
		msgpack_pack_int(to, (int)GET(enum measure_kind));
		break;
	case REAL:
		msgpack_pack_double(to, GET(double));
		break;
	case TRUTH:
		GET(bool) ? msgpack_pack_true(to) : msgpack_pack_false(to);
		break;
	default:
		assert(type == SIZE);
		GET(size_t) == SIZE_MAX ? msgpack_pack_nil(to)
					: msgpack_pack_uint64(to, GET(size_t));
	}
}

static void pack_field(msgpack_packer *to, const struct field *f, const char *base)
{
	const char *at = base + f->at;

	switch (f->type) {
	case BYTES:
		pack_bytes(to, pointer_get(at), length_get(base, f));
		break;
	case TEXTS:
		pack_texts(to, pointer_get(at), length_get(base, f));
		break;
	case REALS:
		pack_numbers(to, pointer_get(at), length_get(base, f), 8);
		break;
	case FLOATS: /* as COUNTS */
	case COUNTS:
		pack_numbers(to, pointer_get(at), length_get(base, f), 4);
		break;
	case INTEGERS:
		pack_integers(to, pointer_get(at), length_get(base, f));
		break;
	case STRUCT:
		pack_struct(to, f->of, at);
		break;
	case STRUCTS:
		pack_structs(to, f->of, pointer_get(at), length_get(base, f));
		break;
	default:
		pack_scalar(to, f->type, at);
	}
}

static void pack_struct(msgpack_packer *to, const struct shape *s, const char *base)
{
	msgpack_pack_map(to, s->n);
	for (size_t i = 0; i < s->n; i++) {
		pack_text(to, s->fields[i].key);
		pack_field(to, &s->fields[i], base);
	}
}

void reference_pack(const struct reference *r, struct buf *to)
{
	msgpack_packer packer;

	msgpack_packer_init(&packer, to, to_buf);
	pack_struct(&packer, &reference_shape, (const char *)r);
}
