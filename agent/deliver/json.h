/* SPDX-License-Identifier: Apache-2.0
 * A Lua value as JSON. The rule for tables:
 *
 *   keys 1..n and no other      an array          {1, 2}            [1,2]
 *   texts and no other          an object         {a = 1}           {"a":1}, members by name
 *   no keys at all              an object         {}                {}
 *   made by array(t)            an array, always  array({})         []
 *   anything else               an error
 *
 * Numbers that are not finite become null; texts that are not UTF-8 have the bad bytes replaced. */
#ifndef DELIVER_JSON_H
#define DELIVER_JSON_H

#include "base/buf.h"

#include <stdbool.h>

#include <lua.h>

#define JSON_DEPTH 32

/* What stands for a secret inside Lua, and the text it becomes. */
struct json_secret {
	const void *token; /* of a light userdata */
	const char *text;
	bool used; /* set when it was written */
};

/* Add the word `array` to the globals. Inside a protected call. */
void json_open(lua_State *L);
/* Inside a protected call; raises when the value has no JSON, is deeper than JSON_DEPTH, or `to` is
 * full. `to` must belong to somebody whom the error does not skip. secret may be NULL: then its
 * token has no JSON either. */
void json_put(lua_State *L, int index, struct buf *to, struct json_secret *secret);

#endif
