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
#include "judge/kind.h"
#include "model/reference.h"
#include "score/registry.h"
#include "score/scorer.h"
#include "truth.h"

#include <stdatomic.h>
#include <stdbool.h>

struct stream {
	char *key;                       /* "model version": names it in the database */
	char *model, *version;
	const struct model_config *config; /* borrowed; lives as long as the pipeline */
	struct reference *reference;     /* immutable */
	const struct scorer *scorer;         /* const while scoring: any thread */
	struct windows *windows;         /* loop thread */
	struct judge *judge;             /* loop thread */
	struct odd *odd;                 /* loop thread: kinds and groups of odd records */
	struct truth_book *truth;             /* loop thread; NULL: no source brings labels of it */
	/* odd_bar, for the thread pool: a hint. */
	_Atomic double odd_bar;
	_Atomic int64_t odd_window_us;
	bool moved;                      /* windows or judge changed since they were last saved */
	char *path;                      /* of the reference's file */
	_Atomic bool retired;            /* another took its place; freed when nobody can hold it any more */
};

#define STREAMS_MOST 4096

/* Loop thread changes it; any thread looks in it meanwhile: entries are only added, behind `n`. */
struct streams {
	struct stream **at;              /* STREAMS_MOST */
	_Atomic size_t n;
};

/* What the configuration of a model says to the judge. */
struct judge_options judge_options_of(const struct model_config *m);
/* Opens every reference of the configuration (reference_place.h). A model whose reference is not there yet is no error: its
 * streams are learned (learning.h), or counted as rejected under no_reference. Mistakes are appended to `errors`, a line each; the
 * rest is opened all the same. Returns how many mistakes there were. */
size_t streams_open(const struct config *config, const struct plugins *plugins, struct streams *ret, struct buf *errors);
void streams_close(struct streams *s);
/* One stream from a reference; `path` is where it says it comes from. 0 or -errno with a sentence. */
int stream_open(const struct model_config *m, const char *path, const struct plugins *plugins, struct stream **ret, struct error *e);
/* A stream of another version of the same model, watched by what its features were in `from`'s reference (reference_inherit.h);
 * its own has reference->inherited_from. -ENOENT when there is nothing to inherit. */
int stream_inherit(const struct stream *from, const char *version, const struct plugins *plugins, struct stream **ret, struct error *e);
void stream_close(struct stream *s); /* accepts NULL */
/* Takes `s`: from now on streams_find finds it, in place of what it may have found before, which is retired and returned (NULL:
 * none). Chunks under way may still hold that one; pipeline_apply looks again. Loop thread. -ENOSPC beyond STREAMS_MOST. */
int streams_put(struct streams *streams, struct stream *s, struct stream **ret_retired);
/* Nothing is under way: retired ones are freed. Loop thread. */
void streams_sweep(struct streams *s);
/* Loop thread. Of the model's streams that have a reference of their own, the one that saw the newest records; NULL: none. */
struct stream *streams_ancestor(const struct streams *s, const char *model);
size_t streams_inherited(const struct streams *s);
/* Any thread. NULL when there is none. */
struct stream *streams_find(const struct streams *s, const char *model, const char *version);

#endif
