/* SPDX-License-Identifier: Apache-2.0
 * References are made: when a learner has enough, `oodd fit` runs on what was put aside (learn_fit.h), one at a time, and what it
 * made takes over (pipeline_activate). And requests of `oodd relearn` are met. Loop thread. */
#ifndef SCHOOL_H
#define SCHOOL_H

#include "pipeline.h"

#include <uv.h>

struct school;

/* For the agent: on its loop, beside everything else. ended: a fit has; the next school_tick takes what it made. */
struct school *school_open(uv_loop_t *loop, const char *config_path, const char *state, void (*ended)(void *context), void *context);
/* A fit under way is ended; the loop must run once more. Accepts NULL. */
void school_close(struct school *s);
/* Now and then, between chunks: takes what a fit has made, meets requests, begins what is due. `p` may be another one than the last
 * time (a reload). True when streams or learners changed: it is time to commit. */
bool school_tick(struct school *s, struct pipeline *p);

/* For replay: this learner's reference, here and now. */
void school_now(struct pipeline *p, struct learner *l, const struct config *c);

/* Where the agent puts records aside: in the state directory. The caller frees. */
char *school_dir(const char *state);
/* A line of the log for each thing that learning says. */
void school_note(void *context, const struct learning_note *note);

/* `oodd relearn`: a request that the agent finds at its next look. 0 or -errno with a sentence. */
int school_ask(const char *state, const char *model, const char *version, struct error *e);

#endif
