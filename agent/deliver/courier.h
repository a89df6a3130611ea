/* SPDX-License-Identifier: Apache-2.0
 * Alerts to endpoints, with patience. A row of the outbox is written in the same transaction as the
 * alert and sent only after that commit; that it was accepted is written in a later one. So an
 * alert is never lost and never sent before it is certain; it is sent twice only when the agent
 * dies between the endpoint's answer and that commit, and then under the same key. Loop thread
 * only. */
#ifndef DELIVER_COURIER_H
#define DELIVER_COURIER_H

#include "base/error.h"
#include "deliver/endpoint.h"
#include "deliver/lane.h"
#include "model/alert.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct courier_options {
	uv_loop_t *loop;
	struct store *store;               /* read by courier_open and courier_reload; see courier_close */
	const struct endpoint_options *endpoints;
	size_t n_endpoints;
	const char *const *script_dirs; /* searched in order for <kind>.lua */
	size_t n_script_dirs;
	/* There is something to record: commit a transaction soon (courier_record is asked then).
	 * May be NULL. */
	void (*nudge)(void *context);
	void *context;
	/* For tests; 0: the default in parentheses. */
	uint64_t seed; /* of the jitter (drawn from the clock and the process) */
	int64_t retry_us, retry_most_us, pause_most_us; /* 1 s, 5 min, 1 min */
	int64_t resolved_us;                            /* 15 min */
};

struct courier;

/* Reads the outbox. What was meant for an endpoint that is no longer configured is logged and left
 * alone: it is sent when the endpoint is back. 0, or -errno with a sentence that names the endpoint
 * and where it is configured. */
int courier_open(const struct courier_options *o, struct courier **ret, struct error *e);
/* Ends what is in flight (it is tried again at the next start). Every transaction that it recorded in must have ended: close the store
 * first, whose last commits are still heard. Run the loop afterwards so that the handles can go. Accepts NULL. */
void courier_close(struct courier *c);

/* Into the outbox of each endpoint in a->to (none named: every endpoint), as part of the
 * transaction; sent when that has passed. Pending alerts are nobody's business yet: nothing
 * happens. -ENOENT and a sentence when an endpoint is not known; those that are get it. */
int courier_alert(struct courier *c, struct txn *t, const struct alert *a, struct error *e);
/* Write down what has happened since the last time: call for every transaction before it is handed
 * over. True when there was anything. */
bool courier_record(struct courier *c, struct txn *t);
bool courier_has_news(const struct courier *c);
/* At start, after the rules have their state back: whatever a level endpoint was told is firing and
 * is not among these keys has lost its rule; it is ended. Returns how many. */
size_t courier_firing(struct courier *c, struct txn *t, const char *const *keys, size_t n);

/* The dead letters of one endpoint, or of all (NULL), are tried again as if they had just come. Returns how many, or -errno. */
int64_t courier_resend(struct courier *c, struct txn *t, const char *endpoint, struct error *e);

/* Before the end: whatever may be sent now is tried once more; done is called, from the loop, when
 * nothing is in flight or after patience_us. Nothing new is begun afterwards. Then: courier_record,
 * a last commit, courier_close. */
void courier_drain(
	struct courier *c, int64_t patience_us, void (*done)(void *context), void *context);

/* Other endpoints, or the same with other options, scripts, secrets. All or nothing: on an error
 * the old ones stay. Every alert that waits is tried at once. Commit what courier_record has to say
 * first: of an endpoint that goes, the rest is forgotten and told again when it is back. */
int courier_reload(struct courier *c, const struct endpoint_options *endpoints, size_t n,
	const char *const *script_dirs, size_t n_script_dirs, struct error *e);

struct courier_status {
	const char *endpoint, *kind, *shown; /* shown: scheme, host and port, or the path */
	const char *said; /* last failure in words, NULL when the last attempt was accepted or none
			     was made */
	int64_t failures; /* in a row */
	struct lane_counts counts;
};
/* One for each endpoint, in the order of the configuration; fn's argument is borrowed. */
void courier_each(const struct courier *c,
	void (*fn)(void *context, const struct courier_status *s), void *context);

#endif
