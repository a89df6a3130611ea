/* SPDX-License-Identifier: Apache-2.0
 * oodd eval: when something moved, as a file or a command line says it. */
#include "command_eval.h"

#include "walk.h"
#include "base/clock.h"
#include "base/mem.h"
#include "input/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 16 << 20, READ_BYTES = 1 << 16, DEEPEST = 64 };

/* A whole document as json.h wants it: one line, padded. */
static int document_read(const char *path, struct buf *ret, struct error *e)
{
	struct archive *a = NULL;
	ssize_t got = 0;
	int status = archive_open(path, &a, e);

	while (!status && (got = archive_read(a, buf_reserve(ret, READ_BYTES), READ_BYTES, e)) > 0) {
		buf_wrote(ret, (size_t)got);
		if (ret->n > FILE_MOST)
			status = error_set(e, -EFBIG, "%s: more than %d bytes", path, FILE_MOST);
	}
	archive_close(a);
	for (size_t i = 0; i < ret->n; i++)
		if (ret->at[i] == '\n')
			ret->at[i] = ' ';
	buf_put(ret, "\n", 1);
	memset(buf_reserve(ret, JSON_PAD), 0, JSON_PAD);
	return status ? status : got < 0 ? (int)got : 0;
}

struct reading {
	struct eval_streams *to;
	struct eval_phase phase; /* the one that is read */
	const char *wrong;       /* static */
};

static const char *read_text(struct reading *r, struct json *j, const char *p, struct json_text *ret)
{
	if (*p == '"')
		return json_string(j, p + 1, ret);
	r->wrong = "\"phase\" and \"first_ts\" are texts";
	return json_skip(j, p);
}

static const char *phase_member(void *context, struct json *j, struct json_text key, const char *p)
{
	struct reading *r = context;
	struct json_text text = {0};
	double row;

	if (walk_is(key, "phase")) {
		p = read_text(r, j, p, &text);
		if (p && text.at) {
			free(r->phase.name);
			r->phase.name = walk_text(text);
		}
		return p;
	}
	if (walk_is(key, "first_ts")) {
		p = read_text(r, j, p, &text);
		if (p && text.at && time_parse(text.at, text.n, &r->phase.start_us))
			r->wrong = "a \"first_ts\" that is no RFC 3339 time";
		return p;
	}
	if (!walk_is(key, "first_row") || json_kinds[(unsigned char)*p] != JSON_NUMBER)
		return json_skip(j, p);
	p = json_number(j, p, &row);
	r->phase.first_row = row >= 0 && row < 1e15 ? (int64_t)row : -1;
	return p;
}

static struct eval_phase *phase_add(struct eval_streams *to, struct eval_phase phase)
{
	to->phases = mem_grow(to->phases, to->n_phases + 1, sizeof *to->phases);
	to->phases[to->n_phases] = phase;
	return &to->phases[to->n_phases++];
}

static const char *phase_read(void *context, struct json *j, const char *p)
{
	struct reading *r = context;

	r->phase = (struct eval_phase){.first_row = -1, .start_us = TIME_NONE, .end_us = INT64_MAX};
	p = walk_object(j, p, phase_member, r);
	if (p && !r->wrong && !r->phase.name)
		r->wrong = "a phase without a \"phase\"";
	if (p && !r->wrong && r->phase.start_us == TIME_NONE && r->phase.first_row < 0)
		r->wrong = "a phase with neither \"first_ts\" nor \"first_row\"";
	r->phase.shifted = r->phase.name && strcmp(r->phase.name, "clean") != 0;
	/* By time where there is one: rows that the decoder refused would shift the others. */
	if (r->phase.start_us != TIME_NONE)
		r->phase.first_row = -1;
	phase_add(r->to, r->phase);
	return p;
}

static const char *document_member(void *context, struct json *j, struct json_text key, const char *p)
{
	return walk_is(key, "phases") ? walk_array(j, p, phase_read, context) : json_skip(j, p);
}

/* Every phase ends where the next begins. -EINVAL: not in order. */
static int phases_chain(struct eval_streams *to, struct error *e)
{
	for (size_t i = 1; i < to->n_phases; i++) {
		struct eval_phase *a = &to->phases[i - 1], *b = &to->phases[i];

		if ((a->first_row < 0) != (b->first_row < 0))
			return error_set(e, -EINVAL, "phases \"%s\" and \"%s\": one by time, one by row", a->name, b->name);
		if (a->first_row >= 0 ? b->first_row <= a->first_row : b->start_us <= a->start_us)
			return error_set(e, -EINVAL, "phase \"%s\" does not begin after \"%s\"", b->name, a->name);
		a->end_us = b->start_us;
	}
	return 0;
}

int eval_phases_read(const char *path, struct eval_streams *to, struct error *e)
{
	struct buf text = BUF_EMPTY;
	struct reading r = {.to = to};
	struct json j = {.deepest = DEEPEST};
	const char *p;
	int status = document_read(path, &text, e);

	json_begin();
	if (!status) {
		j.begin = text.at;
		p = walk_object(&j, json_blanks(text.at), document_member, &r);
		if (!p)
			status = error_set(e, -EINVAL, "%s: not JSON: expected %s at byte %td", path, j.expected, j.at - text.at);
		else if (r.wrong)
			status = error_set(e, -EINVAL, "%s: %s", path, r.wrong);
		else if (!to->n_phases)
			status = error_set(e, -EINVAL, "%s: no \"phases\" in it", path);
		else if ((status = phases_chain(to, e)))
			error_prefix(e, "%s", path);
	}
	buf_done(&text);
	return status;
}

int eval_phases_changes(const char *const *texts, size_t n, struct eval_streams *to, struct error *e)
{
	phase_add(to, (struct eval_phase){.name = mem_copy_text("clean"), .first_row = -1, .start_us = INT64_MIN + 1, .end_us = INT64_MAX});
	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(texts[i], '='), *time = equals ? equals + 1 : texts[i];
		struct eval_phase phase = {.shifted = true, .first_row = -1, .end_us = INT64_MAX};

		if (time_parse(time, strlen(time), &phase.start_us))
			return error_set(e, -EINVAL, "--change: expected an RFC 3339 time or NAME=TIME, found '%s'", texts[i]);
		phase.name = equals ? mem_copy_span(texts[i], (size_t)(equals - texts[i])) : mem_format("change %s", texts[i]);
		phase_add(to, phase);
	}
	return phases_chain(to, e);
}
