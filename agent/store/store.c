/* SPDX-License-Identifier: Apache-2.0
 * One thread owns the database. The loop hands over whole transactions and readings as jobs; the
 * thread executes them in order and hands ended commits back through a uv_async.
 *
 *     loop thread                       the store's thread
 *     store_commit -> todo  ----------> commit, again and again while stalled
 *     on_ended <- uv_async <- ended <-- hooks and callbacks wait here for the loop
 *     store_commit_wait, store_each_x: the same queue, and the caller sleeps on `finished`
 *
 * A commit that cannot pass stops everything behind it: what came later may not be remembered
 * without it. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/op.h"
#include "store/place.h"

#define RETRY_US (SECOND_US / 4)
#define RETRY_MOST_US (8 * SECOND_US)
#define IDLE_US (30 * SECOND_US)
#define CHECKPOINT_BYTES ((size_t)8 << 20)

enum job_kind { JOB_COMMIT, JOB_READ, JOB_STOP };

struct job {
	struct job *next;
	enum job_kind kind;
	bool waited; /* somebody sleeps on it, and frees it; else it goes to `ended` */
	bool finished;
	int64_t patience_us; /* of a waited commit */
	int code;
	struct error why;
	struct txn *txn;
	void (*done)(void *context, int code, const char *text);
	int (*row)(void *context, const struct value *row);
	void *context;
	enum statement what; /* of a reading; its values are the caller's, who waits */
	const struct value *values;
	size_t n_values;
};

struct queue {
	struct job *first, *last;
};

struct store {
	/* Of the store's thread alone, once it runs. */
	struct db *db;
	bool checkpoint_failed; /* said once */

	/* Behind the lock. */
	uv_mutex_t lock;
	uv_cond_t changed; /* something to do, or finished, or closing */
	struct queue todo, ended;
	bool closing;
	enum store_state state;
	struct error state_why;

	/* Of the loop thread. */
	uv_thread_t thread;
	uv_async_t *async; /* freed by its close callback; NULL without a loop */
	size_t in_flight;
	enum store_state noticed;

	int fd_lock;
	bool lost;
	struct store_options o;
};

static void queue_push(struct queue *q, struct job *job)
{
	job->next = NULL;
	if (q->last)
		q->last->next = job;
	else
		q->first = job;
	q->last = job;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->first;

	if (job)
		q->first = job->next;
	if (!q->first)
		q->last = NULL;
	return job;
}

/* ---- the store's thread ---- */

static bool may_pass(int code)
{
	return code == -ENOSPC || code == -EBUSY || code == -ENOMEM;
}

static void state_set(struct store *s, enum store_state state, const char *why)
{
	enum store_state was;

	uv_mutex_lock(&s->lock);
	was = s->state;
	s->state = state;
	error_set(&s->state_why, 0, "%s", why);
	uv_mutex_unlock(&s->lock);
	if (was == state)
		return;
	if (state == STORE_WELL)
		log_info("store", "writes again");
	else if (state == STORE_STALLED)
		log_error("store",
			"cannot write for now: nothing is lost, reading stops until it can", "why",
			log_s(why));
	else
		log_error("store",
			"writes no more: what came after the last commit will be read again at the "
			"next start",
			"why", log_s(why));
	if (s->async)
		uv_async_send(s->async);
}

static int txn_apply(struct db *db, const struct txn *t, struct error *e)
{
	int code = db_begin(db, t->durable, e);

	for (size_t i = 0; !code && i < t->n; i++)
		code = db_run(db, t->ops[i].what, t->ops[i].values, t->ops[i].n, e);
	if (!code)
		code = db_commit(db, e);
	if (code)
		db_rollback(db);
	return code;
}

/* True when the pause ran its length, false when the store is being closed. */
static bool pause_for(struct store *s, int64_t us)
{
	int64_t until = clock_monotonic_us() + us, left;
	bool closing;

	uv_mutex_lock(&s->lock);
	while (!s->closing && (left = until - clock_monotonic_us()) > 0)
		uv_cond_timedwait(&s->changed, &s->lock, (uint64_t)left * 1000);
	closing = s->closing;
	uv_mutex_unlock(&s->lock);
	return !closing;
}

static int commit_until_passed(struct store *s, struct job *job)
{
	int64_t began = clock_monotonic_us(), pause = s->o.retry_us;
	int code;

	while (may_pass(code = txn_apply(s->db, job->txn, &job->why))) {
		state_set(s, STORE_STALLED, job->why.text);
		/* The WAL itself may be what fills the disk. */
		if (code == -ENOSPC)
			db_checkpoint(s->db, true, NULL);
		if (job->waited && clock_monotonic_us() - began >= job->patience_us)
			return code;
		if (!pause_for(s, pause))
			return code;
		pause = 2 * pause < RETRY_MOST_US ? 2 * pause : RETRY_MOST_US;
	}
	return code;
}

static int commit_run(struct store *s, struct job *job)
{
	enum store_state state;
	int code;

	uv_mutex_lock(&s->lock);
	state = s->state;
	if (state == STORE_BROKEN)
		job->why = s->state_why;
	uv_mutex_unlock(&s->lock);
	if (state == STORE_BROKEN)
		return -EIO;
	code = commit_until_passed(s, job);
	state_set(s, code ? STORE_BROKEN : STORE_WELL, job->why.text);
	return code;
}

/* A failed checkpoint loses nothing, since the commits are in the WAL; but a failed fsync leaves us
 * not knowing what the disk holds (SQLite's own advice is not to go on), and a WAL that only grows
 * fills the disk. */
static void checkpoint(struct store *s, bool truncate)
{
	struct error why = {""};
	int code = db_checkpoint(s->db, truncate, &why);

	if (code && !may_pass(code))
		state_set(s, STORE_BROKEN, why.text);
	else if (code && !s->checkpoint_failed)
		log_warning("store",
			"the WAL could not be moved into the database; tried again later", "why",
			log_s(why.text));
	s->checkpoint_failed = code != 0;
}

static void job_run(struct store *s, struct job *job)
{
	if (job->kind == JOB_READ) {
		job->code = db_each(s->db, job->what, job->values, job->n_values, job->row,
			job->context, &job->why);
		return;
	}
	job->code = commit_run(s, job);
	if (!job->code && db_wal_bytes(s->db) > s->o.checkpoint_bytes)
		checkpoint(s, false);
}

static void job_ended(struct store *s, struct job *job)
{
	bool waited =
		job->waited; /* once finished, a job that is waited for belongs to the waiter */

	uv_mutex_lock(&s->lock);
	job->finished = true;
	if (!waited)
		queue_push(&s->ended, job);
	uv_cond_broadcast(&s->changed);
	uv_mutex_unlock(&s->lock);
	if (!waited && s->async)
		uv_async_send(s->async);
}

/* The next job; NULL when there was none for the time that counts as idle. */
static struct job *job_next(struct store *s)
{
	int64_t until = clock_monotonic_us() + s->o.idle_us, left;
	struct job *job;

	uv_mutex_lock(&s->lock);
	while (!(job = queue_pop(&s->todo)) && (left = until - clock_monotonic_us()) > 0)
		uv_cond_timedwait(&s->changed, &s->lock, (uint64_t)left * 1000);
	uv_mutex_unlock(&s->lock);
	return job;
}

static void store_thread(void *arg)
{
	struct store *s = arg;
	struct job *job;

	for (;;) {
		job = job_next(s);
		if (job && job->kind == JOB_STOP)
			break;
		if (job) {
			job_run(s, job);
			job_ended(s, job);
		} else if (!s->o.look && db_wal_used(s->db)) {
			checkpoint(s, true);
		}
	}
	free(job);
}

/* ---- the loop thread ---- */

static void job_hand_over(struct store *s, struct job *job)
{
	uv_mutex_lock(&s->lock);
	queue_push(&s->todo, job);
	uv_cond_broadcast(&s->changed);
	uv_mutex_unlock(&s->lock);
}

static void job_wait(struct store *s, struct job *job)
{
	job->waited = true;
	job_hand_over(s, job);
	uv_mutex_lock(&s->lock);
	while (!job->finished)
		uv_cond_wait(&s->changed, &s->lock);
	uv_mutex_unlock(&s->lock);
}

static void commit_tell(struct store *s, struct job *job)
{
	s->in_flight--;
	if (s->async && !s->in_flight)
		uv_unref((uv_handle_t *)s->async);
	txn_end(job->txn, job->code);
	if (job->done)
		job->done(job->context, job->code, job->why.text);
	free(job);
}

static void ended_tell(struct store *s)
{
	struct job *job;

	for (;;) {
		uv_mutex_lock(&s->lock);
		job = queue_pop(&s->ended);
		uv_mutex_unlock(&s->lock);
		if (!job)
			return;
		commit_tell(s, job);
	}
}

static void state_tell(struct store *s)
{
	enum store_state state;
	struct error why;

	uv_mutex_lock(&s->lock);
	state = s->state;
	why = s->state_why;
	uv_mutex_unlock(&s->lock);
	if (state == s->noticed)
		return;
	s->noticed = state;
	if (s->o.notice)
		s->o.notice(s->o.context, state, why.text);
}

static void on_ended(uv_async_t *async)
{
	struct store *s = async->data;

	state_tell(s);
	ended_tell(s);
}

static void async_freed(uv_handle_t *handle)
{
	free(handle);
}

static void async_open(struct store *s, uv_loop_t *loop)
{
	s->async = mem_zero(1, sizeof *s->async);
	s->async->data = s;
	if (uv_async_init(loop, s->async, on_ended))
		abort();
	/* Only a commit in flight keeps the loop alive. */
	uv_unref((uv_handle_t *)s->async);
}

static void options_fill(struct store_options *o)
{
	if (!o->retry_us)
		o->retry_us = RETRY_US;
	if (!o->idle_us)
		o->idle_us = IDLE_US;
	if (!o->checkpoint_bytes)
		o->checkpoint_bytes = CHECKPOINT_BYTES;
}

int store_open(const struct store_options *o, struct store **ret, struct error *e)
{
	struct store *s = mem_zero(1, sizeof *s);
	struct db_options d = {.dir = o->dir, .look = o->look, .page_limit = o->page_limit};
	int code;

	s->o = *o;
	options_fill(&s->o);
	s->fd_lock = -1;
	code = o->look ? 0 : place_take(o->dir, &s->fd_lock, e);
	if (!code)
		code = db_open(&d, &s->db, &s->lost, e);
	if (code) {
		if (s->fd_lock >= 0)
			close(s->fd_lock);
		free(s);
		return code;
	}
	if (uv_mutex_init(&s->lock) || uv_cond_init(&s->changed))
		abort();
	if (o->loop)
		async_open(s, o->loop);
	if (uv_thread_create(&s->thread, store_thread, s))
		abort();
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	struct job *stop;

	if (!s)
		return;
	stop = mem_zero(1, sizeof *stop);
	stop->kind = JOB_STOP;
	uv_mutex_lock(&s->lock);
	s->closing = true;
	uv_mutex_unlock(&s->lock);
	job_hand_over(s, stop);
	uv_thread_join(&s->thread);
	state_tell(s);
	ended_tell(s);
	if (s->async)
		uv_close((uv_handle_t *)s->async, async_freed);
	db_close(s->db);
	if (s->fd_lock >= 0)
		close(s->fd_lock);
	uv_cond_destroy(&s->changed);
	uv_mutex_destroy(&s->lock);
	free(s);
}

bool store_lost(const struct store *s)
{
	return s->lost;
}

size_t store_in_flight(struct store *s)
{
	return s->in_flight;
}

void store_commit(struct store *s, struct txn **take,
	void (*done)(void *context, int code, const char *text), void *context)
{
	struct job *job = mem_zero(1, sizeof *job);

	assert(s->async && !s->o.look && !s->closing);
	*job = (struct job){.kind = JOB_COMMIT, .txn = *take, .done = done, .context = context};
	*take = NULL;
	if (!s->in_flight++)
		uv_ref((uv_handle_t *)s->async);
	job_hand_over(s, job);
}

int store_commit_wait(struct store *s, struct txn **take, int64_t patience_us, struct error *e)
{
	struct job job = {.kind = JOB_COMMIT, .txn = *take, .patience_us = patience_us};

	assert(!s->o.look);
	*take = NULL;
	job_wait(s, &job);
	txn_end(job.txn, job.code);
	return job.code ? error_set(e, job.code, "%s", job.why.text) : 0;
}

int store_read(struct store *s, enum statement what, const struct value *values, size_t n,
	int (*fn)(void *context, const struct value *row), void *context, struct error *e)
{
	struct job job = {.kind = JOB_READ,
		.what = what,
		.values = values,
		.n_values = n,
		.row = fn,
		.context = context};

	job_wait(s, &job);
	return job.code ? error_set(e, job.code, "%s", job.why.text) : 0;
}
