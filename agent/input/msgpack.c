/* SPDX-License-Identifier: Apache-2.0
 * A stream of msgpack maps into rows, by a cursor over the bytes (msgpack_wire.h): records, and what is done when step is lost.
 *
 * msgpack has no marks between records, so a broken one loses step. The rule that finds it again, whatever the chunks were: the
 * record is given up at its first byte, and the bytes behind it are passed over, one by one, until a map that begins
 * with one of the keys the pointers name decodes into a row. What was passed over is syntax, in bytes but not in records.
 *
 *     [ half a record | whole record ...     the half swallows the beginning of the whole one as its own value or key, which
 *       ^given up       ^step found again    shows: at a key that is a map, or where the half is refused and a record begins
 *                                            inside it and ends behind it */
#include "input/msgpack_wire.h"

#include <stdio.h>
#include <string.h>

#define LOOKED_AT_MOST 1024 /* bytes a failed try may have read before the search goes on behind them: keeps it linear */

/* A chunk on its way. */
struct run {
	struct decoder *d;
	struct decoded *to;
	const char *at, *end;
	uint64_t offset;       /* of `at` in the file */
	bool final;
};

static struct cursor cursor_at(const struct run *r, const char *end)
{
	return (struct cursor){.d = r->d, .end = end, .deepest = r->d->options.deepest};
}

enum got {
	GOT_ROW,     /* up to *ret_end */
	GOT_REFUSED, /* a whole value up to *ret_end, but no record: reason, why */
	GOT_SHORT,   /* the chunk ends first */
	GOT_LOST,    /* no value, or none that is short enough; *ret_end is how far it was looked at */
};

struct why {
	enum reject_reason reason;
	char text[96];
};

static void why_set(struct why *w, enum reject_reason reason, const char *p, const char *at, const char *text)
{
	w->reason = reason;
	snprintf(w->text, sizeof w->text, "byte %zu: %s", (size_t)(at - p) + 1, text);
}

/* Short of bytes: does the chunk end there, or the patience? */
static enum got got_short(const struct run *r, const struct cursor *c, const char *p, const char **ret_end, struct why *w)
{
	size_t longest = r->d->options.longest;

	*ret_end = c->end;
	if ((size_t)(r->end - p) < longest || (c->end == r->end && (size_t)(r->end - p) == longest && !r->final))
		return GOT_SHORT;
	w->reason = REJECT_TOO_LONG;
	snprintf(w->text, sizeof w->text, "longer than %zu bytes", longest);
	return GOT_LOST;
}

static enum got got_wrong(const struct run *r, struct cursor *c, const char *p, const char **ret_end, struct why *w)
{
	if (c->wrong == WRONG_UTF8 || c->wrong == WRONG_DEEP) {
		why_set(w, c->wrong == WRONG_UTF8 ? REJECT_UTF8 : REJECT_TOO_DEEP, p, c->at,
			c->wrong == WRONG_UTF8 ? "text that is not UTF-8" : "nested too deep");
		*ret_end = wire_end(c, p);
		if (*ret_end)
			return GOT_REFUSED;
	}
	if (c->wrong == WRONG_SHORT)
		return got_short(r, c, p, ret_end, w);
	*ret_end = c->at + 1;
	why_set(w, REJECT_SYNTAX, p, c->at, (unsigned char)*c->at == 0xC1 ? "0xC1, which msgpack never uses" : "a key that is not text");
	return GOT_LOST;
}

static enum got row_got(const struct run *r, struct cursor *c, const char *p, uint32_t pairs, const char *body, const char **ret_end,
	struct why *w)
{
	struct row *row = &r->d->row;
	struct level l = {r->d->json.shapes.root, r->d->places, r->d->places->columns, NULL, 0};
	const char *end = wire_map(c, body, pairs, &l);
	enum row_end how;
	size_t n;

	if (!end)
		return got_wrong(r, c, p, ret_end, w);
	*ret_end = end;
	n = (size_t)(end - p);
	how = row_end(row, p, n, r->offset + (uint64_t)(p - r->at), (uint32_t)n);
	if (how == ROW_AGAIN) {
		row_again(row);
		wire_map(c, body, pairs, &l);
		how = row_end(row, p, n, r->offset + (uint64_t)(p - r->at), (uint32_t)n);
	}
	if (how == ROW_TAKEN)
		return GOT_ROW;
	w->reason = row->fault;
	memcpy(w->text, row->why, sizeof w->text);
	return GOT_REFUSED;
}

/* Try what stands at p. */
static enum got record_read(const struct run *r, const char *p, const char **ret_end, struct why *w)
{
	size_t there = (size_t)(r->end - p), longest = r->d->options.longest;
	struct cursor c = cursor_at(r, p + (there < longest ? there : longest));
	struct item head;
	const char *body = wire_item(&c, p, &head);

	if (body && head.kind == ITEM_MAP) {
		row_begin(&r->d->row);
		return row_got(r, &c, p, head.n, body, ret_end, w);
	}
	if (body)
		body = wire_end(&c, p);
	if (!body)
		return got_wrong(r, &c, p, ret_end, w);
	*ret_end = body;
	why_set(w, *p ? REJECT_NOT_OBJECT : REJECT_BLANK, p, p, "a value, but not a map");
	return GOT_REFUSED;
}

/* ---- in and out of step ---- */

enum sign { SIGN_NO, SIGN_YES, SIGN_CUT };

/* May a record begin at p: a map whose first key is one the pointers name? */
static enum sign record_sign(const struct run *r, const char *p)
{
	struct cursor c = cursor_at(r, r->end);
	struct item map, key;
	const char *q = wire_item(&c, p, &map);

	if (q && (map.kind != ITEM_MAP || !map.n))
		return SIGN_NO;
	q = q ? wire_item(&c, q, &key) : NULL;
	if (!q)
		return c.wrong == WRONG_SHORT ? SIGN_CUT : SIGN_NO;
	return key.kind == ITEM_STR && place_find(r->d->places, key.at, key.n) ? SIGN_YES : SIGN_NO;
}

/* A head that is cut, or a key that would be longer than any of ours, is not worth waiting for. */
static bool sign_near(const struct run *r, const char *p)
{
	return (size_t)(r->end - p) < 5 + 5 + KEY_WRITTEN_MOST;
}

/* From p on, where step is found again: a row was taken there, up to *ret_end. NULL: not in this chunk; *ret_end is how far that is sure. */
static const char *step_find(const struct run *r, const char *p, const char **ret_end)
{
	struct why w;

	while (p < r->end) {
		enum sign sign = record_sign(r, p);
		const char *end = p + 1;

		if (sign == SIGN_YES) {
			enum got got = record_read(r, p, &end, &w);

			if (got == GOT_ROW) {
				*ret_end = end;
				return p;
			}
			if (got == GOT_SHORT && !r->final)
				break;
			if (end - p <= LOOKED_AT_MOST || got == GOT_SHORT)
				end = p + 1;
		} else if (sign == SIGN_CUT && !r->final && sign_near(r, p)) {
			break;
		}
		p = end;
	}
	*ret_end = p;
	return NULL;
}

/* Pass bytes over from p until step is found again; returns where to go on. */
static const char *step_again(struct run *r, const char *p)
{
	const char *end, *found = step_find(r, p, &end);

	decoded_more(r->to, REJECT_SYNTAX, (size_t)((found ? found : end) - p));
	if (found)
		decoded_taken(r->to, (size_t)(end - found));
	r->to->skipping = !found && !r->final;
	return end;
}

static void value_reject(const struct run *r, const char *p, size_t n, size_t there, const struct why *w)
{
	decoded_reject(r->to, p, r->offset + (uint64_t)(p - r->at), n, there, w->reason, "%s", w->text);
}

/* Does a record begin inside the refused value at p and end behind its `end`? Then it was no value, and the record (whose row is
 * taken) goes up to *ret_end. *ret_cut: that cannot be told before more of the chunk is here. */
static const char *step_inside(const struct run *r, const char *p, const char *end, const char **ret_end, bool *ret_cut)
{
	struct why w;

	*ret_cut = false;
	for (const char *q = p + 1, *behind; q < end; q = behind) {
		struct cursor c = cursor_at(r, r->end);
		enum sign sign = record_sign(r, q);

		behind = q + 1;
		*ret_cut = sign == SIGN_CUT && !r->final && sign_near(r, q);
		if (*ret_cut)
			return NULL;
		if (sign != SIGN_YES)
			continue;
		*ret_end = wire_end(&c, q);
		if (*ret_end && *ret_end <= end)
			behind = *ret_end - q > LOOKED_AT_MOST ? *ret_end : q + 1;
		else if (*ret_end && record_read(r, q, ret_end, &w) == GOT_ROW)
			return q;
		else if (c.wrong == WRONG_SHORT && !r->final && (size_t)(r->end - q) < r->d->options.longest) {
			*ret_cut = true;
			return NULL;
		}
	}
	return NULL;
}

/* A value that is no record. Returns where to go on; NULL: not before there is more. */
static const char *value_refused(struct run *r, const char *p, const char *end, const struct why *w)
{
	const struct why step = {REJECT_SYNTAX, "a value that ends inside another record"};
	const char *behind, *found;
	bool cut;

	found = step_inside(r, p, end, &behind, &cut);
	if (cut)
		return NULL;
	if (!found) {
		value_reject(r, p, (size_t)(end - p), (size_t)(end - p), w);
		return end;
	}
	value_reject(r, p, (size_t)(found - p), (size_t)(found - p), &step);
	decoded_taken(r->to, (size_t)(behind - found));
	return behind;
}

/* A last value that will never be whole: unless a record begins in it, all of it is one partial record. */
static const char *value_partial(struct run *r, const char *p)
{
	struct why w = {REJECT_PARTIAL, "the file ends inside a value"};
	const char *end, *found = step_find(r, p + 1, &end);

	if (!found) {
		value_reject(r, p, (size_t)(r->end - p), (size_t)(r->end - p), &w);
		return r->end;
	}
	w = (struct why){REJECT_SYNTAX, "a value that ends inside another record"};
	value_reject(r, p, 1, (size_t)(found - p), &w);
	decoded_more(r->to, REJECT_SYNTAX, (size_t)(found - p - 1));
	decoded_taken(r->to, (size_t)(end - found));
	return end;
}

void msgpack_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to)
{
	struct run r = {d, to, at, at + n, offset, final};
	const char *p = at, *end = at;
	struct why w;

	d->row.shift = 0;
	to->skipping = skipping && !final;
	if (skipping)
		p = step_again(&r, p);
	while (p < r.end && !to->skipping) {
		enum got got = record_read(&r, p, &end, &w);

		if (got == GOT_SHORT && !final)
			break;
		if (got == GOT_ROW) {
			decoded_taken(to, (size_t)(end - p));
			p = end;
		} else if (got == GOT_REFUSED) {
			end = value_refused(&r, p, end, &w);
			if (!end)
				break;
			p = end;
		} else if (got == GOT_LOST) {
			value_reject(&r, p, 1, (size_t)(end - p), &w);
			p = step_again(&r, p + 1);
		} else {
			p = value_partial(&r, p);
		}
	}
	to->consumed = (size_t)(p - at);
}
