/* SPDX-License-Identifier: Apache-2.0
 * The database of the agent: one file, one connection, one thread that alone writes and
 * checkpoints. The loop hands over whole transactions (txn.h) and goes on; it never waits for a
 * disk. See README.md for what survives what. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/error.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum store_state {
	STORE_WELL,
	STORE_STALLED, /* disk full or database held by another: the commit is tried again until it
			  passes; stop reading */
	STORE_BROKEN,  /* the disk failed, or the database is damaged or gone: nothing more is
			  written; end the process */
};

struct store_options {
	const char *dir; /* the state directory; made when absent, its parent must exist */
	uv_loop_t *loop; /* NULL: only store_commit_wait */
	bool look; /* read only, beside a running agent: no lock, nothing written; -ENOENT when
		      there is none */
	/* Called on the loop thread whenever the state changes; may be NULL. The store has logged
	 * it already. */
	void (*notice)(void *context, enum store_state state, const char *text);
	void *context;
	/* For tests; 0: the default in parentheses. */
	int64_t retry_us;        /* first pause of a stalled commit (250 ms; doubles up to 8 s) */
	int64_t idle_us;         /* quiet for so long: truncate the WAL (30 s) */
	size_t checkpoint_bytes; /* checkpoint when the WAL is larger (8 MiB) */
	int64_t page_limit;      /* as if the disk were full beyond so many pages (none) */
};

struct store;

/* 0; -EBUSY another oodd has it; -EEXIST, -EPROTO not our database, or of a newer oodd; -EACCES,
 * -EROFS, -ENOSPC, ... with a sentence that says what oodd does instead. A damaged database does
 * not fail: it is renamed, logged, begun anew, and store_lost() says so. */
int store_open(const struct store_options *o, struct store **ret, struct error *e);
/* Executes what was handed over (each once more; a stalled one then fails), tells those who wait,
 * truncates the WAL. With a loop: from the loop thread; run the loop once more afterwards so that
 * its handle can go. Accepts NULL. */
void store_close(struct store *s);
bool store_lost(const struct store
		*s); /* a damaged database was set aside at open: everything is begun anew */

/* Takes *take, leaves NULL behind. Executed in the order handed over, as one BEGIN IMMEDIATE ..
 * COMMIT. `done` (may be NULL) is called on the loop thread when it ended: 0, or why it never will:
 * -EIO disk failed, -EBADMSG damaged, -ESTALE moved away, -EROFS; or -ENOSPC, -EBUSY when the store
 * was closed while it was stalled. After any of these every later commit fails too: nothing may be
 * forgotten in between. */
void store_commit(struct store *s, struct txn **take,
	void (*done)(void *context, int code, const char *text), void *context);
/* The same, waiting: for shutdown and commands. A stalled one is given up after patience_us. */
int store_commit_wait(struct store *s, struct txn **take, int64_t patience_us, struct error *e);
size_t store_in_flight(struct store *s); /* commits handed over and not yet ended */

/* Reading, at start-up and in commands. fn is called while the caller waits (on the store's
 * thread); what it is given is borrowed until it returns; it returns 0, or a negative errno that
 * ends the reading and is returned. `source`, `model`, `endpoint` may be NULL: all of them. */
int store_each_position(struct store *s, const char *source,
	int (*fn)(void *context, const struct position *p), void *context, struct error *e);
int store_each_state(struct store *s, enum state_kind kind,
	int (*fn)(void *context, const char *key, const void *at, size_t n), void *context,
	struct error *e);
/* All zero for a source never seen. */
int store_counts(struct store *s, const char *source, struct counts *ret, struct error *e);
/* Newest first, at most `most`. */
int store_each_sample(struct store *s, const char *model, size_t most,
	int (*fn)(void *context, const struct sample *sample), void *context, struct error *e);
/* Dead letters too (dead_us is not TIME_NONE), by endpoint and number. */
int store_each_outbox(struct store *s, const char *endpoint,
	int (*fn)(void *context, const struct outbox_row *row), void *context, struct error *e);

#endif
