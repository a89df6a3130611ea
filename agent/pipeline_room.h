/* SPDX-License-Identifier: Apache-2.0
 * What the two files of the pipeline share: pipeline.c knows the order of the stages, pipeline_state.c what of them outlives the process. */
#ifndef PIPELINE_ROOM_H
#define PIPELINE_ROOM_H

#include "pipeline.h"

#include "truths.h"
#include "versions.h"

enum { STRANGERS_NAMED = 100 };

/* A (model, version) that no reference knows: said once, then only counted. */
struct stranger {
	char *model, *version;
};

struct pipeline {
	const struct config *config;
	const struct plugins *plugins;
	enum pipeline_parts parts;
	struct pipeline_sinks sinks;
	struct streams streams;
	struct teacher *teacher;         /* NULL: nothing is learned */
	struct backlogs *backlogs;       /* NULL: references are made at the very record, and nothing waits */
	struct buf waiting;              /* rows on their way to them */
	bool told_waiting;
	struct versions versions;        /* of one model, side by side */
	struct rules *rules;             /* NULL without */
	struct truths *truths;           /* NULL without */
	bool rules_moved;
	struct counts *counts;           /* one for each source */
	bool *counts_moved;
	struct decoder **peekers;        /* one for each source, made when first wanted */
	struct decoded peeked;
	struct explainer *explainer;     /* loop thread */
	struct chunk *idle;              /* chunks to be used again */
	struct stranger strangers[STRANGERS_NAMED];
	size_t n_strangers;
	char **given_up;                 /* keys of streams whose state is to be dropped with the next save */
	size_t n_given_up;
};

/* Records that waited cannot be read back: counted as given up. context: the pipeline. */
void waiting_lost(void *context, size_t source, struct tally tally);

#endif
