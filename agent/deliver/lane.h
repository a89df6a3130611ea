/* SPDX-License-Identifier: Apache-2.0
 * The alerts on their way to one endpoint: in which order, when next, how often, and when enough is
 * enough. No I/O and no clock of its own, so that a test can live through a day in a millisecond;
 * the courier moves the bytes.
 *
 *     put -> WAITING for its commit -> QUEUED <-> FLYING -> SETTLED (accepted or dead)
 *         -> gone, with the commit that says so
 *
 * An edge lane tells each transition once, in order: a row does not pass an earlier one of the same
 * alert. A level lane holds one row for each alert, its current state, and tells it again and
 * again; what is overtaken is never told. */
#ifndef DELIVER_LANE_H
#define DELIVER_LANE_H

#include "base/error.h"
#include "model/alert.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane_policy {
	bool level;
	int64_t resend_us;     /* level: between two tellings that were accepted */
	int64_t resolved_us;   /* level: tell of the end for so long */
	int64_t expire_us;     /* not accepted for so long: dead */
	int64_t retry_us;      /* first pause after a failure; doubles .. */
	int64_t retry_most_us; /* .. up to this; drawn evenly from 0 to it ("full jitter") */
	int64_t pause_most_us; /* longest pause of the whole lane while nothing passes */
	int32_t at_once;       /* in flight; one while nothing passes */
	size_t most;           /* queued rows; beyond it the oldest is dead */
	size_t dead_most;      /* dead letters kept in the database */
	uint64_t seed;         /* of the jitter */
};

/* How an attempt ended. */
enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_RETRY,   /* the endpoint could not, just now: the lane pauses */
	VERDICT_HELD,    /* our own script failed: this row waits, the others do not */
	VERDICT_REFUSED, /* it will not, ever: dead letter (level: told again at the next turn, its
			    current state may please) */
};

struct lane_counts {
	int64_t queued, in_flight; /* now; queued includes what waits for its commit and what a
				      level lane keeps telling */
	int64_t accepted, failed, retried, refused, dead, expired,
		overtaken; /* since start, only rise */
};

struct row {
	int64_t number;
	struct alert alert;
	int64_t made_us, expires_us, next_us, attempts;
	char *said;
	/* Private. */
	enum row_state { ROW_WAITING, ROW_QUEUED, ROW_FLYING, ROW_SETTLED } state;
	enum row_op { OP_NONE, OP_ATTEMPT, OP_DONE, OP_DEAD } op; /* to be written */
	uint64_t txn;   /* in which its put or its end is written; 0: none yet */
	bool told;      /* level: accepted at least once */
	bool overtaken; /* level: while flying, a newer state came */
};

struct lane;

struct lane *lane_open(const char *endpoint, const struct lane_policy *policy);
void lane_close(struct lane *l); /* accepts NULL; what is in the database stays there */
void lane_policy_set(struct lane *l,
	const struct lane_policy *policy); /* after a reload; every row may be tried at once */

/* A row of the database, at start. Dead letters are only counted in the numbering. -EINVAL when its
 * alert cannot be read: it is then to be left alone. */
int lane_load(struct lane *l, const struct outbox_row *row, int64_t now_us, struct error *e);
/* Into the lane and into the transaction; may be sent when lane_committed says that one has passed.
 * Firing or resolved only. */
void lane_put(struct lane *l, struct txn *t, const struct alert *a, int64_t now_us);
/* lane_put of what was a dead letter. False: a level lane has this alert's present state already. */
bool lane_resend(struct lane *l, struct txn *t, const struct alert *a, int64_t now_us);
/* Write down what has happened since: attempts, ends. True when there was anything. */
bool lane_record(struct lane *l, struct txn *t);
bool lane_has_news(const struct lane *l); /* lane_record would write something */
/* How a transaction ended that lane_put or lane_record wrote into. */
void lane_committed(struct lane *l, uint64_t txn, int code);

/* What is past its time becomes a dead letter; each to `fn`, may be NULL. */
void lane_expire(struct lane *l, int64_t now_us, void (*fn)(void *context, const struct row *row),
	void *context);
/* The next to be sent now, then FLYING; NULL when nothing is due. Must be answered. The row lives
 * until then. */
struct row *lane_next(struct lane *l, int64_t now_us);
/* retry_after_us: the endpoint asked to be left alone for so long, 0: it did not. said: in words,
 * NULL when accepted. True when the row is a dead letter now. It lives on until a commit has said
 * so. */
bool lane_answered(struct lane *l, int64_t number, enum verdict verdict, int64_t retry_after_us,
	const char *said, int64_t now_us);
/* When to look again: INT64_MAX when only an answer or a commit can change anything. */
int64_t lane_wake(const struct lane *l, int64_t now_us);
/* Failures in a row: 0 while it passes. */
int64_t lane_failures(const struct lane *l);

/* Level: end what is firing and not among `keys`, whose rule is gone. Returns how many. */
size_t lane_keep_only(
	struct lane *l, struct txn *t, const char *const *keys, size_t n, int64_t now_us);

struct lane_counts lane_counts(const struct lane *l);

#endif
