/* SPDX-License-Identifier: Apache-2.0
 * Between the streams that are watched and those that are learned: which records are put aside, when a reference is due, and what
 * has to be so before a new one takes over. Loop thread.
 *
 * A stream without a reference is learned when its model's block says so (`learn`), also while it is watched by what it
 * inherited; one with a reference is learned anew when the last record of that is `relearn` old, or when somebody asked. */
#ifndef TEACHER_H
#define TEACHER_H

#include "learning.h"
#include "streams.h"

struct teacher;

struct teaching {
	const char *dir;   /* for the records put aside */
	bool install;      /* a new reference takes its place among the files; false: it is only used (replay) */
	void (*note)(void *context, const struct learning_note *note);
	/* This learner has enough, at this very record. It ends in pipeline_activate or teacher_failed before it returns. NULL:
	 * teacher_due is asked when there is time, and the model's records wait meanwhile (backlog.h). */
	void (*ready)(void *context, struct learner *l);
	void *context;
};

struct teacher *teacher_open(const struct config *config, const struct plugins *plugins, struct streams *streams, const struct teaching *o);
void teacher_close(struct teacher *t); /* accepts NULL */

/* Rows [from, end) of a batch whose stream is `s` (NULL: none). Returns the row behind which teacher_settle may change the stream,
 * else end. Rows without a stream are counted here. */
size_t teacher_rows(struct teacher *t, size_t source, const char *at, uint64_t offset, const struct batch *b, const struct stream *s,
	size_t from, size_t end, struct counts *counts);
/* Tells `ready` of who has enough. */
void teacher_settle(struct teacher *t);
/* A window of the stream was judged. */
void teacher_signal(struct teacher *t, const struct signal *s);
/* Learn these streams anew: of this model, and version unless NULL. How many there were. */
size_t teacher_relearn(struct teacher *t, const char *model, const char *version);

/* A learner for which a reference is to be made now, or NULL; teacher_begin says that it is being made. */
struct learner *teacher_due(struct teacher *t);
void teacher_begin(struct teacher *t, struct learner *l);
/* A reference of this model is being made, or is not in its place yet: nobody knows by what its records are to be counted. The model's
 * name, or NULL. `pattern`: `model` is one. */
const char *teacher_busy(const struct teacher *t, const char *model, bool pattern);
/* Some reference of this model is in use, and not in its place yet. */
bool teacher_installs(const struct teacher *t, const char *model);
struct learner *teacher_find(struct teacher *t, const char *model, const char *version);
size_t teacher_learners(const struct teacher *t);
/* The file of another version's reference whose bins the one in the making takes, so that the two can be compared; NULL: none. */
const char *teacher_like(const struct teacher *t, const struct learner *l);
/* Where a reference in the making is written: beside its place. The caller frees. NULL and a sentence when the folder is not there. */
char *teacher_fresh(struct teacher *t, const struct learner *l, struct error *e);
/* The file `fresh` is this learner's reference: opened, held against the configuration and (relearning) against the old one. *ret is
 * found by streams_find from now on; *ret_before (or NULL) was until now. On failure nothing has changed: -errno with a sentence; the
 * caller removes the file and says teacher_failed.
 *
 * In two steps, so that a kill at any instant leaves the state and the file of one reference together: the stream is watched by it at
 * once; the file is put in its place when that is committed (teacher_committed), or by teacher_load, should the process have died
 * between. Then the learner is done with. Without `install` the file stays in teaching.dir until teacher_forget. */
int teacher_activate(struct teacher *t, struct learner *l, const char *fresh, struct stream **ret, struct stream **ret_before,
	struct error *e);
void teacher_failed(struct teacher *t, struct learner *l, const char *why);
/* What was saved last is on record. True when that changed something. */
bool teacher_committed(struct teacher *t);

/* Ends all learning: what was put aside goes, and references that were made to be used only. */
void teacher_forget(struct teacher *t);

void teacher_save(struct teacher *t, struct txn *txn);
/* Before any state of streams is loaded: it may put a stream in the place of another. */
int teacher_load(struct teacher *t, struct store *s, struct error *e);

/* Is it fit to take over? It must judge something, and flag on its own held-out windows about as much as it was asked to; beside
 * an older one (NULL: none) it must not have lost half of what that one watched. 0, or -EINVAL with a sentence. */
int reference_sound(const struct reference *r, const struct reference *older, struct error *e);

#endif
