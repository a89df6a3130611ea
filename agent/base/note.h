/* SPDX-License-Identifier: Apache-2.0
 * A short text put together in a field of fixed size, without printf: a closed window says a hundred of them. Cut off like
 * snprintf's, always ended. No allocation; any thread. */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include <stddef.h>

struct note {
	char *at;
	size_t room, n; /* n < room: without the NUL */
};

/* room >= 1. */
struct note note_open(char *at, size_t room);
/* To go on behind what stands there. */
struct note note_behind(char *at, size_t room);
void note_text(struct note *to, const char *text);
/* The same letters as printf's "%.*g", digits 1 to 9. */
void note_number(struct note *to, double x, int digits);
/* "0.02 %", "1.0 %", "23 %" of a share. */
void note_percent(struct note *to, double share);

#endif
