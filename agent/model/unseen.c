/* SPDX-License-Identifier: Apache-2.0
 * A set keeps, for each value, how many records stand at each level; raising the level drops the values that have none left.
 * A value that comes again after it was dropped brings only records of the level in force or above, so what is kept there is
 * exact, and the level in the end depends on the records alone. */
#include "model/unseen.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/pack.h"

static void set_done(struct unseen_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i].text);
	free(s->at);
}

void unseen_done(struct unseen *u)
{
	for (size_t i = 0; i < u->n; i++)
		set_done(&u->at[i]);
	free(u->at);
	*u = (struct unseen){0};
}

static struct unseen_set *set_of(struct unseen *u, size_t measure)
{
	size_t i = 0;

	while (i < u->n && u->at[i].measure < measure)
		i++;
	if (i < u->n && u->at[i].measure == measure)
		return &u->at[i];
	u->at = mem_grow(u->at, u->n + 1, sizeof *u->at);
	memmove(u->at + i + 1, u->at + i, (u->n - i) * sizeof *u->at);
	u->n++;
	u->at[i] = (struct unseen_set){.measure = measure, .at = mem_zero(UNSEEN_VALUES + 1, sizeof(struct unseen_value))};
	return &u->at[i];
}

const struct unseen_set *unseen_find(const struct unseen *u, size_t measure)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->at[i].measure == measure)
			return &u->at[i];
	return NULL;
}

/* Whether anything of it is left; what lies below the level is forgotten. */
static bool value_left(struct unseen_value *v, unsigned level)
{
	bool any = false;

	for (unsigned i = 0; i < UNSEEN_LEVELS; i++) {
		v->count[i] = i < level ? 0 : v->count[i];
		any |= v->count[i] > 0;
	}
	return any;
}

static void raise(struct unseen_set *s, unsigned level)
{
	size_t kept = 0;

	s->level = level;
	for (size_t i = 0; i < s->n; i++)
		if (value_left(&s->at[i], level))
			s->at[kept++] = s->at[i];
		else
			free(s->at[i].text);
	s->n = kept;
}

/* What cannot be held at the last level goes, largest hash first: a bound, not a habit. */
static void thin(struct unseen_set *s)
{
	while (s->n > UNSEEN_VALUES && s->level + 1 < UNSEEN_LEVELS)
		raise(s, s->level + 1);
	while (s->n > UNSEEN_VALUES) {
		size_t last = 0;

		for (size_t i = 1; i < s->n; i++)
			if (hash_bytes(s->at[i].text, s->at[i].n, 0) > hash_bytes(s->at[last].text, s->at[last].n, 0))
				last = i;
		free(s->at[last].text);
		s->at[last] = s->at[--s->n];
	}
}

static struct unseen_value *value_of(struct unseen_set *s, const char *at, size_t n)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].n == n && memcmp(s->at[i].text, at, n) == 0)
			return &s->at[i];
	s->at[s->n] = (struct unseen_value){.text = mem_copy_span(at, n), .n = (uint32_t)n, .first_us = INT64_MAX};
	return &s->at[s->n++];
}

static size_t cut(struct text t)
{
	size_t n = t.n < UNSEEN_BYTES ? t.n : UNSEEN_BYTES;

	n = strnlen(t.at, n);
	while (n < t.n && n > 0 && ((unsigned char)t.at[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static unsigned level_of(uint64_t hash, size_t measure)
{
	uint64_t key[2] = {hash, measure}, mixed = hash_bytes(key, sizeof key, 0);
	unsigned zeros = mixed ? (unsigned)__builtin_clzll(mixed) : 64;

	return zeros < UNSEEN_LEVELS ? zeros : UNSEEN_LEVELS - 1;
}

void unseen_put(struct unseen *u, size_t measure, uint64_t hash, struct text value, int64_t time_us)
{
	struct unseen_set *s = set_of(u, measure);
	unsigned level = level_of(hash, measure);
	struct unseen_value *v;

	if (level < s->level)
		return;
	v = value_of(s, value.at, cut(value));
	v->count[level]++;
	v->first_us = time_us < v->first_us ? time_us : v->first_us;
	thin(s);
}

void unseen_add(struct unseen *to, const struct unseen *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct unseen_set *f = &from->at[i];
		struct unseen_set *s = set_of(to, f->measure);

		if (f->level > s->level)
			raise(s, f->level);
		for (size_t k = 0; k < f->n; k++) {
			struct unseen_value *v = value_of(s, f->at[k].text, f->at[k].n);

			for (unsigned l = s->level; l < UNSEEN_LEVELS; l++)
				v->count[l] += f->at[k].count[l];
			v->first_us = f->at[k].first_us < v->first_us ? f->at[k].first_us : v->first_us;
			if (!value_left(v, s->level)) {
				free(v->text);
				*v = s->at[--s->n];
			}
			thin(s);
		}
	}
}

static int64_t records(const struct unseen_value *v)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < UNSEEN_LEVELS; i++)
		sum += v->count[i];
	return sum;
}

double unseen_count(const struct unseen_set *s, const struct unseen_value *v)
{
	return (double)records(v) * (double)(INT64_C(1) << s->level);
}

static bool before(const struct unseen_value *a, const struct unseen_value *b)
{
	int64_t x = records(a), y = records(b);

	return x != y ? x > y : strcmp(a->text, b->text) < 0;
}

void unseen_order(const struct unseen_set *s, size_t *to)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t at = i;

		for (; at > 0 && before(&s->at[i], &s->at[to[at - 1]]); at--)
			to[at] = to[at - 1];
		to[at] = i;
	}
}

void unseen_pack(const struct unseen *u, struct buf *to)
{
	pack_array(to, u->n);
	for (size_t i = 0; i < u->n; i++) {
		const struct unseen_set *s = &u->at[i];

		pack_array(to, 2 + 3 * s->n);
		pack_int(to, (int64_t)s->measure);
		pack_int(to, s->level);
		for (size_t k = 0; k < s->n; k++) {
			pack_text(to, s->at[k].text);
			pack_int(to, s->at[k].first_us);
			pack_ints(to, s->at[k].count, UNSEEN_LEVELS);
		}
	}
}

static bool value_read(const struct msgpack_object *o, size_t i, struct unseen_value *to)
{
	const char *text;
	size_t n;
	bool fits = unpack_text(unpack_item(o, i), &text, &n) && n <= UNSEEN_BYTES &&
		    unpack_int(unpack_item(o, i + 1), INT64_MIN, INT64_MAX, &to->first_us) &&
		    unpack_ints(unpack_item(o, i + 2), to->count, UNSEEN_LEVELS);

	for (unsigned l = 0; fits && l < UNSEEN_LEVELS; l++)
		fits = to->count[l] >= 0 && to->count[l] < INT64_C(1) << 40;
	if (!fits)
		return false;
	to->text = mem_copy_span(text, n);
	to->n = (uint32_t)strlen(to->text);
	return true;
}

static bool set_read(const struct msgpack_object *o, struct unseen *to)
{
	size_t n = unpack_length(o);
	int64_t measure, level;
	struct unseen_set *s;

	if (n < 2 || (n - 2) % 3 != 0 || (n - 2) / 3 > UNSEEN_VALUES || !unpack_int(unpack_item(o, 0), 0, INT32_MAX, &measure) ||
		!unpack_int(unpack_item(o, 1), 0, UNSEEN_LEVELS - 1, &level) || unseen_find(to, (size_t)measure))
		return false;
	s = set_of(to, (size_t)measure);
	s->level = (unsigned)level;
	for (size_t i = 2; i < n; i += 3) {
		if (!value_read(o, i, &s->at[s->n]))
			return false;
		s->n++;
	}
	return true;
}

bool unseen_read(const struct msgpack_object *o, struct unseen *ret)
{
	struct unseen u = {0};

	for (size_t i = 0; i < unpack_length(o); i++)
		if (!set_read(unpack_item(o, i), &u)) {
			unseen_done(&u);
			*ret = u;
			return false;
		}
	*ret = u;
	return true;
}
