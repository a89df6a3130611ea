/* SPDX-License-Identifier: Apache-2.0
 * The files of a source, followed through growth, rotation by rename, copytruncate, deletion, late creation, links that
 * change, and restarts. Everything here happens on one thread, the loop's.
 *
 * How it is driven:
 *
 *     while ((f = tail_next(t))) {                     the file whose bytes come first
 *             n = tail_file_read(f, to, room, &e);     at its cursor, which stays; the file is busy now
 *             ... decode to[0..n), anywhere, any time later ...
 *             mark = tail_file_take(f, to, consumed, skipping, newest_us);      the cursor moves; busy ends
 *             ... score, count; other chunks of the same file may be taken meanwhile ...
 *             tail_advance(&mark);                     in the order they were taken
 *     }
 *     in the transaction:  tail_positions(t, store), tail_forgotten(t, delete)
 *
 * A file that holds, from its first byte on, what another file of the source holds is a copy of it: not read again, and read
 * on from there when the other is truncated. Two logs that begin alike and then differ are two logs, read whole.
 *
 * Between take and advance bytes are under way. A file begins a new generation only when nothing of it is. */
#ifndef INPUT_TAIL_H
#define INPUT_TAIL_H

#include "base/clock.h"
#include "base/error.h"
#include "model/position.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct tail;
/* Valid while it is busy or bytes of it are under way; else until the next tail_forgotten. */
struct tail_file;

/* Copied by tail_open. Zero means the default where one is named. */
struct tail_options {
	const char *source;            /* name: for positions and messages */
	const char *const *globs;      /* as glob(7): *, ?, [...], in directories too; must cover the rotated names */
	size_t n_globs;
	const char *const *excludes;   /* patterns of words_match against the path and its last part; NULL: tail_excludes */
	size_t n_excludes;
	int64_t poll_us;               /* how often what cannot be watched is looked at; default 250 ms */
	int64_t reconcile_us;          /* how often everything is looked at, whatever the watches said; default 5 s */
	int64_t partial_us;            /* a file that went away or was rotated, and quiet that long, is final; default 5 s */
	int64_t keep_us;               /* positions of files not seen that long are forgotten; default 7 days */
	size_t most_open;              /* descriptors; default three quarters of what the process may have */
	bool from_end;                 /* files there now and not known begin at their end: set at the source's first start only */
	bool binary;                   /* records do not end in newlines: from_end does not look for one */
	bool follow_symlinks;
	bool rebooted;                 /* `known` was stored in another boot of this machine (see identity_boot) */
	const struct clock *clock;     /* borrowed; NULL: the system's. Tests set it; quiet times go by it */
};
extern const char *const tail_excludes[]; /* compressed leftovers and editors' droppings; ends in NULL */

/* Some file has bytes to read. Called from the loop, never from within a call of this header but tail_scan. */
typedef void tail_ready_fn(void *context);

/* Watches, then scans. `known`: what the store kept of this source (copied). loop NULL: no watches and no timer, the caller
 * calls tail_scan. 0 and *ret, or -EINVAL with a sentence (no glob, a relative nonsense). Files that cannot be opened are
 * logged once, counted and tried again: that is no error. */
int tail_open(uv_loop_t *loop, const struct tail_options *options, const struct position *known, size_t n_known,
	tail_ready_fn *on_ready, void *context, struct tail **ret, struct error *e);
/* Accepts NULL. The loop must turn once more to close its handles. */
void tail_close(struct tail *t);
/* Look at everything now: directories, sizes, heads. */
void tail_scan(struct tail *t);

/* The file to read next, NULL when none has bytes that are not busy. Files whose next time is unknown first, the oldest by
 * birth before others, then by next time; never a file whose rotated predecessor still has bytes. */
struct tail_file *tail_next(struct tail *t);
/* Files with bytes to read, busy ones too, in no order: NULL begins, and NULL ends. */
struct tail_file *tail_pending(struct tail *t, const struct tail_file *after);
/* The least next time of those but `except` (may be NULL); INT64_MAX where none is known. */
int64_t tail_pending_oldest(const struct tail *t, const struct tail_file *except);

/* Read at the cursor: bytes, and the file is busy; or 0 when there are none now (truncated, vanished, only NULs so far): ask tail_next again; or
 * -errno with a sentence. Runs of NULs where a record would begin are skipped and counted, holes without reading them.
 * `room` must hold the longest record. After 0 or an error the file is not busy. */
ssize_t tail_file_read(struct tail_file *f, char *to, size_t room, struct error *e);
/* Of the bytes just read the first n are taken: they end at a record's end, or `skipping` inside one that is too long.
 * n may be 0: then the file comes back when it has grown, and there is no mark to advance. newest_us: newest event time among
 * them or TIME_NONE. */
struct tail_mark tail_file_take(struct tail_file *f, const char *at, size_t n, bool skipping, int64_t newest_us);
/* Everything before the mark was dealt with; the next tail_positions says so. */
struct tail_mark {
	struct tail_file *file;
	uint64_t offset;
	bool skipping;
	int64_t newest_us;
	uint32_t marker_n;
	uint64_t marker_hash;
};
void tail_advance(const struct tail_mark *m);

/* Busy files are passed over by tail_next; reading and taking set it, this is for a pause between. */
void tail_file_busy_set(struct tail_file *f, bool busy);
/* Event time of the next record as far as the caller knows; TIME_NONE: unknown. */
void tail_file_time_set(struct tail_file *f, int64_t next_us);
int64_t tail_file_time(const struct tail_file *f);
/* It will not grow: gone or rotated, and quiet for partial_us. Of a busy file: and what was read goes to its very end, so the
 * unfinished last record in it may be handed out. */
bool tail_file_final(const struct tail_file *f);

uint64_t tail_file_cursor(const struct tail_file *f);      /* where the next read begins */
bool tail_file_skipping(const struct tail_file *f);        /* ... inside a record that is too long */
uint64_t tail_file_unread(const struct tail_file *f);      /* bytes behind the cursor, as last seen */
uint64_t tail_file_generation(const struct tail_file *f);
const char *tail_file_path(const struct tail_file *f);     /* where it was last seen */

/* What to store of one file; borrowed from it until it changes. */
void tail_file_position(const struct tail_file *f, struct position *ret);
/* Every position that changed since the last call; a transaction that takes them must take them all. */
typedef void tail_position_fn(void *context, const struct position *p);
void tail_positions(struct tail *t, tail_position_fn *each, void *context);
/* Identities whose positions may be deleted, in the same transaction: read to the end and gone, or not seen for keep_us. */
typedef void tail_forgotten_fn(void *context, const char *source, const char *identity);
void tail_forgotten(struct tail *t, tail_forgotten_fn *each, void *context);

/* Rising, but for the first three. */
struct tail_stats {
	uint64_t files, open, unread_bytes;
	uint64_t truncated_bytes_unread; /* seen, and then truncated away or deleted before they were read */
	uint64_t truncations;            /* generations begun; where they happened unseen the loss is not known */
	uint64_t copies;                 /* new files that were copies of followed ones: resumed, not read again */
	uint64_t nul_bytes_skipped;      /* holes and runs of NULs */
	uint64_t rewound_bytes;          /* offsets beyond the end of a file that lost its tail in a crash of the machine */
	uint64_t watch_failures;         /* directories looked at by polling only */
	uint64_t unreadable;             /* files that matched and could not be opened, each counted once in a row */
	uint64_t compressed;             /* files passed over because they begin as gzip or zstd */
};
void tail_stats(const struct tail *t, struct tail_stats *ret);

#endif
