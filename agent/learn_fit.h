/* SPDX-License-Identifier: Apache-2.0
 * `oodd fit` as a process of its own: what learning holds in memory and takes of a core is not the agent's. It runs at low
 * priority, ends with its parent, and what it prints becomes log lines. */
#ifndef LEARN_FIT_H
#define LEARN_FIT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct fit_log {
	const char *source; /* its name: how the log is written */
	const char *path;
};

/* Borrowed for the call. */
struct fit_order {
	const char *config, *model, *version, *output;
	const struct fit_log *logs;
	size_t n_logs;
	const char *also[4]; /* further arguments, NULL behind the last */
	bool quiet;          /* what it prints is not logged, but for what it says last when it fails */
};

struct fit_job;

/* done: once, on the loop thread: code 0, or the exit code (-1: ended by a signal) and what it last said on standard error. The
 * job is gone when it returns. 0 or -errno with a sentence. */
int fit_job_start(uv_loop_t *loop, const struct fit_order *o, void (*done)(void *context, int code, const char *said), void *context,
	struct fit_job **ret, struct error *e);
/* Ends it; done is called, with what it says of that. */
void fit_job_kill(struct fit_job *j);
/* Ends it; done is not called. The loop must run once more. Accepts NULL. */
void fit_job_stop(struct fit_job *j);

#endif
