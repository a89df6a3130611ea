/* SPDX-License-Identifier: Apache-2.0
 * Labels by the million: entries in one array, ids in an arena, a table of indices over both. Lines are read by the decoder's
 * own JSON reader. A label file is made by a person or a tool of theirs: its first mistake is told, with its line, and nothing
 * is evaluated on half of it. */
#include "labels.h"

#include "walk.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "input/archive.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 1 << 20, READ_BYTES = 1 << 18, DEEPEST = 32 };

struct entry {
	uint64_t hash;
	const char *id;
	uint32_t n_id;
	struct label label;
};

struct labels {
	struct entry *at;
	size_t n, room;
	uint32_t *index;     /* of at + 1; 0: free; a power of two */
	size_t index_room;
	struct arena *arena;
	char *kinds[LABELS_MOST_KINDS];
	size_t n_kinds;
	const char **words;  /* in the arena */
	size_t n_words, words_room;
	uint32_t *word_index; /* of words + 1; 0: free; twice words_room */
};

/* One line on its way in. */
struct line {
	const struct labels_fields *fields;
	struct json_text id, kind, label;
	int64_t time_us;
	enum truth truth;
	const char *wrong; /* a member that is not what it must be; static */
};

/* ---- table ---- */

static size_t slot_of(const struct labels *l, uint64_t hash, const char *id, size_t n)
{
	size_t mask = l->index_room - 1, i = hash & mask;

	for (; l->index[i]; i = (i + 1) & mask) {
		const struct entry *e = &l->at[l->index[i] - 1];

		if (e->hash == hash && e->n_id == n && !memcmp(e->id, id, n))
			break;
	}
	return i;
}

static void index_grow(struct labels *l)
{
	size_t room = l->index_room ? 2 * l->index_room : 1024;

	free(l->index);
	l->index = mem_zero(room, sizeof *l->index);
	l->index_room = room;
	for (size_t i = 0; i < l->n; i++)
		l->index[slot_of(l, l->at[i].hash, l->at[i].id, l->at[i].n_id)] = (uint32_t)i + 1;
}

/* id: in the arena. */
static void entry_put(struct labels *l, const char *id, size_t n, struct label label)
{
	uint64_t hash = hash_bytes(id, n, 0);
	size_t slot;

	if (2 * (l->n + 1) > l->index_room)
		index_grow(l);
	slot = slot_of(l, hash, id, n);
	if (l->index[slot]) {
		l->at[l->index[slot] - 1].label = label;
		return;
	}
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 512;
		l->at = mem_grow(l->at, l->room, sizeof *l->at);
	}
	l->at[l->n] = (struct entry){hash, id, (uint32_t)n, label};
	l->index[slot] = (uint32_t)++l->n;
}

const struct label *labels_find(const struct labels *l, const char *id, size_t n)
{
	size_t slot;

	if (!l->n)
		return NULL;
	slot = slot_of(l, hash_bytes(id, n, 0), id, n);
	return l->index[slot] ? &l->at[l->index[slot] - 1].label : NULL;
}

/* -ENOSPC: too many. */
static int kind_of(struct labels *l, const char *name, size_t n, uint16_t *ret)
{
	for (size_t i = 0; i < l->n_kinds; i++)
		if (strlen(l->kinds[i]) == n && !memcmp(l->kinds[i], name, n)) {
			*ret = (uint16_t)i;
			return 0;
		}
	if (l->n_kinds == LABELS_MOST_KINDS)
		return -ENOSPC;
	l->kinds[l->n_kinds] = mem_copy_span(name, n);
	*ret = (uint16_t)l->n_kinds++;
	return 0;
}

/* The table is kept at most half full. */
static void words_grow(struct labels *l)
{
	l->words_room = l->words_room ? 2 * l->words_room : 256;
	l->words = mem_grow(l->words, l->words_room, sizeof *l->words);
	free(l->word_index);
	l->word_index = mem_zero(2 * l->words_room, sizeof *l->word_index);
	for (size_t w = 0; w < l->n_words; w++) {
		size_t i = hash_bytes(l->words[w], strlen(l->words[w]), 0) & (2 * l->words_room - 1);

		while (l->word_index[i])
			i = (i + 1) & (2 * l->words_room - 1);
		l->word_index[i] = (uint32_t)w + 1;
	}
}

static uint32_t word_of(struct labels *l, const char *name, size_t n)
{
	size_t i;

	if (l->n_words == l->words_room)
		words_grow(l);
	i = hash_bytes(name, n, 0) & (2 * l->words_room - 1);
	for (; l->word_index[i]; i = (i + 1) & (2 * l->words_room - 1)) {
		const char *word = l->words[l->word_index[i] - 1];

		if (!strncmp(word, name, n) && !word[n])
			return l->word_index[i] - 1;
	}
	l->words[l->n_words] = arena_span(l->arena, name, n);
	l->word_index[i] = (uint32_t)++l->n_words;
	return (uint32_t)l->n_words - 1;
}

/* ---- a line ---- */

static const char *read_id(struct line *in, struct json *j, const char *p)
{
	enum json_kind kind = json_kinds[(unsigned char)*p];
	const char *begin = p;
	double x;

	if (kind == JSON_STRING)
		return json_string(j, p + 1, &in->id);
	if (kind != JSON_NUMBER) {
		in->wrong = "an id that is neither text nor a number";
		return json_skip(j, p);
	}
	p = json_number(j, p, &x);
	if (p)
		in->id = (struct json_text){begin, (size_t)(p - begin), false};
	return p;
}

static const char *read_ood(struct line *in, struct json *j, const char *p)
{
	double x = -1;

	switch (json_kinds[(unsigned char)*p]) {
	case JSON_TRUE:
	case JSON_FALSE:
		in->truth = *p == 't' ? TRUTH_ODD : TRUTH_NORMAL;
		return json_literal(j, p);
	case JSON_NULL:
		in->truth = TRUTH_NEITHER;
		return json_literal(j, p);
	case JSON_NUMBER:
		p = json_number(j, p, &x);
		if (x == 0 || x == 1)
			in->truth = x == 1 ? TRUTH_ODD : TRUTH_NORMAL;
		else
			in->wrong = "a truth that is a number, but not 0 or 1";
		return p;
	default:
		in->wrong = "a truth that is neither true, false nor null";
		return json_skip(j, p);
	}
}

static const char *read_kind(struct line *in, struct json *j, const char *p)
{
	if (*p == '"')
		return json_string(j, p + 1, &in->kind);
	if (json_kinds[(unsigned char)*p] != JSON_NULL)
		in->wrong = "a kind that is no text";
	return json_skip(j, p);
}

/* The true class: a text as it is, a number as it is written, true and false as such. */
static const char *read_label(struct line *in, struct json *j, const char *p)
{
	const char *begin = p;
	double x;

	switch (json_kinds[(unsigned char)*p]) {
	case JSON_STRING:
		return json_string(j, p + 1, &in->label);
	case JSON_NUMBER:
		p = json_number(j, p, &x);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		p = json_literal(j, p);
		break;
	default: /* null, or nothing that a class could be */
		return json_skip(j, p);
	}
	if (p)
		in->label = (struct json_text){begin, (size_t)(p - begin), false};
	return p;
}

/* A time that cannot be read is none: labels without a time are labels. */
static const char *read_time(struct line *in, struct json *j, const char *p)
{
	struct json_text t;

	if (*p != '"')
		return json_skip(j, p);
	p = json_string(j, p + 1, &t);
	if (p && time_parse(t.at, t.n, &in->time_us))
		in->time_us = TIME_NONE;
	return p;
}

static const char *read_member(void *context, struct json *j, struct json_text key, const char *p)
{
	struct line *in = context;

	if (walk_is(key, in->fields->id))
		return read_id(in, j, p);
	if (walk_is(key, in->fields->ood))
		return read_ood(in, j, p);
	if (walk_is(key, in->fields->label))
		return read_label(in, j, p);
	if (walk_is(key, in->fields->time))
		return read_time(in, j, p);
	return walk_is(key, in->fields->kind) ? read_kind(in, j, p) : json_skip(j, p);
}

static const char *text_kept(struct labels *l, struct json_text *t)
{
	char *to = arena_alloc(l->arena, t->n + 1);

	if (t->escaped)
		t->n = json_unescape(*t, to);
	else
		memcpy(to, t->at, t->n);
	to[t->n] = '\0';
	return to;
}

/* begin..: one line with its '\n', padded. */
static int line_take(struct labels *l, const struct labels_fields *fields, const char *begin, struct error *e)
{
	struct line in = {.fields = fields, .truth = TRUTH_NEITHER, .time_us = TIME_NONE};
	struct json j = {.begin = begin, .deepest = DEEPEST};
	struct label label = {.kind = LABELS_NO_KIND, .word = LABELS_NO_WORD};
	const char *p = json_blanks(begin), *name;

	if (*p == '\n')
		return 0;
	p = walk_object(&j, p, read_member, &in);
	if (p && *json_blanks(p) != '\n')
		p = json_fault(&j, json_blanks(p), JSON_SYNTAX, "the end of the line");
	if (!p)
		return error_set(e, -EINVAL, "not JSON: expected %s at byte %td", j.expected, j.at - begin);
	if (in.wrong)
		return error_set(e, -EINVAL, "%s", in.wrong);
	if (!in.id.at)
		return error_set(e, -EINVAL, "no \"%s\"", fields->id);
	label.truth = (uint8_t)in.truth;
	label.time_us = in.time_us;
	if (in.label.at) {
		name = in.label.escaped ? text_kept(l, &in.label) : in.label.at;
		label.word = word_of(l, name, in.label.n);
	}
	if (in.kind.at) {
		name = in.kind.escaped ? text_kept(l, &in.kind) : in.kind.at;
		if (kind_of(l, name, in.kind.n, &label.kind))
			return error_set(e, -EINVAL, "more than %d kinds", LABELS_MOST_KINDS);
	}
	name = text_kept(l, &in.id);
	entry_put(l, name, in.id.n, label);
	return 0;
}

/* ---- the file ---- */

/* Whole lines of at[0..*n); what is left of the last one moves to the front. */
static int lines_take(struct labels *l, const struct labels_fields *fields, char *at, size_t *n, size_t *number, struct error *e)
{
	char *from = at, *newline;

	while ((newline = memchr(from, '\n', *n - (size_t)(from - at)))) {
		++*number;
		if (line_take(l, fields, from, e)) {
			error_prefix(e, "line %zu", *number);
			return -EINVAL;
		}
		from = newline + 1;
	}
	*n -= (size_t)(from - at);
	memmove(at, from, *n);
	return *n > LINE_MOST ? error_set(e, -EINVAL, "line %zu: longer than %d bytes", *number + 1, LINE_MOST) : 0;
}

static int file_take(struct labels *l, struct archive *a, const struct labels_fields *fields, struct error *e)
{
	char *at = mem_zero(LINE_MOST + READ_BYTES + 1 + JSON_PAD, 1);
	size_t n = 0, number = 0;
	ssize_t got;
	int status = 0;

	while (!status && (got = archive_read(a, at + n, READ_BYTES, e)) != 0) {
		if (got < 0) {
			status = (int)got;
			break;
		}
		n += (size_t)got;
		status = lines_take(l, fields, at, &n, &number, e);
	}
	if (!status && n) {
		at[n++] = '\n';
		status = lines_take(l, fields, at, &n, &number, e);
	}
	free(at);
	return status;
}

int labels_read(const char *path, const struct labels_fields *fields, struct labels **ret, struct error *e)
{
	struct labels *l = mem_zero(1, sizeof *l);
	struct archive *a = NULL;
	int status;

	json_begin();
	l->arena = arena_open();
	status = archive_open(path, &a, e);
	if (!status) {
		status = file_take(l, a, fields, e);
		if (status == -EINVAL)
			error_prefix(e, "%s", path);
	}
	archive_close(a);
	if (status) {
		labels_close(l);
		return status;
	}
	*ret = l;
	return 0;
}

void labels_close(struct labels *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_kinds; i++)
		free(l->kinds[i]);
	arena_close(l->arena);
	free(l->words);
	free(l->word_index);
	free(l->index);
	free(l->at);
	free(l);
}

size_t labels_n_kinds(const struct labels *l)
{
	return l->n_kinds;
}

const char *labels_kind(const struct labels *l, size_t kind)
{
	return l->kinds[kind];
}

const char *labels_word(const struct labels *l, size_t word)
{
	return l->words[word];
}
