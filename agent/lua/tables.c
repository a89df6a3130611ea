/* SPDX-License-Identifier: Apache-2.0
 * The table library, written so that each loop accounts for its work: Lua's own moves, sorts and
 * concatenates for as long as a table is large, without an instruction being counted. The sort is a
 * merge sort: stable, and O(n log n) whatever the comparison says. */
#include "lua/sandbox.h"


#include <lauxlib.h>

static lua_Integer length(lua_State *L, int index)
{
	luaL_checktype(L, index, LUA_TTABLE);
	return luaL_len(L, index);
}

static int table_insert(lua_State *L)
{
	lua_Integer n = length(L, 1) + 1, at = n;

	if (lua_gettop(L) == 3) {
		at = luaL_checkinteger(L, 2);
		luaL_argcheck(L, at >= 1 && at <= n, 2, "position out of bounds");
		for (lua_Integer i = n; i > at; i--) {
			sandbox_spend(L, 4);
			lua_geti(L, 1, i - 1);
			lua_seti(L, 1, i);
		}
	} else if (lua_gettop(L) != 2) {
		return luaL_error(L, "wrong number of arguments to 'insert'");
	}
	lua_seti(L, 1, at);
	return 0;
}

static int table_remove(lua_State *L)
{
	lua_Integer n = length(L, 1), at = luaL_optinteger(L, 2, n);

	if (lua_gettop(L) > 1)
		luaL_argcheck(L, at >= 1 && at <= n + 1, 2, "position out of bounds");
	lua_geti(L, 1, at);
	for (; at < n; at++) {
		sandbox_spend(L, 4);
		lua_geti(L, 1, at + 1);
		lua_seti(L, 1, at);
	}
	lua_pushnil(L);
	lua_seti(L, 1, at);
	return 1;
}

static int table_concat(lua_State *L)
{
	lua_Integer last = luaL_opt(L, luaL_checkinteger, 4, length(L, 1));
	lua_Integer first = luaL_optinteger(L, 3, 1);
	size_t n_between;
	const char *between = luaL_optlstring(L, 2, "", &n_between);
	luaL_Buffer b;

	lua_settop(L, 4);
	luaL_buffinit(L, &b);
	for (lua_Integer i = first; i <= last; i++) {
		sandbox_spend(L, 8 + n_between / 8);
		lua_geti(L, 1, i);
		if (!lua_isstring(L, -1))
			return luaL_error(L, "concat: item %I is a %s, not a text or number",
				(LUAI_UACINT)i, luaL_typename(L, -1));
		luaL_addvalue(&b);
		if (i == last) /* also keeps the counter from running over */
			break;
		luaL_addlstring(&b, between, n_between);
	}
	luaL_pushresult(&b);
	return 1;
}

static int table_pack(lua_State *L)
{
	int n = lua_gettop(L);

	sandbox_spend(L, (size_t)n);
	lua_createtable(L, n, 1);
	lua_insert(L, 1);
	for (int i = n; i > 0; i--)
		lua_seti(L, 1, i);
	lua_pushinteger(L, n);
	lua_setfield(L, 1, "n");
	return 1;
}

static int table_unpack(lua_State *L)
{
	lua_Integer first = luaL_optinteger(L, 2, 1),
		    last = luaL_opt(L, luaL_checkinteger, 3, length(L, 1));
	lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;

	if (first > last)
		return 0;
	if (n >= 4096 || !lua_checkstack(L, (int)n + 1))
		return luaL_error(L, "unpack: too many results");
	sandbox_spend(L, (size_t)n);
	for (lua_Integer i = first; i < last; i++)
		lua_geti(L, 1, i);
	lua_geti(L, 1, last);
	return (int)n + 1;
}

/* Is the value on top less than the one beneath? */
typedef int less(lua_State *L, int function);

static int less_lua(lua_State *L, int function)
{
	int is;

	lua_pushvalue(L, function);
	lua_pushvalue(L, -2);
	lua_pushvalue(L, -4);
	lua_call(L, 2, 1);
	is = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return is;
}

static int less_plain(lua_State *L, int function)
{
	(void)function;
	return lua_compare(L, -1, -2, LUA_OPLT);
}

static int rank(lua_State *L, int index)
{
	return lua_type(L, index) == LUA_TNUMBER ? 0 : lua_type(L, index) == LUA_TSTRING ? 1 : 2;
}

static int less_key(lua_State *L, int function)
{
	(void)function;
	if (rank(L, -1) != rank(L, -2))
		return rank(L, -1) < rank(L, -2);
	return rank(L, -1) < 2 && lua_compare(L, -1, -2, LUA_OPLT);
}

/* Merge from[lo, mid) and from[mid, hi) into to[lo, hi). */
static void merge(lua_State *L, int from, int to, lua_Integer lo, lua_Integer mid, lua_Integer hi,
	less *is_less, int function)
{
	lua_Integer a = lo, b = mid;

	for (lua_Integer k = lo; k < hi; k++) {
		int second = a == mid;

		sandbox_spend(L, 16);
		if (a < mid && b < hi) {
			lua_rawgeti(L, from, a);
			lua_rawgeti(L, from, b);
			second = is_less(L, function);
			lua_pop(L, 2);
		}
		lua_rawgeti(L, from, second ? b++ : a++);
		lua_rawseti(L, to, k);
	}
}

/* Sort the list at index `list`, 1..n, with the help of a second list; the sorted one is on top of
 * the stack. */
static void merge_sort(lua_State *L, int list, lua_Integer n, less *is_less, int function)
{
	int from = list, to;

	lua_createtable(L, 0, 0);
	to = lua_gettop(L);
	for (lua_Integer width = 1; width < n; width *= 2) {
		for (lua_Integer lo = 1; lo <= n; lo += 2 * width) {
			lua_Integer mid = lo + width < n + 1 ? lo + width : n + 1,
				    hi = mid + width < n + 1 ? mid + width : n + 1;

			merge(L, from, to, lo, mid, hi, is_less, function);
		}
		int was = from;
		from = to;
		to = was;
	}
	lua_pushvalue(L, from);
}

static int table_sort(lua_State *L)
{
	lua_Integer n = length(L, 1);
	int by = !lua_isnoneornil(L, 2);

	if (by)
		luaL_checktype(L, 2, LUA_TFUNCTION);
	luaL_argcheck(L, n < 1 << 24, 1, "too long to sort");
	lua_settop(L, 2);
	lua_createtable(
		L, (int)n, 0); /* sorted aside: an error half way leaves the table as it was */
	for (lua_Integer i = 1; i <= n; i++) {
		sandbox_spend(L, 4);
		lua_geti(L, 1, i);
		lua_rawseti(L, 3, i);
	}
	merge_sort(L, 3, n, by ? less_lua : less_plain, 2);
	for (lua_Integer i = 1; i <= n; i++) {
		sandbox_spend(L, 4);
		lua_rawgeti(L, -1, i);
		lua_seti(L, 1, i);
	}
	return 0;
}

void tables_sorted_keys(lua_State *L, int index)
{
	lua_Integer n = 0;
	int list;

	lua_newtable(L);
	list = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		sandbox_spend(L, 4);
		lua_pushvalue(L, -2);
		lua_rawseti(L, list, ++n);
	}
	merge_sort(L, list, n, less_key, 0);
	lua_replace(L, list);
	lua_settop(L, list);
}

void tables_open(lua_State *L)
{
	static const luaL_Reg functions[] = {{"insert", table_insert}, {"remove", table_remove},
		{"concat", table_concat}, {"pack", table_pack}, {"unpack", table_unpack},
		{"sort", table_sort}, {NULL, NULL}};

	luaL_newlib(L, functions);
	lua_setfield(L, -2, "table");
}
