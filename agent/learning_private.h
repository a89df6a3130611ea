/* SPDX-License-Identifier: Apache-2.0
 * Between learning.c and learning_state.c only. */
#ifndef LEARNING_PRIVATE_H
#define LEARNING_PRIVATE_H

#include "learning.h"
#include "base/buf.h"

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
void hashes_add(struct hashes *h, uint64_t hash);

#endif
