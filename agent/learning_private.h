/* SPDX-License-Identifier: Apache-2.0
 * Between learning.c, learning_pick.c and learning_state.c only. */
#ifndef LEARNING_PRIVATE_H
#define LEARNING_PRIVATE_H

#include "learning.h"
#include "base/buf.h"
#include "base/clock.h"

enum { HASHES_MOST = 4096 };

struct learning {
	struct learning_options o;
	char *dir;
	struct learner *at[LEARNERS_MOST];
	size_t n;
	char **gone;     /* keys to be dropped from the database */
	size_t n_gone;
	bool told_full;
	struct buf rows; /* of one batch, on their way to the spool */
};

struct learner *learner_new(struct learning *t, const struct model_config *m, const char *model, const char *version);
void learner_anew(struct learner *l);              /* nothing is known, nothing kept */
void learner_close(struct learning *t, struct learner *l, bool remove); /* remove: its spools too */
/* l->spools[source], opened: as far as is known to be committed, or (NULL) from nothing. As spool_open. */
int learner_spool(struct learning *t, struct learner *l, size_t source, const struct spool_mark *known, struct error *e);
/* learning_pick.c: a record's time; and is it kept? at[0..n) are its bytes. */
#define STRAY_US (INT64_C(3600) * SECOND_US) /* the place of one with next to no records is kept for so long when others want it */
#define LEAP_US (INT64_C(86400) * SECOND_US) /* further away than this from all others, a time is doubted */
void learner_believe(struct learner_known *k, int64_t us);
bool learner_picks(struct learner *l, const char *at, size_t n);
void hashes_add(struct hashes *h, uint64_t hash);

#endif
