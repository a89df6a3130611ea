/* SPDX-License-Identifier: Apache-2.0
 * What `replay` and `score` share: the options, the house, logs through the pipeline, output in large writes. */
#ifndef OFFLINE_H
#define OFFLINE_H

#include "cli.h"
#include "pipeline.h"

#include <stdbool.h>

struct offline {
	const struct command *self;
	enum pipeline_parts parts;
	struct pipeline_sinks sinks; /* context: the command's own */
	bool json;                   /* --json was given */
	struct buf out;              /* standard output: offline_flush writes what there is */
	/* After the last record, or after a log broke off: NULL when there is nothing to add. */
	void (*finish)(void *context, struct pipeline *p);
};

/* Parses the options, runs, closes. Returns the exit code. */
int offline_command(struct offline *o, int argc, char **argv);
/* Write what is buffered, when it is enough to be worth a system call or `now`. */
void offline_flush(struct offline *o, bool now);

#endif
