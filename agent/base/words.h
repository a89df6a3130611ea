/* SPDX-License-Identifier: Apache-2.0
 * The nearest right word, for messages: "unknown key 'windw'; did you mean 'window'?" */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The nearest of `words` to `text` by Damerau-Levenshtein distance, or NULL when none is near enough
 * (more than a third of its letters, at least 1, are wrong). */
const char *words_nearest(const char *text, const char *const *words, size_t n);
/* Shell-like pattern with * and ?: does it match the whole text? No allocation, linear time. */
bool words_match(const char *pattern, const char *text);

#endif
