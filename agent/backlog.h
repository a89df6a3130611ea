/* SPDX-License-Identifier: Apache-2.0
 * Records that wait while a reference of their model is made. Which record is counted by which reference is then a function of the
 * records alone, however long the making takes: those behind the one that was enough stand in a file, one for each model, in the
 * order in which they were read, until it is known what they are to be counted by.
 *
 * The file is a spool (input/spool.h) of pieces: where they came from, how long windows were held open, and the bytes as they were
 * read. How far it goes and how far it was dealt with are committed with the sources' positions, so after kill -9 each
 * record is counted once. Loop thread. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include "config.h"
#include "base/error.h"
#include "model/counts.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlogs;
struct backlog; /* of one model */

/* Records of one source, one behind the other. */
struct backlog_piece {
	size_t source;   /* of the configuration */
	int64_t hold_us; /* as pipeline_apply's */
	size_t n;        /* bytes */
};

/* dir: of the files; it is there when something is learned. */
struct backlogs *backlogs_open(const struct config *config, const char *dir);
void backlogs_close(struct backlogs *b); /* accepts NULL; the files stay */

/* Something waits: what comes now has to wait behind it. The name that the model is known by here, or NULL. `pattern`: `model` is
 * one. */
const char *backlogs_waits(const struct backlogs *b, const char *model, bool pattern);
/* As much waits of some model as it may keep on disk (learn.spool): time to read no further. */
bool backlogs_full(const struct backlogs *b);
/* Behind what waits. tally: what the bytes are. 0 or -errno with a sentence: nothing was put. */
int backlogs_put(struct backlogs *b, const char *model, const struct backlog_piece *piece, const void *at, struct tally tally,
	struct error *e);

/* The first piece (or what is left of it) of some model for which `free` says yes and of which none is out; NULL: none. It is out
 * until backlog_took. */
struct backlog *backlogs_next(struct backlogs *b, bool (*free)(void *context, const char *model), void *context,
	struct backlog_piece *ret);
int backlog_read(const struct backlog *b, const struct backlog_piece *piece, void *to, struct error *e);
/* So many of its bytes and records were dealt with. */
void backlog_took(struct backlog *b, const struct backlog_piece *piece, struct tally tally);
/* It cannot be read: `lost` hears what is given up, of each source. */
void backlog_lost(struct backlog *b, void (*lost)(void *context, size_t source, struct tally tally), void *context);

void backlogs_save(struct backlogs *b, struct txn *t);
/* What is not the file that was committed is given up, and said. */
int backlogs_load(struct backlogs *b, struct store *s, void (*lost)(void *context, size_t source, struct tally tally), void *context,
	struct error *e);

#endif
