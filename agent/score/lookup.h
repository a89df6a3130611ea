/* SPDX-License-Identifier: Apache-2.0
 * A fixed set of words to their numbers: what categories, classes and column names are looked up
 * in. */
#ifndef SCORE_LOOKUP_H
#define SCORE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

/* Const after word_index_open; the words are borrowed. "" and NULL are not words. */
struct word_index {
	struct word_slot {
		uint64_t hash;
		const char *word; /* NULL: free */
		uint32_t n;       /* its length */
		int32_t code;
	} * slots;
	size_t mask;
};

void word_index_open(struct word_index *to, char *const *words, size_t n);
void word_index_close(struct word_index *w);
/* Position of the word among those given to open (the first, if twice), -1 when it is none. */
int32_t word_index_find(const struct word_index *w, const char *at, size_t n);

#endif
