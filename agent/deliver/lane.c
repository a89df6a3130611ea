/* SPDX-License-Identifier: Apache-2.0
 * The alerts on their way to one endpoint. Two pauses answer two questions. A row's own: when may
 * this one be tried again (a body that makes a server fail must not hold up the others). The
 * lane's: when may anything be tried again (a server that is down should see one probe now and
 * then, not a queue). Pauses double and are drawn at random from their whole length, so that many
 * agents that lost the same endpoint do not come back together (Brooker, "Exponential Backoff and
 * Jitter", 2015: full jitter). */
#include "deliver/lane.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

struct lane {
	char *endpoint;
	struct lane_policy policy;
	struct row **rows; /* by number */
	size_t n, room;
	int64_t next_number;
	int64_t resume_us; /* nothing is sent before */
	int64_t failures;  /* in a row */
	size_t flying;
	struct lane_counts counts;
};

/* ---- rows ---- */

static void row_free(struct row *r)
{
	alert_done(&r->alert);
	free(r->said);
	free(r);
}

static struct row *row_push(struct lane *l, struct row r)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->rows = mem_grow(l->rows, l->room, sizeof *l->rows);
	}
	l->rows[l->n] = mem_copy(&r, sizeof r);
	return l->rows[l->n++];
}

static void row_remove(struct lane *l, size_t at)
{
	row_free(l->rows[at]);
	memmove(&l->rows[at], &l->rows[at + 1], (--l->n - at) * sizeof *l->rows);
}

static size_t row_find(const struct lane *l, int64_t number)
{
	size_t i = 0;

	while (i < l->n && l->rows[i]->number != number)
		i++;
	assert(i < l->n);
	return i;
}

static void row_say(struct row *r, const char *said)
{
	char *copy = mem_copy_text(said);

	free(r->said);
	r->said = copy;
}

static void row_settle(struct row *r, enum row_op op)
{
	r->state = ROW_SETTLED;
	r->op = op;
	r->txn = 0;
}

static void row_die(struct lane *l, struct row *r, const char *said)
{
	row_say(r, said);
	row_settle(r, OP_DEAD);
	l->counts.dead++;
}

/* ---- the lane ---- */

struct lane *lane_open(const char *endpoint, const struct lane_policy *policy)
{
	struct lane *l = mem_zero(1, sizeof *l);

	assert(policy->at_once > 0 && policy->retry_us > 0 && policy->most > 0 &&
		policy->dead_most > 0);
	l->endpoint = mem_copy_text(endpoint);
	l->policy = *policy;
	l->next_number = 1;
	return l;
}

void lane_close(struct lane *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		row_free(l->rows[i]);
	free(l->rows);
	free(l->endpoint);
	free(l);
}

void lane_policy_set(struct lane *l, const struct lane_policy *policy)
{
	l->policy = *policy;
	l->resume_us = 0;
	for (size_t i = 0; i < l->n; i++)
		if (!l->rows[i]->told)
			l->rows[i]->next_us = 0;
}

int64_t lane_failures(const struct lane *l)
{
	return l->failures;
}

struct lane_counts lane_counts(const struct lane *l)
{
	struct lane_counts c = l->counts;

	c.in_flight = (int64_t)l->flying;
	c.queued = 0;
	for (size_t i = 0; i < l->n; i++)
		c.queued += l->rows[i]->state != ROW_SETTLED;
	return c;
}

/* ---- in ---- */

/* Level: what is known of this alert is no longer so. */
static void overtake(struct lane *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++) {
		struct row *r = l->rows[i];

		if (r->state == ROW_SETTLED || r->overtaken || strcmp(r->alert.key, key))
			continue;
		l->counts.overtaken++;
		if (r->state == ROW_FLYING)
			r->overtaken = true;
		else
			row_settle(r, OP_DONE);
	}
}

int lane_load(struct lane *l, const struct outbox_row *o, int64_t now_us, struct error *e)
{
	struct row r = {.number = o->number,
		.made_us = o->made_us,
		.expires_us = o->expires_us,
		.next_us = o->next_us,
		.attempts = o->attempts,
		.state = ROW_QUEUED};
	int code;

	if (l->next_number <= o->number)
		l->next_number = o->number + 1;
	if (o->dead_us != TIME_NONE)
		return 0;
	code = alert_unpack(o->alert, o->n_alert, &r.alert, e);
	if (code)
		return code;
	/* A clock that was set back must not hold an alert for ever; and current state is told at
	 * once. */
	if (r.next_us > now_us + l->policy.retry_most_us || l->policy.level)
		r.next_us = now_us;
	/* Killed between an answer and the commit that tells of it: the newer state counts. */
	if (l->policy.level)
		overtake(l, r.alert.key);
	r.said = mem_copy_text(o->said);
	row_push(l, r);
	return 0;
}

static void make_room(struct lane *l)
{
	size_t queued = 0;

	for (size_t i = 0; i < l->n; i++)
		queued += l->rows[i]->state == ROW_QUEUED;
	for (size_t i = 0; i < l->n && queued >= l->policy.most; i++)
		if (l->rows[i]->state == ROW_QUEUED) {
			row_die(l, l->rows[i], "the queue of the endpoint is full");
			queued--;
		}
}

static void row_store(const struct lane *l, const struct row *r, struct txn *t)
{
	struct buf packed = BUF_EMPTY;

	alert_pack(&r->alert, &packed);
	txn_put_outbox(t, &(struct outbox_row){.endpoint = l->endpoint,
				  .number = r->number,
				  .key = r->alert.key,
				  .state = r->alert.state,
				  .alert = packed.at,
				  .n_alert = packed.n,
				  .made_us = r->made_us,
				  .expires_us = r->expires_us,
				  .attempts = r->attempts,
				  .next_us = r->next_us,
				  .dead_us = TIME_NONE});
	buf_done(&packed);
}

void lane_put(struct lane *l, struct txn *t, const struct alert *a, int64_t now_us)
{
	struct row r = {.number = l->next_number++,
		.made_us = now_us,
		.next_us = now_us,
		.expires_us = now_us + l->policy.expire_us,
		.state = ROW_WAITING,
		.txn = txn_number(t)};

	assert(a->state == ALERT_FIRING || a->state == ALERT_RESOLVED);
	if (l->policy.level)
		overtake(l, a->key);
	/* What fires, fires, however long nobody listens. */
	if (l->policy.level && a->state == ALERT_FIRING)
		r.expires_us = TIME_NONE;
	make_room(l);
	alert_copy(&r.alert, a);
	row_store(l, row_push(l, r), t);
	/* In the same transaction: the old state goes as the new one comes. */
	if (l->policy.level)
		lane_record(l, t);
}

bool lane_resend(struct lane *l, struct txn *t, const struct alert *a, int64_t now_us)
{
	for (size_t i = 0; l->policy.level && i < l->n; i++)
		if (l->rows[i]->state != ROW_SETTLED && !strcmp(l->rows[i]->alert.key, a->key))
			return false;
	lane_put(l, t, a, now_us);
	return true;
}

size_t lane_keep_only(
	struct lane *l, struct txn *t, const char *const *keys, size_t n, int64_t now_us)
{
	size_t ended = 0, n_rows = l->n;

	for (size_t i = 0; l->policy.level && i < n_rows; i++) {
		struct row *r = l->rows[i];
		size_t k = 0;
		struct alert a;

		if (r->state == ROW_SETTLED || r->overtaken || r->alert.state != ALERT_FIRING)
			continue;
		while (k < n && strcmp(keys[k], r->alert.key))
			k++;
		if (k < n)
			continue;
		alert_copy(&a, &r->alert);
		a.state = ALERT_RESOLVED;
		a.ends_us = a.at_us = now_us;
		lane_put(l, t, &a, now_us);
		alert_done(&a);
		ended++;
	}
	return ended;
}

/* ---- what the database is told ---- */

static bool to_record(const struct row *r)
{
	return r->op != OP_NONE && !(r->state == ROW_SETTLED && r->txn);
}

bool lane_has_news(const struct lane *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (to_record(l->rows[i]))
			return true;
	return false;
}

static void row_record(struct lane *l, struct row *r, struct txn *t)
{
	switch (r->op) {
	case OP_ATTEMPT:
		txn_attempt_outbox(t, l->endpoint, r->number, r->attempts, r->next_us, r->said);
		break;
	case OP_DONE:
		txn_done_outbox(t, l->endpoint, r->number);
		break;
	case OP_DEAD:
		txn_dead_outbox(t, l->endpoint, r->number, r->attempts, r->said, clock_now(NULL),
			l->policy.dead_most);
		break;
	case OP_NONE:
		break;
	}
}

bool lane_record(struct lane *l, struct txn *t)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		struct row *r = l->rows[i];

		if (!to_record(r))
			continue;
		row_record(l, r, t);
		any = true;
		if (r->state == ROW_SETTLED)
			r->txn = txn_number(
				t); /* its op stays, in case this transaction is given up */
		else
			r->op = OP_NONE;
	}
	return any;
}

void lane_committed(struct lane *l, uint64_t txn, int code)
{
	for (size_t i = l->n; i-- > 0;) {
		struct row *r = l->rows[i];

		if (r->txn != txn)
			continue;
		r->txn = 0;
		if (r->state == ROW_WAITING && !code)
			r->state = ROW_QUEUED;
		else if (r->state == ROW_WAITING || (r->state == ROW_SETTLED && !code))
			row_remove(l, i);
	}
}

/* ---- out ---- */

void lane_expire(struct lane *l, int64_t now_us, void (*fn)(void *context, const struct row *row),
	void *context)
{
	char said[700];

	for (size_t i = 0; i < l->n; i++) {
		struct row *r = l->rows[i];

		if (r->state != ROW_QUEUED)
			continue;
		/* Told of its end for long enough. */
		if (l->policy.level && r->told && r->alert.state == ALERT_RESOLVED &&
			now_us >= r->made_us + l->policy.resolved_us) {
			row_settle(r, OP_DONE);
			continue;
		}
		if (r->expires_us == TIME_NONE || now_us < r->expires_us || r->told)
			continue;
		snprintf(said, sizeof said,
			"not accepted in time, after %lld attempts; the last: %.600s",
			(long long)r->attempts, r->said ? r->said : "none was made");
		l->counts.expired++;
		row_die(l, r, said);
		if (fn)
			fn(context, r);
	}
}

/* Of the same alert, and not yet at its end: an earlier transition must arrive first. */
static bool is_behind_another(const struct lane *l, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (l->rows[i]->state != ROW_SETTLED &&
			!strcmp(l->rows[i]->alert.key, l->rows[at]->alert.key))
			return true;
	return false;
}

static size_t most_flying(const struct lane *l)
{
	return l->failures ? 1 : (size_t)l->policy.at_once;
}

struct row *lane_next(struct lane *l, int64_t now_us)
{
	if (l->flying >= most_flying(l) || now_us < l->resume_us)
		return NULL;
	for (size_t i = 0; i < l->n; i++) {
		struct row *r = l->rows[i];

		if (r->state != ROW_QUEUED || r->next_us > now_us || is_behind_another(l, i))
			continue;
		r->state = ROW_FLYING;
		l->flying++;
		return r;
	}
	return NULL;
}

int64_t lane_wake(const struct lane *l, int64_t now_us)
{
	int64_t wake = INT64_MAX;
	bool can_send = l->flying < most_flying(l);

	for (size_t i = 0; i < l->n; i++) {
		const struct row *r = l->rows[i];
		int64_t at = r->next_us > l->resume_us ? r->next_us : l->resume_us;

		if (r->state != ROW_QUEUED)
			continue;
		if (can_send && at < wake && !is_behind_another(l, i))
			wake = at;
		if (r->expires_us != TIME_NONE && !r->told && r->expires_us < wake)
			wake = r->expires_us;
	}
	return wake < now_us ? now_us : wake;
}

static int64_t pause_us(const struct lane *l, int64_t number, int64_t failures, int64_t most)
{
	int64_t key[] = {number, failures}, pause = l->policy.retry_us, drawn;

	for (int64_t i = 1; i < failures && pause < most; i++)
		pause *= 2;
	if (pause > most)
		pause = most;
	drawn = (int64_t)((double)pause * hash_unit(hash_bytes(key, sizeof key, l->policy.seed)));
	/* Not at once, whatever was drawn. */
	return drawn > l->policy.retry_us / 10 ? drawn : l->policy.retry_us / 10;
}

static void row_again(
	struct lane *l, struct row *r, int64_t retry_after_us, const char *said, int64_t now_us)
{
	int64_t pause = pause_us(l, r->number, r->attempts, l->policy.retry_most_us);

	r->state = ROW_QUEUED;
	r->next_us = now_us + (pause > retry_after_us ? pause : retry_after_us);
	/* Of a level row the database need not know each attempt: at a start it is told at once in
	 * any case. */
	if (!l->policy.level || !r->said || strcmp(r->said, said))
		r->op = OP_ATTEMPT;
	row_say(r, said);
}

static void lane_pause(struct lane *l, int64_t retry_after_us, int64_t now_us)
{
	int64_t pause = pause_us(l, 0, ++l->failures, l->policy.pause_most_us);

	l->resume_us = now_us + (pause > retry_after_us ? pause : retry_after_us);
}

static void lane_passes(struct lane *l)
{
	l->failures = 0;
	l->resume_us = 0;
}

static void row_accepted(struct lane *l, struct row *r, int64_t now_us)
{
	l->counts.accepted++;
	if (!l->policy.level) {
		row_settle(r, OP_DONE);
		return;
	}
	r->state = ROW_QUEUED;
	r->told = true;
	r->attempts = 0;
	r->next_us = now_us + l->policy.resend_us;
	if (r->said) {
		row_say(r, NULL);
		r->op = OP_ATTEMPT;
	}
}

static void row_refused(struct lane *l, struct row *r, const char *said, int64_t now_us)
{
	l->counts.refused++;
	if (!l->policy.level) {
		row_die(l, r, said);
		return;
	}
	row_again(l, r, 0, said, now_us);
	r->next_us = now_us + l->policy.resend_us;
}

bool lane_answered(struct lane *l, int64_t number, enum verdict verdict, int64_t retry_after_us,
	const char *said, int64_t now_us)
{
	struct row *r = l->rows[row_find(l, number)];

	assert(r->state == ROW_FLYING && (verdict == VERDICT_ACCEPTED || said));
	l->flying--;
	if (r->attempts++)
		l->counts.retried++;
	if (verdict != VERDICT_ACCEPTED)
		l->counts.failed++;
	if (verdict == VERDICT_RETRY)
		lane_pause(l, retry_after_us, now_us);
	else if (verdict != VERDICT_HELD)
		lane_passes(l); /* a refusal shows that somebody is there, too */
	if (r->overtaken)
		row_settle(r, OP_DONE);
	else if (verdict == VERDICT_ACCEPTED)
		row_accepted(l, r, now_us);
	else if (verdict == VERDICT_REFUSED)
		row_refused(l, r, said, now_us);
	else
		row_again(l, r, retry_after_us, said, now_us);
	return r->op == OP_DEAD;
}
