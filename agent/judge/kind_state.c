/* SPDX-License-Identifier: Apache-2.0
 * Kinds over a restart: what comes after odd_unpack is bit for bit what would have come. */
#include "judge/kind_room.h"

#include "base/mem.h"
#include "model/pack.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ODD_FORMAT 1
#define MOST_RECORDS (INT64_C(1) << 50) /* small enough that whatever is added to it fits */
enum { CLUSTER_FIELDS = 13, LOOKED_FIELDS = 6, SAMPLE_FIELDS = 3 };

static void pack_narrow(struct buf *to, const int16_t *x, size_t n)
{
	int64_t *wide = mem_alloc((n + 1) * sizeof *wide);

	for (size_t i = 0; i < n; i++)
		wide[i] = x[i];
	pack_ints(to, wide, n);
	free(wide);
}

static void pack_sum(struct buf *to, const int32_t *x, size_t n)
{
	int64_t *wide = mem_alloc((n + 1) * sizeof *wide);

	for (size_t i = 0; i < n; i++)
		wide[i] = x[i];
	pack_ints(to, wide, n);
	free(wide);
}

static void pack_members(const struct odd *o, const struct odd_cluster *c, struct buf *to)
{
	size_t n = 0;

	while (n < ODD_MEMBERS && c->members[n].id)
		n++;
	pack_array(to, n);
	for (size_t i = 0; i < n; i++) {
		pack_array(to, 3);
		pack_text(to, c->members[i].id);
		pack_text(to, c->members[i].text);
		pack_narrow(to, c->members[i].rounded, o->leaders->d);
	}
}

static void pack_cluster(const struct odd *o, size_t i, struct buf *to)
{
	const struct odd_cluster *c = &o->clusters[i];
	const struct leader *g = &o->leaders->at[i];

	pack_array(to, CLUSTER_FIELDS);
	pack_int(to, (int64_t)i);
	pack_int(to, g->n);
	pack_int(to, g->first);
	pack_sum(to, g->sum, o->leaders->d);
	pack_int(to, c->size);
	pack_int(to, c->n);
	pack_int(to, c->since);
	pack_int(to, c->first_us);
	pack_int(to, c->last_us);
	pack_int(to, c->windows);
	pack_bool(to, c->class);
	pack_real(to, g->lengths);
	pack_members(o, c, to);
}

static void pack_rounded(const struct odd *o, const int16_t *x, struct buf *to)
{
	pack_narrow(to, x, x ? o->leaders->d : 0);
}

static void pack_window(const struct odd *o, const struct odd_window *w, struct buf *to)
{
	pack_array(to, 5);
	pack_int(to, w->start_us);
	pack_ints(to, w->kinds, ODD_KINDS);
	pack_ints(to, w->groupable, ODD_KINDS);
	pack_array(to, w->n_looked);
	for (size_t i = 0; i < w->n_looked; i++) {
		const struct odd_looked *l = &w->looked[i];

		pack_array(to, LOOKED_FIELDS);
		pack_int(to, (int64_t)l->hash);
		pack_int(to, l->time_us);
		pack_int(to, l->kind);
		pack_text(to, l->id);
		pack_text(to, l->text);
		pack_rounded(o, l->rounded, to);
	}
	pack_array(to, w->n_samples);
	for (size_t i = 0; i < w->n_samples; i++) {
		pack_array(to, SAMPLE_FIELDS);
		sample_pack(&w->samples[i].s, to);
		pack_int(to, w->samples[i].kind);
		pack_rounded(o, w->samples[i].rounded, to);
	}
}

void odd_pack(struct odd *o, struct buf *to)
{
	size_t n = 0;

	for (size_t i = 0; o->leaders && i < LEADERS_MOST; i++)
		n += o->leaders->at[i].n > 0;
	pack_map(to, 6);
	pack_text(to, "oodd_odd");
	pack_int(to, ODD_FORMAT);
	pack_text(to, "reference");
	pack_text(to, o->r->hash);
	pack_text(to, "seen");
	pack_int(to, o->seen);
	pack_text(to, "put");
	pack_int(to, o->leaders ? o->leaders->put : 0);
	pack_text(to, "groups");
	pack_array(to, n);
	for (size_t i = 0; o->leaders && i < LEADERS_MOST; i++)
		if (o->leaders->at[i].n > 0)
			pack_cluster(o, i, to);
	pack_text(to, "windows");
	pack_array(to, o->n_windows);
	for (size_t i = 0; i < o->n_windows; i++)
		pack_window(o, &o->windows[i], to);
	o->moved = false;
}

/* And back. */

static char *text_of(const struct msgpack_object *o)
{
	const char *at;
	size_t n;

	return unpack_text(o, &at, &n) ? mem_copy_span(at, n) : NULL;
}

static bool read_int(const struct msgpack_object *array, size_t i, int64_t least, int64_t *ret)
{
	return unpack_int(unpack_item(array, i), least, least < 0 ? INT64_MAX : MOST_RECORDS, ret);
}

/* d numbers within +-most. */
static bool read_numbers(const struct msgpack_object *o, size_t d, int64_t most, int64_t *to)
{
	bool good = unpack_ints(o, to, d);

	for (size_t j = 0; j < d && good; j++)
		good = to[j] >= -most && to[j] <= most;
	return good;
}

static bool read_counts(const struct msgpack_object *o, int64_t *to)
{
	bool good = unpack_ints(o, to, ODD_KINDS);

	for (size_t k = 0; k < ODD_KINDS && good; k++)
		good = to[k] >= 0 && to[k] <= MOST_RECORDS;
	return good;
}

static int16_t *read_rounded(const struct odd *o, const struct msgpack_object *from)
{
	size_t d = o->leaders ? o->leaders->d : 0;
	int64_t *wide = mem_alloc((d + 1) * sizeof *wide);
	int16_t *to = NULL;

	if (d > 0 && read_numbers(from, d, LEADER_ONE, wide)) {
		to = mem_alloc(d * sizeof *to);
		for (size_t j = 0; j < d; j++)
			to[j] = (int16_t)wide[j];
	}
	free(wide);
	return to;
}

static bool read_member(const struct odd *o, const struct msgpack_object *from, struct odd_member *to)
{
	if (unpack_length(from) != 3)
		return false;
	to->id = text_of(unpack_item(from, 0));
	to->text = text_of(unpack_item(from, 1));
	to->rounded = read_rounded(o, unpack_item(from, 2));
	return to->id && to->rounded;
}

static bool read_leader(const struct msgpack_object *o, size_t d, struct leader *to)
{
	int64_t *wide = mem_alloc((d + 1) * sizeof *wide), n, first;
	double lengths;
	bool good = read_int(o, 1, 1, &n) && read_int(o, 2, 0, &first) && read_numbers(unpack_item(o, 3), d, INT32_MAX, wide) &&
		    unpack_real(unpack_item(o, 11), &lengths) && lengths > 0 && isfinite(lengths);

	if (good) {
		free(to->sum);
		*to = (struct leader){.n = n, .first = first, .lengths = lengths, .sum = mem_alloc(d * sizeof *to->sum)};
		for (size_t j = 0; j < d; j++)
			to->sum[j] = (int32_t)wide[j];
		leader_settle(to, d);
	}
	free(wide);
	return good;
}

static bool read_cluster(struct odd *o, const struct msgpack_object *from)
{
	const struct msgpack_object *members = unpack_item(from, 12);
	struct odd_cluster c = {0};
	int64_t i;
	size_t n = unpack_length(members);

	if (unpack_length(from) != CLUSTER_FIELDS || !unpack_int(unpack_item(from, 0), 0, LEADERS_MOST - 1, &i) ||
		o->leaders->at[i].n > 0 || !read_leader(from, o->leaders->d, &o->leaders->at[i]) || !read_int(from, 4, 1, &c.size) ||
		!read_int(from, 5, 0, &c.n) || !read_int(from, 6, 0, &c.since) || !read_int(from, 7, INT64_MIN, &c.first_us) ||
		!read_int(from, 8, INT64_MIN, &c.last_us) || !read_int(from, 9, 0, &c.windows) ||
		!unpack_bool(unpack_item(from, 10), &c.class) || n > ODD_MEMBERS || c.since > o->seen)
		return false;
	o->leaders->at[i].kept = c.class;
	o->clusters[i] = c;
	for (size_t k = 0; k < n; k++)
		if (!read_member(o, unpack_item(members, k), &o->clusters[i].members[k]))
			return false;
	return true;
}

static bool read_kind(const struct msgpack_object *o, enum odd_kind *ret)
{
	int64_t kind;

	if (!unpack_int(o, 0, ODD_KINDS - 1, &kind))
		return false;
	*ret = (enum odd_kind)kind;
	return true;
}

static bool read_looked(const struct odd *o, const struct msgpack_object *from, struct odd_looked *to)
{
	int64_t hash;

	if (unpack_length(from) != LOOKED_FIELDS || !read_int(from, 0, INT64_MIN, &hash) || !read_int(from, 1, INT64_MIN, &to->time_us) ||
		!read_kind(unpack_item(from, 2), &to->kind))
		return false;
	to->hash = (uint64_t)hash;
	to->group = SIZE_MAX;
	to->id = text_of(unpack_item(from, 3));
	to->text = text_of(unpack_item(from, 4));
	to->rounded = read_rounded(o, unpack_item(from, 5));
	return to->id && to->rounded;
}

static bool read_sample(const struct odd *o, const struct msgpack_object *from, struct odd_sample *to)
{
	if (unpack_length(from) != SAMPLE_FIELDS || !read_kind(unpack_item(from, 1), &to->kind) ||
		!sample_read(unpack_item(from, 0), &to->s))
		return false;
	to->s.kind = odd_words[to->kind];
	to->rounded = read_rounded(o, unpack_item(from, 2));
	return true;
}

static bool read_window(struct odd *o, const struct msgpack_object *from, struct odd_window *to)
{
	const struct msgpack_object *looked = unpack_item(from, 3), *samples = unpack_item(from, 4);
	size_t n = unpack_length(looked), n_samples = unpack_length(samples);

	if (unpack_length(from) != 5 || !read_int(from, 0, INT64_MIN, &to->start_us) || !read_counts(unpack_item(from, 1), to->kinds) ||
		!read_counts(unpack_item(from, 2), to->groupable) || n > ODD_LOOKED)
		return false;
	to->looked = mem_zero(n + 1, sizeof *to->looked);
	for (size_t i = 0; i < n; i++) {
		to->n_looked++;
		if (!read_looked(o, unpack_item(looked, i), &to->looked[i]))
			return false;
	}
	to->samples = mem_zero(n_samples + 1, sizeof *to->samples);
	for (size_t i = 0; i < n_samples; i++) {
		to->n_samples++;
		if (!read_sample(o, unpack_item(samples, i), &to->samples[i]))
			return false;
	}
	return true;
}

static bool read_all(struct odd *o, const struct msgpack_object *root)
{
	const struct msgpack_object *groups = unpack_field(root, "groups"), *windows = unpack_field(root, "windows");
	size_t n = unpack_length(groups), n_windows = unpack_length(windows);
	int64_t put;

	if (!unpack_int(unpack_field(root, "seen"), 0, MOST_RECORDS, &o->seen) ||
		!unpack_int(unpack_field(root, "put"), 0, MOST_RECORDS, &put) || (n > 0 && !o->leaders))
		return false;
	if (o->leaders)
		o->leaders->put = put;
	for (size_t i = 0; i < n; i++)
		if (!read_cluster(o, unpack_item(groups, i)))
			return false;
	o->windows = mem_zero(n_windows + 1, sizeof *o->windows);
	for (; o->n_windows < n_windows; o->n_windows++)
		if (!read_window(o, unpack_item(windows, o->n_windows), &o->windows[o->n_windows]) ||
			(o->n_windows > 0 && o->windows[o->n_windows].start_us <= o->windows[o->n_windows - 1].start_us)) {
			o->n_windows++; /* what was read of it is freed with the rest */
			return false;
		}
	return true;
}

static int state_read(struct odd *o, const struct msgpack_object *root, struct error *e)
{
	int64_t format;

	if (!unpack_int(unpack_field(root, "oodd_odd"), 1, INT64_MAX, &format) || format != ODD_FORMAT)
		return error_set(e, -EINVAL, "state of odd records: expected \"oodd_odd\" of format %d", ODD_FORMAT);
	if (!unpack_is_text(unpack_field(root, "reference"), o->r->hash))
		return error_set(e, -EINVAL, "state of odd records: of another reference than %.12s", o->r->hash);
	return read_all(o, root) ? 0 : error_set(e, -EINVAL, "state of odd records: a field is absent, of another type, or out of range");
}

int odd_unpack(struct odd *o, const void *at, size_t n, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	struct odd *read = odd_open(o->r, &o->options), other;
	int code = u ? state_read(read, unpack_root(u), e) : error_set(e, -EINVAL, "state of odd records: not one msgpack value");

	other = *o;
	if (!code) {
		*o = *read;
		*read = other;
	}
	odd_close(read);
	unpack_close(u);
	return code;
}
