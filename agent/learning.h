/* SPDX-License-Identifier: Apache-2.0
 * Streams that are being learned: what is known of each so far, its records put aside (input/spool.h), and whether there are
 * enough of them to make a reference. Making it is others' business (learn_fit.h, pipeline_learn.c).
 *
 * A stream has enough when `records` of its records were met AND they span `span` of event time: five thousand records of one minute
 * say nothing of how an hour differs from the next, and a week of ten records has no bins. Where traffic is heavier than fits into
 * `spool`, it is thinned, by a hash of each record, so that every window's length of time has its even share: windows of
 * thinned records vary just as the judge's null (Dirichlet-multinomial) says they do.
 *
 * Everything is a function of the records in reading order: no clock, no dependence on where chunks were cut. While a reference is being
 * made the model's records wait elsewhere (backlog.h); any that come here all the same are counted and not kept. Loop thread. */
#ifndef LEARNING_H
#define LEARNING_H

#include "config.h"
#include "input/spool.h"
#include "model/batch.h"
#include "model/counts.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define LEARNERS_MOST 64       /* streams that are learned at once: a log of hostile versions must not fill the disk. One more takes the
                                * place of one that went away: others are a day and its span ahead of it, or an hour where it
                                * has fewer than LEARNING_LEAST records */
#define LEARNING_LEAST 200     /* records: fewer are never tried */

enum learning_state {
	LEARNING_BEGUN,     /* the first record of a stream without a reference, or a relearning */
	LEARNING_PROGRESS,  /* another tenth */
	LEARNING_FITTING,   /* enough: a reference is being made */
	LEARNING_FAILED,    /* it could not be made, or is not sound: more is collected */
	LEARNING_ACTIVE,    /* the stream is watched (anew) */
	LEARNING_POSTPONED, /* relearning: an alarm is on; what was collected is thrown away */
	LEARNING_RESUMED,   /* the alarm is over: collecting begins again */
};
extern const char *const learning_words[]; /* "begun", "collecting", "fitting", "failed", "active", "postponed", "resumed" */

/* What is known so far of one stream. Borrowed for the call. */
struct learning_note {
	enum learning_state state;
	const char *model, *version;
	bool relearn;                /* the stream is watched by an older reference meanwhile */
	int64_t ts_us;               /* event time of the newest record, TIME_NONE */
	int64_t seen, kept, bytes;   /* records met, put aside; bytes put aside */
	int64_t first_us, newest_us; /* TIME_NONE while no time is believed */
	int64_t wanted, wanted_us;   /* records met, and their span */
	int64_t eta_us;              /* event time still to come at this rate, TIME_NONE when not known */
	size_t n_classes, n_fields, n_logits, n_embedding; /* met so far */
	const char *why;             /* of a failure, of a postponement; of what is activated: why it may be doubted; NULL */
};

struct learner_known {
	int64_t seen, kept, bytes;
	int64_t first_us, newest_us;
	int64_t doubt_us, doubts;    /* a time far from the rest, and how many in a row agree with it */
	int64_t slot, slot_seen, slot_kept; /* the window's length of time now filled, and its bytes */
	int64_t thin, steps;         /* one in 2^thin is kept; how often that rose within the slot */
	int64_t tenths;              /* told */
};

struct hashes {
	uint64_t *at;                /* rising */
	size_t n, room;
};

struct learner {
	char *key, *model, *version;
	const struct model_config *config;
	bool relearn;
	char replaces[65];           /* hash of the reference that is to be replaced; "" */
	struct learner_known known;
	struct hashes classes, fields;
	int64_t n_logits, n_embedding;
	int64_t wanted;              /* records met; more after a failure */
	int64_t tries;
	bool ready;                  /* enough: nothing more is kept until the fit has ended */
	bool fitting;                /* somebody has begun to make the reference; not kept over a restart */
	bool installing;             /* the stream is watched by what was made; it takes its place among the files when that is on record */
	bool saved;                  /* installing, and in the last save */
	bool held;                   /* an alarm is on */
	bool full;                   /* the spool is, and the fit has failed */
	bool failing;                /* the spool cannot be written: said once */
	bool moved;                  /* since it was saved */
	struct spool **spools;       /* one for each source, NULL where none */
};

struct learning;

struct learning_options {
	const struct config *config;
	const char *dir;             /* of the spools; made when first wanted; copied */
	void (*note)(void *context, const struct learning_note *note);
	void *context;
};

struct learning *learning_open(const struct learning_options *o);
void learning_close(struct learning *t); /* accepts NULL; spools stay */

struct learner *learning_find(struct learning *t, const char *model, const char *version);
struct learner *learning_each(struct learning *t, size_t i); /* NULL behind the last */
/* NULL, and said once, when there are LEARNERS_MOST or the folder cannot be made. `replaces` NULL: a stream without a reference. */
struct learner *learning_begin(struct learning *t, const struct model_config *m, const char *model, const char *version,
	const char *replaces);
/* Done with it: its spools are removed, it is forgotten at the next save. */
void learning_end(struct learning *t, struct learner *l);

/* Rows [from, end) of chunk bytes `at`, whose first byte is at `offset` of its file. Returns the row behind the one that made it
 * ready, else end. counts: where to count the rows that were dealt with, NULL when somebody else does. */
size_t learning_rows(struct learning *t, struct learner *l, size_t source, const char *at, uint64_t offset, const struct batch *b,
	size_t from, size_t end, struct counts *counts);

/* The fit failed: half as many records again are wanted before the next one. */
void learning_failed(struct learning *t, struct learner *l, const char *why);
/* A relearning must not learn the odd as normal: with an alarm on all is thrown away and nothing kept; without, it goes on. */
void learning_hold(struct learning *t, struct learner *l, bool alarm);
void learning_note(struct learning *t, const struct learner *l, enum learning_state state, const char *why);
/* Some learner that is ready, not yet fitting and not done with, or NULL. */
struct learner *learning_ready(struct learning *t);

/* With the one transaction. load: `wanted` says whether a learner of before is still to be (context is its own); what is not is
 * removed. */
void learning_save(struct learning *t, struct txn *txn);
int learning_load(struct learning *t, struct store *s,
	bool (*wanted)(void *context, const char *model, const char *version, const char *replaces), void *context, struct error *e);

#endif
