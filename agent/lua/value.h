/* SPDX-License-Identifier: Apache-2.0
 * Plain data out of Lua, and back: what a configuration, an alert{...} or a rule's little memory is
 * once Lua has said it. Memory is an arena's; nothing here outlives it. */
#ifndef LUA_VALUE_H
#define LUA_VALUE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "lua/lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#define VALUE_DEPTH 16
#define VALUE_MOST 8192       /* items of a table, those of its tables included */
#define VALUE_BYTES (1 << 20) /* of all its texts */

enum value_type { VALUE_NIL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_TABLE, VALUE_FUNCTION };
extern const char *const value_type_words[]; /* "nil", "true or false", "a number", "a text", "a
						table", "a function" */

struct value {
	enum value_type type;
	const char *key; /* NULL: an item of a list */
	int line;        /* of the key or item where it is known, else of what holds it */
	bool yes;
	bool whole; /* the number is an integer of Lua */
	double number;
	int64_t integer;     /* when whole */
	const char *text;    /* n bytes and a NUL; may hold others */
	size_t n;            /* of text, or of items */
	struct value *items; /* the list in its order, then the keys in the order of the text, where
				known, else sorted */
	int function;        /* reference in the registry (luaL_ref) */
};

/* What a table may hold besides plain data, and where its lines are known from. */
struct value_options {
	bool functions;            /* keep references to functions; else they are an error */
	const struct lines *lines; /* NULL: not known */
	int entry;                 /* of lines, for the value itself */
	int line;                  /* of the value itself */
};

/* The value at `index`. Inside a run: raises nothing but memory and time. false: it holds what it
 * may not; e says what. */
bool value_read(lua_State *L, int index, const struct value_options *o, struct arena *a,
	struct value *ret, struct error *e);
/* Push a value without functions. Inside a run. */
void value_push(lua_State *L, const struct value *v);
/* The item with that key, or NULL. */
const struct value *value_find(const struct value *table, const char *key);

#endif
