/* SPDX-License-Identifier: Apache-2.0
 * Open addressing, at most half full, made once and never changed. */
#include "score/lookup.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The slot that holds the word, or the free one where it would go. */
static struct word_slot *slot_of(
	const struct word_index *w, const char *at, size_t n, uint64_t hash)
{
	for (size_t i = hash & w->mask;; i = (i + 1) & w->mask) {
		struct word_slot *s = &w->slots[i];

		if (!s->word || (s->hash == hash && s->n == n && memcmp(s->word, at, n) == 0))
			return s;
	}
}

void word_index_open(struct word_index *to, char *const *words, size_t n)
{
	size_t room = 4;

	while (room < 2 * n)
		room *= 2;
	*to = (struct word_index){.slots = mem_zero(room, sizeof *to->slots), .mask = room - 1};
	for (size_t i = 0; i < n; i++) {
		size_t length = words[i] ? strlen(words[i]) : 0;
		uint64_t hash = hash_bytes(words[i], length, 0);
		struct word_slot *s;

		if (length == 0)
			continue;
		s = slot_of(to, words[i], length, hash);
		if (!s->word)
			*s = (struct word_slot){hash, words[i], (uint32_t)length, (int32_t)i};
	}
}

void word_index_close(struct word_index *w)
{
	free(w->slots);
	*w = (struct word_index){0};
}

int32_t word_index_find(const struct word_index *w, const char *at, size_t n)
{
	const struct word_slot *s;

	if (n == 0)
		return -1;
	s = slot_of(w, at, n, hash_bytes(at, n, 0));
	return s->word ? s->code : -1;
}
