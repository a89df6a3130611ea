/* SPDX-License-Identifier: Apache-2.0
 * The streams that are watched: for each model of the configuration that has a reference, the reference, its opened
 * detectors, the open windows and the judge. */
#ifndef STREAMS_H
#define STREAMS_H

#include "config.h"
#include "base/buf.h"
#include "base/error.h"
#include "judge/close.h"
#include "judge/judge.h"
#include "model/reference.h"
#include "score/registry.h"
#include "score/scorer.h"

#include <stdbool.h>

struct stream {
	char *key;                       /* "model version": names it in the database */
	char *model, *version;
	const struct model_config *config; /* borrowed; lives as long as the pipeline */
	struct reference *reference;     /* immutable */
	const struct scorer *scorer;         /* const while scoring: any thread */
	struct windows *windows;         /* loop thread */
	struct judge *judge;             /* loop thread */
	bool moved;                      /* windows or judge changed since they were last saved */
};

struct streams {
	struct stream *at;
	size_t n;
};

/* What the configuration of a model says to the judge. */
struct judge_options judge_options_of(const struct model_config *m);
/* Opens every reference of the configuration. A model whose reference is not there yet is no error: its records are counted
 * as rejected under no_reference. Mistakes are appended to `errors`, a line each; the rest is opened all the same.
 * Returns how many mistakes there were. */
size_t streams_open(const struct config *config, const struct plugins *plugins, struct streams *ret, struct buf *errors);
void streams_close(struct streams *s);
/* Immutable table: any thread. NULL when there is none. */
struct stream *streams_find(const struct streams *s, const char *model, const char *version);

#endif
