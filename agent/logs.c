/* SPDX-License-Identifier: Apache-2.0
 * Logs as chunks. Each log keeps the bytes behind the last whole record until the next read. The chunk that is taken next
 * comes from the log whose unread records are the oldest. */
#include "logs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "input/archive.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 512 * 1024, MOST_THREADS = 64 };

struct one_log {
	const char *path;
	size_t source, longest;
	bool serial;            /* only the decoder knows where records end: one chunk at a time */
	struct archive *archive;
	char *at;               /* bytes read and not yet handed out */
	size_t n, room;
	uint64_t offset;        /* of at[0], decompressed */
	bool skipping, ended;
	int64_t next_us;        /* event time of the first record not yet handed out */
	int64_t undone_us;      /* of the first record not yet done with */
	size_t out;             /* chunks handed out and not yet done */
};

struct logs {
	struct pipeline *pipeline;
	struct one_log *at;
	size_t n;
};

static void log_room(struct one_log *l, size_t room)
{
	if (room <= l->room)
		return;
	l->at = mem_grow(l->at, room, 1);
	l->room = room;
}

/* Read on until `want` bytes are held or the log ends. */
static int log_fill(struct one_log *l, size_t want, struct error *e)
{
	log_room(l, want);
	while (!l->ended && l->n < want) {
		ssize_t got = archive_read(l->archive, l->at + l->n, l->room - l->n, e);

		if (got < 0)
			return (int)got;
		l->ended = got == 0;
		l->n += (size_t)got;
	}
	return 0;
}

static bool log_empty(const struct one_log *l)
{
	return l->ended && !l->n;
}

int logs_also(struct logs *l, size_t source, const char *path, struct error *e)
{
	const struct decode_options *o = pipeline_decode_options(l->pipeline, source);
	struct one_log *log;
	int status;

	l->at = mem_grow(l->at, l->n + 1, sizeof *l->at);
	log = &l->at[l->n++];
	*log = (struct one_log){.path = path, .source = source, .longest = o->longest, .serial = o->format != FORMAT_JSONL};
	status = archive_open(path, &log->archive, e);
	if (!status)
		status = log_fill(log, CHUNK_BYTES, e);
	if (!status)
		log->next_us = log->undone_us = pipeline_peek(l->pipeline, source, log->at, log->n);
	return status;
}

int logs_open(struct pipeline *p, size_t source, const char *const *paths, size_t n, struct logs **ret, struct error *e)
{
	struct logs *l = mem_zero(1, sizeof *l);
	int status = 0;

	*l = (struct logs){.pipeline = p};
	for (size_t i = 0; i < n && !status; i++)
		status = logs_also(l, source, paths[i], e);
	if (status) {
		logs_close(l);
		return status;
	}
	*ret = l;
	return 0;
}

void logs_close(struct logs *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		archive_close(l->at[i].archive);
		free(l->at[i].at);
	}
	free(l->at);
	free(l);
}

static struct one_log *log_oldest(struct logs *l)
{
	struct one_log *oldest = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (!log_empty(&l->at[i]) && (!oldest || l->at[i].next_us < oldest->next_us))
			oldest = &l->at[i];
	return oldest;
}

/* Bytes to hand out now: up to the last newline; all there is when only the decoder can tell, or at the end. */
static int log_cut(const struct logs *l, struct one_log *log, size_t *ret_n, struct error *e)
{
	size_t whole;
	int status = log_fill(log, CHUNK_BYTES, e);

	while (!status) {
		whole = pipeline_whole(l->pipeline, log->source, log->at, log->n);
		*ret_n = whole && !log->ended ? whole : log->n;
		if (whole || log->serial || log->ended || log->n > log->longest)
			return 0;
		status = log_fill(log, log->n * 2, e);
	}
	return status;
}

/* Where the log stands in time behind this chunk; a single log needs no order. */
static int log_time(struct logs *l, struct one_log *log, struct chunk *c, struct error *e)
{
	int status = l->n > 1 ? log_fill(log, CHUNK_BYTES, e) : 0;
	int64_t us = l->n > 1 && !status ? pipeline_peek(l->pipeline, log->source, log->at, log->n) : TIME_NONE;

	if (us != TIME_NONE)
		log->next_us = us;
	c->next_us = log->next_us;
	return status;
}

int logs_next(struct logs *l, struct chunk **ret, struct error *e)
{
	struct one_log *log = log_oldest(l);
	struct chunk *c;
	size_t n;
	int status;

	*ret = NULL;
	if (!log)
		return 0;
	if (log->out && (log->serial || log->skipping || log->n > log->longest))
		return -EAGAIN;
	status = log_cut(l, log, &n, e);
	if (status)
		return status;
	if (!n)
		return logs_next(l, ret, e);
	c = chunk_take(l->pipeline, log->source, n);
	memcpy(c->at, log->at, n);
	c->n = n;
	c->file = log;
	c->path = log->path;
	c->offset = log->offset;
	c->skipping = log->skipping;
	c->final = log->ended && n == log->n;
	memmove(log->at, log->at + n, log->n - n);
	log->n -= n;
	log->offset += n;
	log->out++;
	*ret = c;
	return log_time(l, log, c, e);
}

int64_t logs_hold(const struct logs *l, const struct chunk *c)
{
	int64_t hold = INT64_MAX;

	for (size_t i = 0; i < l->n; i++) {
		const struct one_log *other = &l->at[i];

		if (other != c->file && other->undone_us != TIME_NONE && (!log_empty(other) || other->out) && other->undone_us < hold)
			hold = other->undone_us;
	}
	return hold;
}

/* What the decoder left behind goes back to the front. */
static void log_give_back(struct one_log *log, const struct chunk *c)
{
	size_t left = c->n - c->decoded.consumed;

	if (!left)
		return;
	log_room(log, log->n + left);
	memmove(log->at + left, log->at, log->n);
	memcpy(log->at, c->at + c->decoded.consumed, left);
	log->n += left;
	log->offset -= left;
}

void logs_done(struct logs *l, struct chunk *c)
{
	struct one_log *log = c->file;

	log->out--;
	if (log->serial || c->decoded.skipping || c->skipping || c->decoded.consumed != c->n) {
		assert(!log->out || c->decoded.consumed == c->n);
		log_give_back(log, c);
		log->skipping = c->decoded.skipping;
	}
	log->undone_us = c->next_us;
	chunk_give(l->pipeline, c);
}

/* Work on several chunks at once: a ring of slots, each with a thread; applied in the order in which they were read. */

struct slot {
	pthread_t thread;
	struct pipeline *pipeline;
	struct chunk *chunk;
};

static void *slot_work(void *context)
{
	struct slot *s = context;

	pipeline_work(s->pipeline, s->chunk);
	return NULL;
}

static void slot_start(struct slot *s, struct pipeline *p, struct chunk *c, bool alone)
{
	int status;

	*s = (struct slot){.pipeline = p, .chunk = c};
	if (alone) {
		slot_work(s);
		return;
	}
	status = pthread_create(&s->thread, NULL, slot_work, s);
	assert(!status);
}

static void slot_finish(struct slot *s, struct logs *l, bool alone)
{
	if (!alone)
		pthread_join(s->thread, NULL);
	pipeline_apply(s->pipeline, s->chunk, logs_hold(l, s->chunk));
	logs_done(l, s->chunk);
}

int logs_run(struct logs *l, struct pipeline *p, long threads, struct error *e)
{
	struct slot slots[MOST_THREADS];
	size_t first = 0, n = 0, most = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : (size_t)threads;
	int status;

	for (;;) {
		struct chunk *c = NULL;

		status = n < most ? logs_next(l, &c, e) : -EAGAIN;
		if (c) {
			slot_start(&slots[(first + n++) % most], p, c, most == 1);
		} else if (n) {
			slot_finish(&slots[first], l, most == 1);
			first = (first + 1) % most;
			n--;
		} else {
			return status;
		}
		if (status && status != -EAGAIN && !n)
			return status;
	}
}
