/* SPDX-License-Identifier: Apache-2.0
 * Everything that a configuration makes and a reload replaces. It is made in two steps: what can fail because of what somebody
 * wrote (nothing of a running agent is touched), then what takes over the state and the files. */
#ifndef ROOMS_H
#define ROOMS_H

#include "feed.h"
#include "house.h"
#include "pipeline.h"
#include "input/dead_letter.h"

struct rooms {
	struct house house;
	struct pipeline *pipeline;
	struct feed *feed;         /* paused until feed_resume */
	struct dead_letter **dead; /* one for each source */
};

/* Configuration, plugins, references, rules. Mistakes are logged, a line each. */
int rooms_build(const char *config_path, const struct pipeline_sinks *sinks, struct rooms *ret);
/* State from the database, dead letters, then the files. Of the options what the rooms hold, or the database knows, is filled in here. */
int rooms_start(struct rooms *r, struct store *store, struct feed_options feed, struct error *e);
/* Accepts the half-built and the closed. Nothing may be under way in the feed. */
void rooms_close(struct rooms *r);

#endif
