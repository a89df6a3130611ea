/* SPDX-License-Identifier: Apache-2.0
 * A hash table of texts whose links live in what they lead to: identity, path and former path of files, directories. */
#ifndef INPUT_TAIL_INDEX_H
#define INPUT_TAIL_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_link {
	struct index_link *next;
	uint64_t hash;
	const char *text; /* borrowed from the owner; NULL: not in a table */
	void *owner;
};

struct index {
	struct index_link **at;
	size_t n, room;
};

void index_done(struct index *ix); /* frees the table, never the links */
/* `text` must outlive the link. Two of one text may stand in it: the last one put is found first. */
void index_put(struct index *ix, struct index_link *link, const char *text, void *owner);
void index_drop(struct index *ix, struct index_link *link); /* does nothing to a link that is in no table */
void *index_get(const struct index *ix, const char *text);  /* the owner, or NULL */
/* All of one text, the last one put first: NULL begins, and NULL ends. */
struct index_link *index_next(const struct index *ix, const char *text, const struct index_link *after);

#endif
