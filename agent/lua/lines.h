/* SPDX-License-Identifier: Apache-2.0
 * Where in a script each key of a table stands, so that a message about a value names the line of
 * that value. Lua forgets this when it compiles; here the text is read once more, just for its
 * table constructors. Tables that a script builds in other ways are not found: then the line of the
 * call has to do. */
#ifndef LUA_LINES_H
#define LUA_LINES_H

#include <stddef.h>

struct lines;

struct lines *lines_open(const char *text, size_t n); /* never NULL; copies what it needs */
void lines_close(struct lines *l);                    /* accepts NULL */

/* The constructor of `word "name" { ... }`, whose word stands at that line. An entry for the calls
 * below, or -1. */
int lines_block(const struct lines *l, const char *word, const char *name, int line);
/* The same for `word { ... }` and `word = { ... }`: the last that begins at that line or before
 * (Lua gives an assignment the line of its end). */
int lines_value(const struct lines *l, const char *word, int line);
/* The entry in the constructor `parent` with that key, or the i-th list item (from 1) when key is
 * NULL; or -1. */
int lines_child(const struct lines *l, int parent, const char *key, size_t i);
/* Line of an entry (from 1), 0 for -1. Entries rise in the order of the text. */
int lines_line(const struct lines *l, int entry);

#endif
