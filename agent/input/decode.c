/* SPDX-License-Identifier: Apache-2.0
 * A chunk of a log, record by record, with its books: every byte handed over is under one heading, whatever stands in it.
 *
 *     chunk   [ ...rest of a record too long | line | line | ... | line | unfinished ]
 *              skipping                        read in place       copied  left for the next chunk, or final
 *
 * The reader looks past the end of what it reads (json.h), so the last lines of a chunk are read from a copy with room behind
 * it; text is then moved back by a constant distance, because a batch points into the chunk. What a record becomes does not depend on how
 * the log was cut into chunks. */
#include "input/decode_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define CELLS_KEPT ((size_t)1 << 20) /* of a batch, from chunk to chunk: 9 to 25 MB */
#define LONGEST_MOST ((size_t)1 << 30)

const char *const format_words[FORMAT_N] = {[FORMAT_JSONL] = "jsonl", [FORMAT_MSGPACK] = "msgpack"};

/* ---- decoded ---- */

void decoded_init(struct decoded *d)
{
	*d = (struct decoded){.first_us = TIME_NONE, .newest_us = TIME_NONE};
}

/* One that thousands of names have made large, each of them in few rows, is not kept. */
static bool oversized(const struct batch *b)
{
	return (b->features.n + b->tags.n + b->metrics.n) * b->room > CELLS_KEPT;
}

void decoded_reset(struct decoded *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_batches; i++) {
		if (oversized(d->batches[i])) {
			batch_close(d->batches[i]);
			continue;
		}
		batch_reset(d->batches[i]);
		d->batches[n++] = d->batches[i];
	}
	d->n_batches = n;
	d->n_rejects = 0;
	d->counts = (struct counts){0};
	d->consumed = 0;
	d->skipping = false;
	d->first_us = d->newest_us = TIME_NONE;
}

void decoded_done(struct decoded *d)
{
	for (size_t i = 0; i < d->n_batches; i++)
		batch_close(d->batches[i]);
	free(d->batches);
	free(d->rejects);
	decoded_init(d);
}

void decoded_more(struct decoded *d, enum reject_reason reason, size_t n)
{
	d->counts.read.bytes += (int64_t)n;
	d->counts.rejected[reason].bytes += (int64_t)n;
}

void decoded_taken(struct decoded *d, size_t n)
{
	d->counts.read.records++;
	d->counts.read.bytes += (int64_t)n;
}

/* Room for rejects doubles from 16 up to the most that are kept. */
static struct reject *reject_room(struct decoded *d)
{
	if (d->n_rejects == DECODED_REJECTS_MOST)
		return NULL;
	if (!d->rejects || (d->n_rejects >= 16 && !(d->n_rejects & (d->n_rejects - 1))))
		d->rejects = mem_grow(d->rejects, d->n_rejects < 16 ? 16 : 2 * d->n_rejects, sizeof *d->rejects);
	return &d->rejects[d->n_rejects++];
}

void decoded_reject(struct decoded *d, const char *at, uint64_t offset, size_t n, size_t there, enum reject_reason reason,
	const char *format, ...)
{
	struct reject *r;
	va_list args;

	d->counts.read.records++;
	d->counts.rejected[reason].records++;
	decoded_more(d, reason, n);
	if (reason == REJECT_BLANK || !(r = reject_room(d)))
		return;
	*r = (struct reject){.offset = offset, .length = there, .at = at, .reason = reason};
	r->kept = (uint32_t)(there < DECODE_KEPT_MOST ? there : DECODE_KEPT_MOST);
	va_start(args, format);
	vsnprintf(r->why, sizeof r->why, format, args);
	va_end(args);
}

/* ---- decoder ---- */

struct decoder *decoder_open(const struct decode_options *options)
{
	struct decoder *d = mem_zero(1, sizeof *d);

	d->options = *options;
	for (size_t i = 0; i < FIELD_N; i++)
		d->options.pointer[i] = mem_copy_text(options->pointer[i]);
	d->options.model = mem_copy_text(options->model);
	d->options.version = mem_copy_text(options->version);
	if (!d->options.longest || d->options.longest > LONGEST_MOST)
		d->options.longest = d->options.longest ? LONGEST_MOST : DECODE_OPTIONS.longest;
	if (!d->options.deepest || d->options.deepest > JSON_DEEPEST)
		d->options.deepest = d->options.deepest ? JSON_DEEPEST : DECODE_OPTIONS.deepest;
	if (!d->options.most_columns)
		d->options.most_columns = DECODE_OPTIONS.most_columns;
	d->places = places_open(&d->options);
	row_open(&d->row, &d->options);
	json_reader_open(&d->json, &d->row, d->places, d->options.deepest);
	return d;
}

void decoder_close(struct decoder *d)
{
	if (!d)
		return;
	json_reader_done(&d->json);
	row_done(&d->row);
	places_close(d->places);
	buf_done(&d->line);
	for (size_t i = 0; i < FIELD_N; i++)
		free(d->options.pointer[i]);
	free(d->options.model);
	free(d->options.version);
	free(d);
}

void decoder_shape(struct decoder *d, const char *model, const char *version, size_t n_logits, size_t n_embedding)
{
	struct row_stream *s = row_stream_tell(&d->row, model, strlen(model), version, strlen(version));

	s->n_logits = n_logits ? n_logits : s->n_logits;
	s->n_embedding = n_embedding ? n_embedding : s->n_embedding;
}

/* ---- lines ---- */

/* Where lines are read from: the chunk itself, or a copy of its end. */
struct lines {
	struct decoder *d;
	struct decoded *to;
	const char *at;        /* first byte of what is read */
	const char *chunk;     /* the same byte in the chunk */
	uint64_t offset;       /* of that byte in the file */
	size_t n;              /* bytes of it that are in the chunk */
};

static const char *found(char c, char *to, size_t n)
{
	if (c == '\n')
		return "the end of the line";
	if (c >= ' ' && c < 127)
		snprintf(to, n, "'%c'", c);
	else
		snprintf(to, n, "byte 0x%02X", (unsigned char)c);
	return to;
}

/* Bytes of a line in the file: without the newline lent to the last one. */
static size_t line_length(const struct lines *l, const char *line, const char *newline)
{
	size_t begin = (size_t)(line - l->at), end = (size_t)(newline - l->at) + 1;

	return (end < l->n ? end : l->n) - begin;
}

static bool unfinished(const struct lines *l, const char *newline)
{
	return (size_t)(newline - l->at) >= l->n;
}

/* How long it is in all may not be known yet, so it is not told. */
static void too_long(const struct decoder *d, struct decoded *to, const char *at, uint64_t offset, size_t n)
{
	decoded_reject(to, at, offset, n, d->options.longest, REJECT_TOO_LONG, "longer than %zu bytes", d->options.longest);
}

static void line_reject(const struct lines *l, const char *line, const char *newline, enum reject_reason reason, const char *why)
{
	size_t n = line_length(l, line, newline), at = (size_t)(line - l->at);

	if (n > l->d->options.longest)
		too_long(l->d, l->to, l->chunk + at, l->offset + at, n);
	else
		decoded_reject(l->to, l->chunk + at, l->offset + at, n, n, reason, "%s", why);
}

/* A line that the reader gave up on. Returns behind it. */
static const char *line_broken(const struct lines *l, const char *line)
{
	static const enum reject_reason reasons[] = {[JSON_SYNTAX] = REJECT_SYNTAX, [JSON_UTF8] = REJECT_UTF8,
		[JSON_DEEP] = REJECT_TOO_DEEP};
	const struct json *j = &l->d->json.json;
	const char *newline = memchr(j->at, '\n', (size_t)(l->at + l->n + 1 - j->at));
	char why[96], byte[16];

	if (!newline) /* in place there is one; in a copy one was put behind it */
		newline = l->at + l->n;
	snprintf(why, sizeof why, "byte %zu: expected %s, found %s", (size_t)(j->at - line) + 1, j->expected,
		found(*j->at, byte, sizeof byte));
	line_reject(l, line, newline, j->wrong != JSON_DEEP && unfinished(l, newline) ? REJECT_PARTIAL : reasons[j->wrong], why);
	return newline + 1;
}

static const char *blank_end(const char *p)
{
	while (!*p || *p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

/* The record's own bytes, without blanks around it. */
static const char *line_value(const struct lines *l, const char *line)
{
	if (!l->offset && line == l->at && !memcmp(line, "\xEF\xBB\xBF", 3))
		line += 3;
	return blank_end(line);
}

static const char *line_not_object(const struct lines *l, const char *line, const char *value)
{
	struct json *j = &l->d->json.json;
	const char *end;

	j->depth = 0;
	j->wrong = JSON_FINE;
	end = json_skip(j, value);
	end = end ? json_blanks(end) : NULL;
	if (end && *end != '\n')
		end = json_fault(j, end, JSON_SYNTAX, "the end of the line");
	if (!end)
		return line_broken(l, line);
	line_reject(l, line, end, REJECT_NOT_OBJECT, "a value, but not an object");
	return end + 1;
}

/* Read the object at `value` into the row; behind it, at its newline. */
static const char *line_object(const struct lines *l, const char *value)
{
	const char *end = json_reader_object(&l->d->json, value), *newline;

	if (!end)
		return NULL;
	newline = json_blanks(end);
	return *newline == '\n' ? newline : json_fault(&l->d->json.json, newline, JSON_SYNTAX, "the end of the line");
}

static const char *line_read(const struct lines *l, const char *line)
{
	struct row *row = &l->d->row;
	const char *value = line_value(l, line), *newline;
	enum row_end end;
	size_t length;

	if (*value == '\n') {
		line_reject(l, line, value, REJECT_BLANK, "blank");
		return value + 1;
	}
	if (*value != '{')
		return line_not_object(l, line, value);
	row->line = line;
	row_begin(row);
	if (!(newline = line_object(l, value)))
		return line_broken(l, line);
	length = line_length(l, line, newline);
	if (length > l->d->options.longest) {
		line_reject(l, line, newline, REJECT_TOO_LONG, "");
		return newline + 1;
	}
	for (;;) {
		const char *last = newline;

		while (last[-1] != '}')
			last--;
		end = row_end(row, value, (size_t)(last - value), l->offset + (uint64_t)(line - l->at), (uint32_t)length);
		if (end != ROW_AGAIN)
			break;
		row_again(row);
		line_object(l, value);
	}
	if (end == ROW_TAKEN)
		decoded_taken(l->to, length);
	else
		line_reject(l, line, newline, row->fault, row->why);
	return newline + 1;
}

/* Every line that ends in at[0..n), which is followed by JSON_PAD readable bytes. */
static void lines_read(struct lines l, size_t n)
{
	const char *p = l.at, *end = l.at + n;

	l.d->row.shift = l.chunk - l.at;
	l.d->json.json.begin = l.at;
	while (p < end)
		p = line_read(&l, p);
}

/* From a copy, with a newline lent to the last line where it lacks one. */
static void lines_copied(struct lines l, size_t n)
{
	struct buf *copy = &l.d->line;
	char *pad;

	if (!n)
		return;
	buf_clear(copy);
	buf_put(copy, l.at, n);
	pad = buf_reserve(copy, JSON_PAD + 1);
	memset(pad, 0, JSON_PAD + 1);
	*pad = '\n';
	l.at = copy->at;
	l.n = n;
	lines_read(l, n);
}

static size_t lines_end(const char *at, size_t n)
{
	const char *newline = n ? memrchr(at, '\n', n) : NULL;

	return newline ? (size_t)(newline - at) + 1 : 0;
}

/* The rest of a line that was too long when the chunk before ended. */
static size_t line_skip(const char *at, size_t n, bool final, struct decoded *to)
{
	const char *newline = n ? memchr(at, '\n', n) : NULL;
	size_t skipped = newline ? (size_t)(newline - at) + 1 : n;

	decoded_more(to, REJECT_TOO_LONG, skipped);
	to->skipping = !newline && !final;
	return skipped;
}

static void lines_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to)
{
	size_t done = skipping ? line_skip(at, n, final, to) : 0;
	size_t whole = done + lines_end(at + done, n - done);
	size_t safe = n > JSON_PAD + done ? done + lines_end(at + done, n - JSON_PAD - done) : done;
	struct lines l = {d, to, at + done, at + done, offset + done, n - done};

	lines_read(l, safe - done);
	l = (struct lines){d, to, at + safe, at + safe, offset + safe, 0};
	lines_copied(l, (final ? n : whole) - safe);
	to->consumed = final ? n : whole;
	if (!final && n - whole > d->options.longest) {
		too_long(d, to, at + whole, offset + whole, n - whole);
		to->consumed = n;
		to->skipping = true;
	}
}

/* Batches with rows first; their order is otherwise kept. */
static void batches_order(struct decoded *to)
{
	size_t with = 0;

	for (size_t i = 0; i < to->n_batches; i++)
		if (to->batches[i]->n) {
			struct batch *b = to->batches[i];

			memmove(to->batches + with + 1, to->batches + with, (i - with) * sizeof(struct batch *));
			to->batches[with++] = b;
		}
}

void decoder_run(struct decoder *d, const char *at, size_t n, uint64_t offset, bool skipping, bool final, struct decoded *to)
{
	row_to(&d->row, to);
	to->skipping = false;
	if (d->options.format == FORMAT_JSONL)
		lines_run(d, at, n, offset, skipping, final, to);
	else
		msgpack_run(d, at, n, offset, skipping, final, to);
	batches_order(to);
}
