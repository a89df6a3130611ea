/* SPDX-License-Identifier: Apache-2.0
 * The one file of the agent's own state that meets msgpack-c. What is read may come from a broken
 * disk or another host, so every reader checks type and range and says false; nothing asserts on
 * what was read. */
#include "model/pack.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int pack_write(void *to, const char *at, size_t n)
{
	return buf_put(to, at, n);
}

static msgpack_packer packer(struct buf *to)
{
	msgpack_packer p;

	msgpack_packer_init(&p, to, pack_write);
	return p;
}

void pack_map(struct buf *to, size_t n)
{
	msgpack_packer p = packer(to);

	msgpack_pack_map(&p, n);
}

void pack_array(struct buf *to, size_t n)
{
	msgpack_packer p = packer(to);

	msgpack_pack_array(&p, n);
}

void pack_int(struct buf *to, int64_t x)
{
	msgpack_packer p = packer(to);

	msgpack_pack_int64(&p, x);
}

void pack_real(struct buf *to, double x)
{
	msgpack_packer p = packer(to);

	msgpack_pack_double(&p, x);
}

void pack_bool(struct buf *to, bool x)
{
	msgpack_packer p = packer(to);

	x ? msgpack_pack_true(&p) : msgpack_pack_false(&p);
}

void pack_text(struct buf *to, const char *text)
{
	msgpack_packer p = packer(to);

	if (!text)
		msgpack_pack_nil(&p);
	else
		msgpack_pack_str_with_body(&p, text, strlen(text));
}

static size_t zeros_from(const int64_t *x, size_t i, size_t n)
{
	size_t to = i;

	while (to < n && x[to] == 0)
		to++;
	return to - i;
}

/* Items of the array that pack_ints writes: a run of zeros is one. */
static size_t runs(const int64_t *x, size_t n)
{
	size_t items = 0;

	for (size_t i = 0; i < n; items++) {
		size_t zeros = zeros_from(x, i, n);
		i += zeros ? zeros : 1;
	}
	return items;
}

void pack_ints(struct buf *to, const int64_t *x, size_t n)
{
	pack_array(to, runs(x, n));
	for (size_t i = 0; i < n;) {
		size_t zeros = zeros_from(x, i, n);
		if (zeros) {
			pack_array(to, 1);
			pack_int(to, (int64_t)zeros);
			i += zeros;
		} else {
			pack_int(to, x[i++]);
		}
	}
}

void pack_reals(struct buf *to, const double *x, size_t n)
{
	pack_array(to, n);
	for (size_t i = 0; i < n; i++)
		pack_real(to, x[i]);
}

struct unpacked {
	msgpack_unpacked msgpack;
};

static uint64_t big_endian(const uint8_t *at, size_t n)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		x = x << 8 | at[i];
	return x;
}

/* What follows a first byte 0xc0 + i: `length` bytes of a number that counts `unit`s, then `fixed`
 * bytes. */
static const struct {
	uint8_t length, fixed;
	enum { BYTES, VALUES, PAIRS } unit;
} forms[32] = {
	[0x04] = {1, 0, BYTES},
	[0x05] = {2, 0, BYTES},
	[0x06] = {4, 0, BYTES}, /* bin */
	[0x07] = {1, 1, BYTES},
	[0x08] = {2, 1, BYTES},
	[0x09] = {4, 1, BYTES}, /* ext */
	[0x0a] = {0, 4, BYTES},
	[0x0b] = {0, 8, BYTES}, /* float */
	[0x0c] = {0, 1, BYTES},
	[0x0d] = {0, 2, BYTES},
	[0x0e] = {0, 4, BYTES},
	[0x0f] = {0, 8, BYTES}, /* uint */
	[0x10] = {0, 1, BYTES},
	[0x11] = {0, 2, BYTES},
	[0x12] = {0, 4, BYTES},
	[0x13] = {0, 8, BYTES}, /* int */
	[0x14] = {0, 2, BYTES},
	[0x15] = {0, 3, BYTES},
	[0x16] = {0, 5, BYTES},
	[0x17] = {0, 9, BYTES},
	[0x18] = {0, 17, BYTES}, /* fixext */
	[0x19] = {1, 0, BYTES},
	[0x1a] = {2, 0, BYTES},
	[0x1b] = {4, 0, BYTES}, /* str */
	[0x1c] = {2, 0, VALUES},
	[0x1d] = {4, 0, VALUES},
	[0x1e] = {2, 0, PAIRS},
	[0x1f] = {4, 0, PAIRS},
};

/* Bytes behind the first byte of a value, and values inside it. False when the bytes end within its
 * length. */
static bool value_size(const uint8_t *at, size_t n, uint64_t *ret_bytes, uint64_t *ret_values)
{
	uint8_t tag = at[0];

	*ret_bytes = *ret_values = 0;
	if (tag >= 0x80 && tag <= 0x8f)
		*ret_values = 2 * (tag & 15u);
	else if (tag >= 0x90 && tag <= 0x9f)
		*ret_values = tag & 15u;
	else if (tag >= 0xa0 && tag <= 0xbf)
		*ret_bytes = tag & 31u;
	else if (tag >= 0xc0 && tag <= 0xdf) {
		size_t i = tag - 0xc0u, length = forms[i].length;
		if (n < 1 + length)
			return false;
		uint64_t count = big_endian(at + 1, length);
		*ret_bytes = length + forms[i].fixed + (forms[i].unit == BYTES ? count : 0);
		*ret_values = forms[i].unit == BYTES    ? 0
			      : forms[i].unit == VALUES ? count
							: 2 * count;
	}
	return true;
}

/* Exactly one value, whose arrays and maps claim no more than there are bytes: msgpack-c allocates
 * what they claim. */
static bool one_whole_value(const uint8_t *at, size_t n)
{
	uint64_t wanted = 1, bytes, values;

	while (wanted > 0 && wanted <= n) {
		if (!value_size(at, n, &bytes, &values) || bytes > n - 1)
			return false;
		at += 1 + bytes;
		n -= 1 + (size_t)bytes;
		wanted += values - 1;
	}
	return wanted == 0 && n == 0;
}

/* What follows the first byte of a value: big-endian bytes that say how much more there is. Only
 * those from 0xc0 to 0xdf, and 0xc1 is none. */
static const struct {
	unsigned char width; /* of the number that follows */
	unsigned char fixed; /* bytes besides */
	unsigned char items; /* values per count, 0: the number counts bytes */
} heads[32] = {
	[0x04] = {1, 0, 0},
	{2, 0, 0},
	{4, 0, 0},
	{1, 1, 0},
	{2, 1, 0},
	{4, 1, 0},
	{0, 4, 0},
	{0, 8, 0},
	{0, 1, 0},
	{0, 2, 0},
	{0, 4, 0},
	{0, 8, 0},
	[0x10] = {0, 1, 0},
	{0, 2, 0},
	{0, 4, 0},
	{0, 8, 0},
	{0, 2, 0},
	{0, 3, 0},
	{0, 5, 0},
	{0, 9, 0},
	{0, 17, 0},
	{1, 0, 0},
	{2, 0, 0},
	{4, 0, 0},
	{2, 0, 1},
	{4, 0, 1},
	{2, 0, 2},
	{4, 0, 2},
};

/* One whole value, without any count that its bytes cannot hold: msgpack-c makes room for what a
 * count says before it looks. */
static bool counts_hold(const unsigned char *at, size_t n)
{
	size_t i = 0;

	for (size_t todo = 1; todo; todo--) {
		unsigned char b = i < n ? at[i] : 0xc1;
		size_t items = b >= 0x80 && b <= 0x8f   ? 2 * (b & 15u)
			       : b >= 0x90 && b <= 0x9f ? b & 15u
							: 0;
		size_t skip = b >= 0xa0 && b <= 0xbf ? b & 31u : 0, count = 0;

		if (b == 0xc1)
			return false;
		i++;
		if (b >= 0xc0 && b <= 0xdf) {
			if (heads[b & 31].width > n - i)
				return false;
			for (unsigned k = 0; k < heads[b & 31].width; k++)
				count = count << 8 | at[i++];
			items = heads[b & 31].items * count;
			skip = heads[b & 31].fixed + (heads[b & 31].items ? 0 : count);
		}
		if (skip > n - i || items > n - i - skip)
			return false;
		i += skip;
		todo += items;
	}
	return i == n;
}

struct unpacked *unpack_open(const void *at, size_t n)
{
	struct unpacked *u;
	size_t used = 0;

	if (!counts_hold(at, n))
		return NULL;
	u = mem_alloc(sizeof *u);

	msgpack_unpacked_init(&u->msgpack);
	if (one_whole_value(at, n) &&
		msgpack_unpack_next(&u->msgpack, at, n, &used) == MSGPACK_UNPACK_SUCCESS &&
		used == n)
		return u;
	unpack_close(u);
	return NULL;
}

void unpack_close(struct unpacked *u)
{
	if (u)
		msgpack_unpacked_destroy(&u->msgpack);
	free(u);
}

const struct msgpack_object *unpack_root(const struct unpacked *u)
{
	return u ? &u->msgpack.data : NULL;
}

const struct msgpack_object *unpack_field(const struct msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++)
		if (unpack_is_text(&map->via.map.ptr[i].key, key))
			return &map->via.map.ptr[i].val;
	return NULL;
}

size_t unpack_length(const struct msgpack_object *array)
{
	return array && array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0;
}

const struct msgpack_object *unpack_item(const struct msgpack_object *array, size_t i)
{
	return i < unpack_length(array) ? &array->via.array.ptr[i] : NULL;
}

bool unpack_int(const struct msgpack_object *o, int64_t least, int64_t most, int64_t *ret)
{
	int64_t x;

	if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		x = (int64_t)o->via.u64;
	else if (o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		x = o->via.i64;
	else
		return false;
	if (x < least || x > most)
		return false;
	*ret = x;
	return true;
}

bool unpack_real(const struct msgpack_object *o, double *ret)
{
	if (!o || (o->type != MSGPACK_OBJECT_FLOAT64 && o->type != MSGPACK_OBJECT_FLOAT32))
		return false;
	*ret = o->via.f64;
	return true;
}

bool unpack_bool(const struct msgpack_object *o, bool *ret)
{
	if (!o || o->type != MSGPACK_OBJECT_BOOLEAN)
		return false;
	*ret = o->via.boolean;
	return true;
}

bool unpack_text(const struct msgpack_object *o, const char **ret, size_t *ret_n)
{
	if (!o || o->type != MSGPACK_OBJECT_STR)
		return false;
	*ret = o->via.str.ptr;
	*ret_n = o->via.str.size;
	return true;
}

bool unpack_is_text(const struct msgpack_object *o, const char *text)
{
	const char *at;
	size_t n;

	return unpack_text(o, &at, &n) && n == strlen(text) && memcmp(at, text, n) == 0;
}

bool unpack_ints(const struct msgpack_object *o, int64_t *to, size_t n)
{
	size_t at = 0;
	int64_t zeros;

	for (size_t i = 0; i < unpack_length(o); i++) {
		const struct msgpack_object *item = unpack_item(o, i);
		if (unpack_length(item) == 1) {
			if (!unpack_int(unpack_item(item, 0), 1, (int64_t)(n - at), &zeros))
				return false;
			memset(to + at, 0, (size_t)zeros * sizeof *to);
			at += (size_t)zeros;
		} else if (at == n || !unpack_int(item, INT64_MIN, INT64_MAX, &to[at++])) {
			return false;
		}
	}
	return at == n;
}

bool unpack_reals(const struct msgpack_object *o, double *to, size_t n)
{
	bool all = unpack_length(o) == n;

	for (size_t i = 0; all && i < n; i++)
		all = unpack_real(unpack_item(o, i), &to[i]);
	return all;
}
