/* SPDX-License-Identifier: Apache-2.0
 * What `replay`, `score`, `eval` and `selftest` share: the options, the house, logs through the pipeline, output in large writes. */
#ifndef OFFLINE_H
#define OFFLINE_H

#include "cli.h"
#include "house.h"
#include "pipeline.h"

#include <stdbool.h>

struct offline {
	const struct command *self;
	enum pipeline_parts parts;
	struct pipeline_sinks sinks; /* context: the command's own */
	bool json;                   /* --json was given */
	long threads;                /* --threads */
	const char *labels;          /* a log of labels beside the others, or NULL */
	struct buf out;              /* standard output: offline_flush writes what there is */
	const struct cli_option *options; /* further ones of the command's own, or NULL */
	/* After the options were read and the configuration opened, before any log is: may change parts and sinks. 0, or the exit code
	 * after a line on stderr. NULL: nothing to do. */
	int (*begin)(void *context, const struct house *house);
	/* What the command does when no log is named; NULL: it says that it wants one. Returns the exit code. */
	int (*without)(void *context, const struct house *house);
	/* The pipeline is open, no log is yet: NULL: nothing to do. */
	void (*opened)(void *context, struct pipeline *p);
	/* After the last record, or after a log broke off: NULL when there is nothing to add. */
	void (*finish)(void *context, struct pipeline *p);
};

/* Parses the options, runs, closes. Returns the exit code. */
int offline_command(struct offline *o, int argc, char **argv);
/* Write what is buffered, when it is enough to be worth a system call or `now`. */
void offline_flush(struct offline *o, bool now);

#endif
