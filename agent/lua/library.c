/* SPDX-License-Identifier: Apache-2.0
 * The words of a sandbox that are not about strings or tables: what Lua's own library offers, less
 * what leaves the sandbox, outlives the budget, or differs from run to run. */
#include "lua/sandbox.h"

#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

static int protected_pcall(lua_State *L)
{
	int status;

	luaL_checkany(L, 1);
	status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
	if (status != LUA_OK) {
		sandbox_pass_on(L, status);
		lua_pushboolean(L, 0);
		lua_insert(L, -2);
		return 2;
	}
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	return lua_gettop(L);
}

/* The handler runs after the error, not inside it: there, hooks are switched off and it could run
 * for ever. */
static int protected_xpcall(lua_State *L)
{
	int status;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2); /* f h args... h */
	lua_replace(L, 2);
	lua_pushvalue(L, 1);
	lua_insert(L, 3); /* f h f args... */
	status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 0);
	if (status != LUA_OK) {
		sandbox_pass_on(L, status);
		lua_pushvalue(L, 2);
		lua_insert(L, -2);
		lua_call(L, 1, LUA_MULTRET);
	}
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 2);
	return lua_gettop(L) - 1;
}

/* No addresses: they differ from run to run. */
static int plain_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_type(L, 1) <= LUA_TSTRING && lua_type(L, 1) != LUA_TLIGHTUSERDATA)
		luaL_tolstring(L, 1, NULL);
	else if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)
		luaL_tolstring(L, 1, NULL);
	else
		lua_pushstring(L, luaL_typename(L, 1));
	return 1;
}

static const char *const metamethods[] = {"__index", "__call", "__tostring", "__name", "__len",
	"__eq", "__lt", "__le", "__unm", "__add", "__sub", "__mul", "__div", "__mod", "__pow",
	"__idiv", "__concat"};

static int is_metamethod(const char *name)
{
	for (size_t i = 0; i < sizeof metamethods / sizeof *metamethods; i++)
		if (strcmp(name, metamethods[i]) == 0)
			return 1;
	return 0;
}

/* The metatable on top of the stack, copied, so that nothing can be added to it later. */
static void copy_metatable(lua_State *L)
{
	int from = lua_gettop(L);

	lua_createtable(L, 0, 4);
	for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		sandbox_spend(L, 4);
		if (strncmp(name, "__", 2) != 0)
			continue;
		if (!is_metamethod(name))
			luaL_error(L, "setmetatable: '%s' is not available here", name);
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, from + 1);
	}
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

static int checked_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_getmetatable(L, 1))
		return luaL_error(L, "setmetatable: the table has a metatable already, and it "
				     "cannot be changed");
	lua_settop(L, 2);
	copy_metatable(L);
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

static int checked_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL)
		lua_pushnil(L);
	return 1;
}

static int pairs_next(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));

	for (;;) {
		sandbox_spend(L, 4);
		if (lua_rawgeti(L, lua_upvalueindex(2), ++i) == LUA_TNIL)
			return 1;
		lua_pushvalue(L, -1);
		if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
			break;
		lua_pop(L, 2); /* removed since */
	}
	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(3));
	return 2;
}

static int sorted_pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	tables_sorted_keys(L, 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, pairs_next, 3);
	return 1;
}

/* Reading a name that nobody has set is a mistake, and usually one of spelling. */
static int unknown_name(lua_State *L)
{
	const char *words[256], *name, *near;
	size_t n = 0;

	if (lua_type(L, 2) != LUA_TSTRING)
		return luaL_error(L, "unknown name");
	name = lua_tostring(L, 2);
	for (lua_pushnil(L); n < 256 && lua_next(L, 1); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING)
			words[n++] = lua_tostring(L, -2);
	sandbox_spend(L, n * strlen(name) * 8);
	near = words_nearest(name, words, n);
	if (near)
		return luaL_error(L, "unknown name '%s'; did you mean '%s'?", name, near);
	return luaL_error(L, "unknown name '%s'", name);
}

static const luaL_Reg own[] = {
	{"pcall", protected_pcall},
	{"xpcall", protected_xpcall},
	{"tostring", plain_tostring},
	{"setmetatable", checked_setmetatable},
	{"getmetatable", checked_getmetatable},
	{"pairs", sorted_pairs},
	{NULL, NULL},
};
static const char *const lent[] = {"assert", "error", "ipairs", "select", "type", NULL};
static const char *const lent_math[] = {"abs", "acos", "asin", "atan", "ceil", "cos", "exp",
	"floor", "fmod", "huge", "log", "max", "maxinteger", "min", "mininteger", "modf", "pi",
	"sin", "sqrt", "tan", "tointeger", "type", "ult", NULL};

/* The time a function of Lua's own library takes grows with the texts it is given. */
static int charged(lua_State *L)
{
	size_t n = 8;

	for (int i = lua_gettop(L); i > 0; i--)
		if (lua_type(L, i) == LUA_TSTRING)
			n += lua_rawlen(L, i) / 8;
	sandbox_spend(L, n);
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void library_lend(lua_State *L, int from, const char *const *names)
{
	int to = lua_gettop(L);

	for (; *names; names++) {
		if (lua_getfield(L, from, *names) == LUA_TFUNCTION)
			lua_pushcclosure(L, charged, 1);
		lua_setfield(L, to, *names);
	}
}

void library_open(lua_State *L)
{
	int env = lua_gettop(L);
	const char *const number[] = {"tonumber", NULL};

	luaL_setfuncs(L, own, 0);
	lua_pushcfunction(L, luaopen_base);
	lua_call(L, 0, 1);
	for (const char *const *name = lent; *name; name++) {
		lua_getfield(L, -1, *name);
		lua_setfield(L, env, *name);
	}
	lua_pushvalue(L, env);
	library_lend(L, env + 1, number);
	lua_settop(L, env);
	lua_pushcfunction(L, luaopen_math);
	lua_call(L, 0, 1);
	lua_newtable(L);
	for (const char *const *name = lent_math; *name; name++) {
		lua_getfield(L, env + 1, *name);
		lua_setfield(L, -2, *name);
	}
	lua_setfield(L, env, "math");
	lua_settop(L, env);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, unknown_name);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, env);
}
