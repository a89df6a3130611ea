/* SPDX-License-Identifier: Apache-2.0
 * The one transaction: what the rooms want remembered together, recorded here and executed by the
 * store as a whole. Every byte handed in is copied; nothing is written until store_commit. One
 * owner, the loop thread. */
#ifndef STORE_TXN_H
#define STORE_TXN_H

#include "model/alert.h"
#include "model/counts.h"
#include "model/position.h"
#include "model/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct txn;

struct txn *txn_open(void);
/* Give up what was recorded: hooks hear -ECANCELED. Accepts NULL; leaves NULL behind. */
void txn_close(struct txn **take);
bool txn_empty(const struct txn *t);   /* nothing recorded, no hook */
/* Of this process, rising from 1: to tell what was recorded in which transaction. */
uint64_t txn_number(const struct txn *t);
/* This commit must outlive a loss of power (synchronous FULL). txn_put_outbox implies it. */
void txn_durable(struct txn *t);
/* fn is told on the loop thread how the commit ended (0 or -errno), before store_commit's own
 * callback. */
void txn_after(struct txn *t, void (*fn)(void *context, uint64_t number, int code), void *context);

void txn_put_position(struct txn *t, const struct position *p);
void txn_drop_position(struct txn *t, const char *source, const char *identity);
void txn_put_counts(struct txn *t, const char *source, const struct counts *c);
/* The newest `most` samples of the model are kept, at least 1. */
void txn_put_sample(struct txn *t, const struct sample *s, size_t most);
/* That sample, by window and hash: gone; of the kind that it now has. */
void txn_drop_sample(struct txn *t, const char *model, const char *version, const struct sample *s);
void txn_settle_sample(struct txn *t, const char *model, const char *version, const struct sample *s);

/* What a room packed for itself: X(enum, word in the database, what it is). */
#define STATE_KINDS(X)                                                                             \
	X(STATE_WINDOW, "window", "an open window of a stream")                                    \
	X(STATE_JUDGE, "judge", "evidence of a stream: e-detectors, latches, recent windows")      \
	X(STATE_ODD, "odd", "groups of odd records, and samples of open windows")                 \
	X(STATE_RULE, "rule", "what a rule file keeps between windows")                            \
	X(STATE_ALERT, "alert", "the state of one alert: pending, firing, since when")             \
	X(STATE_COMPARE, "compare", "two versions side by side: evidence for and against the newer")   \
	X(STATE_STREAM, "stream", "a stream: its reference, watermark, learning")                  \
	X(STATE_LEARNING, "learning", "what is known so far of a stream that is learned, and how far its spool goes") \
	X(STATE_BACKLOG, "backlog", "records of a model that wait while one of its references is made")   \
	X(STATE_LABEL, "label", "predictions that wait for labels, and labels that came")          \
	X(STATE_MISC, "misc", "anything else")

enum state_kind {
#define X(name, word, help) name,
	STATE_KINDS(X)
#undef X
		STATE_KIND_N
};

extern const char *const state_words[STATE_KIND_N];
extern const char *const state_helps[STATE_KIND_N];

void txn_put_state(struct txn *t, enum state_kind kind, const char *key, const void *at, size_t n);
void txn_drop_state(struct txn *t, enum state_kind kind, const char *key);

/* An alert on its way to one endpoint. As an argument everything is borrowed. */
struct outbox_row {
	const char *endpoint;
	int64_t number;  /* order within the endpoint, chosen by the courier; (endpoint, number)
			    names the row */
	const char *key; /* of the alert */
	enum alert_state state;
	const void *alert; /* alert_pack */
	size_t n_alert;
	int64_t made_us;    /* wall clock */
	int64_t expires_us; /* TIME_NONE: never */
	int64_t attempts;
	int64_t next_us;  /* not to be tried before */
	const char *said; /* the last failure in words, NULL before one */
	int64_t dead_us;  /* when it was given up, TIME_NONE while it is to be sent */
};

void txn_put_outbox(struct txn *t, const struct outbox_row *row);
void txn_attempt_outbox(struct txn *t, const char *endpoint, int64_t number, int64_t attempts,
	int64_t next_us, const char *said);
void txn_done_outbox(struct txn *t, const char *endpoint, int64_t number);
/* Kept as a dead letter with its reason; of an endpoint's dead letters the newest `most` stay. */
void txn_dead_outbox(struct txn *t, const char *endpoint, int64_t number, int64_t attempts,
	const char *said, int64_t dead_us, size_t most);

#endif
