/* SPDX-License-Identifier: Apache-2.0
 * One event, one look-up: thousands of quiet files may not cost those that are busy. */
#include "input/tail_index.h"

#include "base/hash.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void index_done(struct index *ix)
{
	free(ix->at);
	*ix = (struct index){0};
}

static void push(struct index *ix, struct index_link *link)
{
	struct index_link **slot = &ix->at[link->hash & (ix->room - 1)];

	link->next = *slot;
	*slot = link;
}

/* Links of one text keep their order: the old table's chains are turned over once, and by pushing once more. */
static void widen(struct index *ix)
{
	struct index old = *ix;

	ix->room = old.room ? old.room * 2 : 64;
	ix->at = mem_zero(ix->room, sizeof *ix->at);
	for (size_t i = 0; i < old.room; i++) {
		struct index_link *turned = NULL, *next;

		for (struct index_link *l = old.at[i]; l; l = next) {
			next = l->next;
			l->next = turned;
			turned = l;
		}
		for (; turned; turned = next) {
			next = turned->next;
			push(ix, turned);
		}
	}
	free(old.at);
}

void index_put(struct index *ix, struct index_link *link, const char *text, void *owner)
{
	assert(!link->text && text);
	if (ix->n >= ix->room)
		widen(ix);
	*link = (struct index_link){.hash = hash_bytes(text, strlen(text), 0), .text = text, .owner = owner};
	push(ix, link);
	ix->n++;
}

void index_drop(struct index *ix, struct index_link *link)
{
	struct index_link **at;

	if (!link->text)
		return;
	for (at = &ix->at[link->hash & (ix->room - 1)]; *at != link; at = &(*at)->next)
		assert(*at);
	*at = link->next;
	link->text = NULL;
	ix->n--;
}

struct index_link *index_next(const struct index *ix, const char *text, const struct index_link *after)
{
	uint64_t hash = after ? after->hash : hash_bytes(text, strlen(text), 0);
	struct index_link *l = after ? after->next : ix->room ? ix->at[hash & (ix->room - 1)] : NULL;

	while (l && (l->hash != hash || strcmp(l->text, text) != 0))
		l = l->next;
	return l;
}

void *index_get(const struct index *ix, const char *text)
{
	struct index_link *l = index_next(ix, text, NULL);

	return l ? l->owner : NULL;
}
