/* SPDX-License-Identifier: Apache-2.0
 * A Lua value as JSON, for request bodies. Members go by name, so that the same alert has the same
 * bytes whatever the hash seed of the process: a signature over them is then the same too. */
#include "deliver/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

struct writer {
	struct buf *to;
	struct json_secret *secret;
	int depth;
};

static const char
	array_mark; /* its address is the registry key of the metatable that marks an array */

static int word_array(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mark);
	lua_setmetatable(L, 1);
	return 1;
}

void json_open(lua_State *L)
{
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &array_mark);
	lua_pushcfunction(L, word_array);
	lua_setglobal(L, "array");
}

static void put(lua_State *L, struct writer *w, const char *text)
{
	if (buf_text(w->to, text))
		luaL_error(L, "longer than the %d KiB that a body may have",
			(int)(w->to->limit >> 10));
}

static void put_text(lua_State *L, struct writer *w, const char *text, size_t n)
{
	if (buf_json_text(w->to, text, n))
		put(L, w, "\""); /* raises: it is full */
}

static void put_number(lua_State *L, struct writer *w, int index)
{
	char text[32];

	if (lua_isinteger(L, index)) {
		snprintf(text, sizeof text, LUA_INTEGER_FMT, (LUAI_UACINT)lua_tointeger(L, index));
		put(L, w, text);
	} else if (buf_json_number(w->to, lua_tonumber(L, index))) {
		put(L, w, "0"); /* raises: it is full */
	}
}

static void put_value(lua_State *L, struct writer *w, int index);

static bool is_marked_array(lua_State *L, int index)
{
	bool marked;

	if (!lua_getmetatable(L, index))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mark);
	marked = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return marked;
}

struct shape {
	size_t texts, others;
	size_t most; /* largest whole number among the others, SIZE_MAX when one is not 1 or more */
};

static struct shape table_shape(lua_State *L, int index)
{
	struct shape s = {0};

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;

		if (lua_type(L, -2) == LUA_TSTRING) {
			s.texts++;
			continue;
		}
		s.others++;
		if (i < 1)
			s.most = SIZE_MAX;
		else if (s.most < (size_t)i)
			s.most = (size_t)i;
	}
	return s;
}

static void put_array(lua_State *L, struct writer *w, int index, size_t n)
{
	put(L, w, "[");
	for (size_t i = 1; i <= n; i++) {
		if (i > 1)
			put(L, w, ",");
		lua_rawgeti(L, index, (lua_Integer)i);
		put_value(L, w, lua_gettop(L));
		lua_pop(L, 1);
	}
	put(L, w, "]");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names stay alive in the table, the array of them is the stack's: an error frees both. */
static void put_object(lua_State *L, struct writer *w, int index, size_t n)
{
	const char **names = lua_newuserdatauv(L, (n ? n : 1) * sizeof *names, 0);
	size_t i = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		names[i] = lua_tostring(L, -2);
		if (strlen(names[i++]) != lua_rawlen(L, -2))
			luaL_error(L, "a name with a NUL byte in it");
	}
	qsort(names, n, sizeof *names, by_name);
	put(L, w, "{");
	for (i = 0; i < n; i++) {
		if (i)
			put(L, w, ",");
		put_text(L, w, names[i], strlen(names[i]));
		put(L, w, ":");
		lua_pushstring(L, names[i]);
		lua_rawget(L, index);
		put_value(L, w, lua_gettop(L));
		lua_pop(L, 1);
	}
	put(L, w, "}");
	lua_pop(L, 1);
}

static void put_table(lua_State *L, struct writer *w, int index)
{
	struct shape s = table_shape(L, index);
	bool array = is_marked_array(L, index);

	if (++w->depth > JSON_DEPTH)
		luaL_error(L, "tables nested deeper than %d, or inside themselves, have no JSON",
			JSON_DEPTH);
	luaL_checkstack(L, 8, "too deep");
	if (s.others != s.most || (s.texts && (s.others || array)))
		luaL_error(L, "a table with both names and numbers, or with holes, has no JSON: it "
			      "is neither a list nor an object");
	if (s.others || array)
		put_array(L, w, index, s.others);
	else
		put_object(L, w, index, s.texts);
	w->depth--;
}

static void put_secret(lua_State *L, struct writer *w, int index)
{
	if (!w->secret || lua_touserdata(L, index) != w->secret->token)
		luaL_error(L, "the secret may stand in the body or a header, nowhere else");
	put_text(L, w, w->secret->text, strlen(w->secret->text));
	w->secret->used = true;
}

static void put_value(lua_State *L, struct writer *w, int index)
{
	const char *text;
	size_t n;

	switch (lua_type(L, index)) {
	case LUA_TNIL:
		put(L, w, "null");
		break;
	case LUA_TBOOLEAN:
		put(L, w, lua_toboolean(L, index) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		put_number(L, w, index);
		break;
	case LUA_TSTRING:
		text = lua_tolstring(L, index, &n);
		put_text(L, w, text, n);
		break;
	case LUA_TTABLE:
		put_table(L, w, index);
		break;
	case LUA_TLIGHTUSERDATA:
		put_secret(L, w, index);
		break;
	default:
		luaL_error(L, "a %s has no JSON", luaL_typename(L, index));
	}
}

void json_put(lua_State *L, int index, struct buf *to, struct json_secret *secret)
{
	struct writer w = {.to = to, .secret = secret};

	put_value(L, &w, lua_absindex(L, index));
}
