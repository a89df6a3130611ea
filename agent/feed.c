/* SPDX-License-Identifier: Apache-2.0
 * At most two chunks of a source are under way at a time, so memory is bounded and the log itself is the queue. The pool may
 * finish them in any order; a queue keeps the order in which they were read, across all sources, and only its head is applied. */
#include "feed.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 512 * 1024, CHUNKS_PER_SOURCE = 2 };

struct job {
	uv_work_t work;
	struct feed *feed;
	struct inlet *inlet;
	struct chunk *chunk;
	struct tail_mark mark;   /* when the cut was known before decoding */
	bool taken, done;
	int64_t head_us;         /* no record of it is older, as far as was known when it was read */
	struct job *next;
};

/* One source. */
struct inlet {
	struct feed *feed;
	struct tail *tail;
	size_t source;
	bool labels;
	size_t under_way;
	uint64_t truncated_said, truncations_said; /* of tail_stats, already in the counts */
	size_t chunk_bytes;
};

struct feed {
	uv_loop_t *loop;
	struct pipeline *pipeline;
	struct inlet *inlets;
	size_t n_inlets;
	struct job *first, **last;
	size_t under_way;
	bool paused;
	void (*on_applied)(void *context);
	void *context;
};

static void feed_pump(struct feed *f);

static void on_ready(void *context)
{
	feed_pump(((struct inlet *)context)->feed);
}

static int inlet_open(struct inlet *in, const struct source_config *s, const struct feed_options *feed, struct error *e)
{
	struct position *ours = mem_zero(feed->n_known, sizeof *ours);
	size_t n = 0;
	struct tail_options o = {
		.source = s->name, .globs = (const char *const *)s->paths, .n_globs = s->n_paths,
		.excludes = (const char *const *)s->exclude, .n_excludes = s->n_exclude, .poll_us = s->poll_us,
		.partial_us = s->partial_us, .binary = s->decode.format != FORMAT_JSONL,
		.follow_symlinks = s->follow_symlinks, .rebooted = feed->rebooted,
	};
	int status;

	for (size_t i = 0; i < feed->n_known; i++)
		if (!strcmp(feed->known[i].source, s->name))
			ours[n++] = feed->known[i];
	o.from_end = s->from_end && !n;
	status = tail_open(feed->loop, &o, ours, n, on_ready, in, &in->tail, e);
	free(ours);
	return status;
}

int feed_open(const struct feed_options *o, struct feed **ret, struct error *e)
{
	const struct config *config = o->config;
	struct feed *f = mem_zero(1, sizeof *f);

	*f = (struct feed){.loop = o->loop, .pipeline = o->pipeline, .on_applied = o->on_applied, .context = o->context, .paused = true};
	f->last = &f->first;
	f->inlets = mem_zero(config->n_sources, sizeof *f->inlets);
	for (; f->n_inlets < config->n_sources; f->n_inlets++) {
		struct inlet *in = &f->inlets[f->n_inlets];
		const struct source_config *s = &config->sources[f->n_inlets];
		size_t longest = s->decode.longest;
		int status;

		*in = (struct inlet){.feed = f, .source = f->n_inlets, .labels = s->kind == SOURCE_LABELS, .chunk_bytes = longest > CHUNK_BYTES ? longest : CHUNK_BYTES};
		status = inlet_open(in, s, o, e);
		if (status) {
			error_prefix(e, "%s: source \"%s\"", s->where, s->name);
			feed_close(f);
			return status;
		}
	}
	*ret = f;
	return 0;
}

void feed_close(struct feed *f)
{
	if (!f)
		return;
	assert(!f->under_way);
	for (size_t i = 0; i < f->n_inlets; i++)
		tail_close(f->inlets[i].tail);
	free(f->inlets);
	free(f);
}

void feed_pause(struct feed *f)
{
	f->paused = true;
}

void feed_resume(struct feed *f)
{
	f->paused = false;
	feed_pump(f);
}

size_t feed_under_way(const struct feed *f)
{
	return f->under_way;
}

bool feed_quiet(const struct feed *f)
{
	for (size_t i = 0; i < f->n_inlets; i++)
		if (tail_next(f->inlets[i].tail))
			return false;
	return !f->paused && !f->under_way;
}

/* The oldest event time that may still come from other files than this job's, unread or under way. */
static int64_t feed_hold(struct feed *f, const struct job *j)
{
	int64_t hold = INT64_MAX;

	for (size_t i = 0; i < f->n_inlets; i++) {
		int64_t us = tail_pending_oldest(f->inlets[i].tail, j->chunk->file);

		hold = us < hold ? us : hold;
	}
	for (const struct job *other = j->next; other; other = other->next)
		if (other->chunk->file != j->chunk->file && other->head_us != TIME_NONE && other->head_us < hold)
			hold = other->head_us;
	return hold;
}

static void job_apply(struct feed *f, struct job *j)
{
	struct chunk *c = j->chunk;
	const struct decoded *d = &c->decoded;

	c->path = tail_file_path(c->file); /* it may have been renamed meanwhile */
	pipeline_apply(f->pipeline, c, feed_hold(f, j));
	if (!j->taken)
		j->mark = tail_file_take(c->file, c->at, d->consumed, d->skipping, d->newest_us);
	j->mark.newest_us = d->newest_us;
	tail_advance(&j->mark);
	if (d->newest_us != TIME_NONE)
		tail_file_time_set(c->file, d->newest_us);
	j->inlet->under_way--;
	f->under_way--;
	chunk_give(f->pipeline, c);
	free(j);
}

/* Records that waited for a reference: their own order is all they need, so they pass the queue by. */
static void behind_worked(uv_work_t *work, int status)
{
	struct job *j = work->data;
	struct feed *f = j->feed;

	assert(!status);
	pipeline_apply_behind(f->pipeline, j->chunk);
	chunk_give(f->pipeline, j->chunk);
	free(j);
	f->under_way--;
	feed_pump(f);
	f->on_applied(f->context);
}

static void job_work(uv_work_t *work)
{
	struct job *j = work->data;

	pipeline_work(j->feed->pipeline, j->chunk);
}

static void job_worked(uv_work_t *work, int status)
{
	struct job *done = work->data;
	struct feed *f = done->feed;

	assert(!status);
	done->done = true;
	while (f->first && f->first->done) {
		struct job *j = f->first;

		f->first = j->next;
		if (!f->first)
			f->last = &f->first;
		job_apply(f, j);
	}
	feed_pump(f);
	/* Last, because whoever is told may close the feed. */
	f->on_applied(f->context);
}

static void job_start(struct inlet *in, struct chunk *c, struct tail_file *file)
{
	struct feed *f = in->feed;
	struct job *j = mem_zero(1, sizeof *j);
	size_t whole = pipeline_whole(f->pipeline, in->source, c->at, c->n);

	*j = (struct job){.feed = f, .inlet = in, .chunk = c, .head_us = tail_file_time(file)};
	j->work.data = j;
	/* Where the records end is known without decoding: the file is free for its next chunk at once. */
	if (whole && !c->final && !c->skipping) {
		c->n = whole;
		j->mark = tail_file_take(file, c->at, whole, false, TIME_NONE);
		j->taken = true;
	}
	*f->last = j;
	f->last = &j->next;
	in->under_way++;
	f->under_way++;
	uv_queue_work(f->loop, &j->work, job_work, job_worked);
}

/* Without a time the order between files is not known: look at the first record, then ask again which file is the oldest. False
 * when the time was known, or the first record has none. */
static bool file_peeked(struct inlet *in, struct tail_file *file, const char *at, size_t n)
{
	int64_t us;

	if (tail_file_time(file) != TIME_NONE)
		return false;
	us = pipeline_peek(in->feed->pipeline, in->source, at, n);
	if (us == TIME_NONE)
		return false;
	tail_file_time_set(file, us);
	tail_file_busy_set(file, false);
	return true;
}

/* Labels are read no further than records: what comes too early must wait in memory. */
static bool too_early(const struct inlet *in, const struct tail_file *file)
{
	const struct feed *f = in->feed;
	int64_t now = tail_file_time(file);

	if (!in->labels || now == TIME_NONE)
		return false;
	for (size_t i = 0; i < f->n_inlets; i++)
		for (struct tail_file *other = NULL; !f->inlets[i].labels && (other = tail_pending(f->inlets[i].tail, other));)
			if (tail_file_time(other) != TIME_NONE && tail_file_time(other) < now)
				return true;
	return false;
}

/* One chunk of the oldest file; false when there is nothing to read now. */
static bool inlet_read(struct inlet *in)
{
	struct tail_file *file = tail_next(in->tail);
	struct error e = {0};
	struct chunk *c;
	ssize_t n;

	if (!file || too_early(in, file))
		return false;
	c = chunk_take(in->feed->pipeline, in->source, in->chunk_bytes);
	tail_file_busy_set(file, true);
	n = tail_file_read(file, c->at, c->room, &e);
	if (n < 0)
		log_error("feed", "file cannot be read; it is tried again later", "path", log_s(tail_file_path(file)), "error", log_s(e.text));
	if (n <= 0 || file_peeked(in, file, c->at, (size_t)n)) {
		chunk_give(in->feed->pipeline, c);
		return n >= 0;
	}
	c->n = (size_t)n;
	c->file = file;
	c->offset = tail_file_cursor(file);
	c->skipping = tail_file_skipping(file);
	c->final = tail_file_final(file) && tail_file_unread(file) <= c->n;
	job_start(in, c, file);
	return true;
}

static void behind_start(struct feed *f, struct chunk *c)
{
	struct job *j = mem_zero(1, sizeof *j);

	*j = (struct job){.feed = f, .chunk = c};
	j->work.data = j;
	f->under_way++;
	uv_queue_work(f->loop, &j->work, job_work, behind_worked);
}

static void feed_pump(struct feed *f)
{
	struct chunk *c;

	if (f->paused)
		return;
	while ((c = pipeline_behind(f->pipeline)))
		behind_start(f, c);
	if (pipeline_full(f->pipeline))
		return;
	for (size_t i = 0; i < f->n_inlets; i++)
		while (f->inlets[i].under_way < CHUNKS_PER_SOURCE && inlet_read(&f->inlets[i]))
			;
}

struct saving {
	struct txn *txn;
};

static void save_position(void *context, const struct position *p)
{
	txn_put_position(((struct saving *)context)->txn, p);
}

static void drop_position(void *context, const char *source, const char *identity)
{
	txn_drop_position(((struct saving *)context)->txn, source, identity);
}

void feed_save(struct feed *f, struct txn *t)
{
	struct saving saving = {t};

	for (size_t i = 0; i < f->n_inlets; i++) {
		tail_positions(f->inlets[i].tail, save_position, &saving);
		tail_forgotten(f->inlets[i].tail, drop_position, &saving);
	}
}

void feed_counts(struct feed *f)
{
	for (size_t i = 0; i < f->n_inlets; i++) {
		struct tail_stats stats;
		struct inlet *in = &f->inlets[i];
		struct counts *c = pipeline_counts(f->pipeline, in->source);

		tail_stats(in->tail, &stats);
		c->truncated_bytes_unread += (int64_t)(stats.truncated_bytes_unread - in->truncated_said);
		c->truncations += (int64_t)(stats.truncations - in->truncations_said);
		in->truncated_said = stats.truncated_bytes_unread;
		in->truncations_said = stats.truncations;
	}
}
