/* SPDX-License-Identifier: Apache-2.0
 * Labels whose prediction has not been read yet: another file is behind, or the label was quick. They wait, counted as in flight,
 * until it comes, or until so much later that it will not. Loop thread. */
#ifndef WAITING_H
#define WAITING_H

#include "truth.h"
#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define WAITING_MOST 100000

struct waiting_label {
	struct truth_label label; /* class: owned */
	char *id, *model;         /* model: a pattern of what it may be of */
	size_t source;            /* of the configuration; by name in the database */
	uint32_t bytes;           /* of its line */
};

struct waiting {
	struct waiting_label *at; /* as they came; one whose class is NULL has gone */
	size_t n, room;
	uint32_t *heads, *chain;  /* by id: of at + 1; heads: as many as there is room, a power of two */
	bool moved;
};

void waiting_done(struct waiting *w);
/* Copies the texts. */
void waiting_add(struct waiting *w, const struct waiting_label *label);
/* Are there labels of this id? Those for which `keep` says no have gone. */
void waiting_each(struct waiting *w, uint64_t id, bool (*keep)(void *context, struct waiting_label *label), void *context);
/* Every label for which `keep` says no is taken out; it may look at it and change nothing else of the queue. */
void waiting_sift(struct waiting *w, bool (*keep)(void *context, struct waiting_label *label), void *context);

/* source_name, source_index: between the places of sources and their names. A label of a source that is no more is dropped. */
void waiting_pack(struct waiting *w, const char *(*source_name)(const void *context, size_t source), const void *context,
	struct buf *to);
int waiting_unpack(struct waiting *w, const void *at, size_t n, size_t (*source_index)(const void *context, const char *name, size_t n),
	const void *context, struct error *e);

#endif
