/* SPDX-License-Identifier: Apache-2.0
 * Lua's patterns (reference manual, 6.4.1), matched within a budget of steps. Backtracking makes a
 * pattern of seven characters run for minutes on a text of 600, so each step is counted and the
 * owner says when to stop. No allocation, no Lua, no longjmp. */
#ifndef LUA_PATTERN_H
#define LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_CAPTURES 32
#define PATTERN_DEPTH 150 /* levels of recursion */

#define CAPTURE_OPEN (-1)
#define CAPTURE_POSITION (-2)

struct capture {
	const char *at;
	ptrdiff_t n; /* bytes, or CAPTURE_OPEN, or CAPTURE_POSITION */
};

struct matcher {
	const char *text, *text_end;                 /* lent */
	const char *pattern, *pattern_end;           /* lent, without a leading ^ */
	bool (*afford)(void *context, size_t steps); /* false: stop */
	void *context;
	/* Results. */
	struct capture captures[PATTERN_CAPTURES];
	int n_captures;
	const char *wrong; /* NULL, or why the match was given up: a sentence, static */
	bool stopped;      /* `afford` said no */
	int depth;         /* private */
};

void matcher_init(
	struct matcher *m, const char *text, size_t n_text, const char *pattern, size_t n_pattern);
/* A match that starts exactly at `at` (text <= at <= text_end): its end, or NULL when there is none
 * or `wrong` or `stopped` is set. */
const char *matcher_run(struct matcher *m, const char *at);

#endif
