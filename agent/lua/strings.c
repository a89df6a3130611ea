/* SPDX-License-Identifier: Apache-2.0
 * The string library of a sandbox: Lua's own where the time is bounded by the size of the texts,
 * ours where it is not (patterns, rep), and no text that differs from run to run (addresses). */
#include "lua/pattern.h"
#include "lua/sandbox.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

static bool script_affords(void *context, size_t steps)
{
	return sandbox_afford(context, steps);
}

static void matcher_start(lua_State *L, struct matcher *m, const char *text, size_t n_text,
	const char *pattern, size_t n_pattern)
{
	matcher_init(m, text, n_text, pattern, n_pattern);
	m->afford = script_affords;
	m->context = L;
}

/* matcher_run, with its failures raised. */
static const char *match_at(lua_State *L, struct matcher *m, const char *at)
{
	const char *end = matcher_run(m, at);

	if (m->stopped)
		sandbox_raise(L);
	if (m->wrong)
		luaL_error(L, "%s", m->wrong);
	return end;
}

static void push_capture(
	lua_State *L, const struct matcher *m, int i, const char *at, const char *end)
{
	if (i >= m->n_captures) {
		if (i != 0)
			luaL_error(L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(L, at, (size_t)(end - at));
	} else if (m->captures[i].n == CAPTURE_POSITION) {
		lua_pushinteger(L, m->captures[i].at - m->text + 1);
	} else if (m->captures[i].n == CAPTURE_OPEN) {
		luaL_error(L, "unfinished capture");
	} else {
		lua_pushlstring(L, m->captures[i].at, (size_t)m->captures[i].n);
	}
}

/* All captures, or the whole match where there are none and `at` is given. */
static int push_captures(lua_State *L, const struct matcher *m, const char *at, const char *end)
{
	int n = m->n_captures == 0 && at ? 1 : m->n_captures;

	luaL_checkstack(L, n, "too many captures");
	for (int i = 0; i < n; i++)
		push_capture(L, m, i, at, end);
	return n;
}

/* The argument `init` as an offset; n + 1 when it lies behind the text. */
static size_t start_offset(lua_State *L, int arg, size_t n)
{
	lua_Integer init = luaL_optinteger(L, arg, 1);

	if (init > 0)
		return (lua_Unsigned)init > n + 1 ? n + 1 : (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)n)
		return 0;
	return n - (size_t)-init;
}

static bool has_specials(const char *pattern, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("^$*+?.([%-", pattern[i]) && pattern[i])
			return true;
	return false;
}

static int find_plain(
	lua_State *L, const char *text, size_t n_text, const char *what, size_t n_what, size_t from)
{
	const char *found;

	sandbox_spend(L, n_text / 4);
	found = n_what ? memmem(text + from, n_text - from, what, n_what) : text + from;
	if (!found) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, found - text + 1);
	lua_pushinteger(L, found - text + (lua_Integer)n_what);
	return 2;
}

static int find_or_match(lua_State *L, bool find)
{
	size_t n_text, n_pattern, from;
	const char *text = luaL_checklstring(L, 1, &n_text),
		   *pattern = luaL_checklstring(L, 2, &n_pattern);
	bool anchored = n_pattern && pattern[0] == '^';
	struct matcher m;

	from = start_offset(L, 3, n_text);
	if (from > n_text) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || !has_specials(pattern, n_pattern)))
		return find_plain(L, text, n_text, pattern, n_pattern, from);
	matcher_start(L, &m, text, n_text, pattern + anchored, n_pattern - anchored);
	for (const char *at = text + from; at <= m.text_end; at++) {
		const char *end = match_at(L, &m, at);

		if (end && find) {
			lua_pushinteger(L, at - text + 1);
			lua_pushinteger(L, end - text);
			return push_captures(L, &m, NULL, NULL) + 2;
		}
		if (end)
			return push_captures(L, &m, at, end);
		if (anchored)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int string_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* Upvalues: text, pattern, offset of the next try, end of the last match or -1. */
static int gmatch_next(lua_State *L)
{
	size_t n_text, n_pattern;
	const char *text = lua_tolstring(L, lua_upvalueindex(1), &n_text);
	const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &n_pattern);
	const char *at = text + lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
	struct matcher m;

	matcher_start(L, &m, text, n_text, pattern, n_pattern);
	for (; at <= m.text_end; at++) {
		const char *end = match_at(L, &m, at);

		if (!end || end - text == last)
			continue;
		lua_pushinteger(L, end - text);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(L, &m, at, end);
	}
	return 0;
}

static int string_gmatch(lua_State *L)
{
	size_t n;

	luaL_checklstring(L, 1, &n);
	luaL_checkstring(L, 2);
	lua_pushinteger(L, (lua_Integer)start_offset(L, 3, n));
	lua_replace(L, 3);
	lua_settop(L, 3);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* The text of a replacement, with %0 .. %9 and %% in it. */
static void add_template(
	lua_State *L, luaL_Buffer *b, const struct matcher *m, const char *at, const char *end)
{
	size_t n;
	const char *with = lua_tolstring(L, 3, &n);

	sandbox_spend(L, n);
	for (size_t i = 0; i < n; i++) {
		if (with[i] != '%') {
			luaL_addchar(b, with[i]);
			continue;
		}
		i++;
		if (i < n && with[i] == '%') {
			luaL_addchar(b, '%');
		} else if (i < n && with[i] == '0') {
			luaL_addlstring(b, at, (size_t)(end - at));
		} else if (i < n && with[i] >= '1' && with[i] <= '9') {
			push_capture(L, m, with[i] - '1', at, end);
			luaL_tolstring(L, -1, NULL);
			lua_remove(L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(L, "invalid use of '%%' in the replacement");
		}
	}
}

static void add_replaced(
	lua_State *L, luaL_Buffer *b, const struct matcher *m, const char *at, const char *end)
{
	switch (lua_type(L, 3)) {
	case LUA_TFUNCTION:
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(L, m, at, end), 1);
		break;
	case LUA_TTABLE:
		push_capture(L, m, 0, at, end);
		lua_gettable(L, 3);
		break;
	default:
		add_template(L, b, m, at, end);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, at, (size_t)(end - at));
	} else if (!lua_isstring(L, -1)) {
		luaL_error(L, "invalid replacement (a %s)", luaL_typename(L, -1));
	} else {
		luaL_addvalue(b);
	}
}

static int string_gsub(lua_State *L)
{
	size_t n_text, n_pattern;
	const char *text = luaL_checklstring(L, 1, &n_text),
		   *pattern = luaL_checklstring(L, 2, &n_pattern);
	int kind = lua_type(L, 3);
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)n_text + 1), n = 0;
	bool anchored = n_pattern && pattern[0] == '^';
	const char *at = text, *last = NULL;
	struct matcher m;
	luaL_Buffer b;

	luaL_argexpected(L,
		kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE ||
			kind == LUA_TFUNCTION,
		3, "string/function/table");
	matcher_start(L, &m, text, n_text, pattern + anchored, n_pattern - anchored);
	luaL_buffinit(L, &b);
	while (n < most) {
		const char *end = match_at(L, &m, at);

		if (end && end != last) {
			n++;
			add_replaced(L, &b, &m, at, end);
			at = last = end;
		} else if (at < m.text_end) {
			luaL_addchar(&b, *at++);
		} else {
			break;
		}
		if (anchored)
			break;
	}
	luaL_addlstring(&b, at, (size_t)(m.text_end - at));
	luaL_pushresult(&b);
	lua_pushinteger(L, n);
	return 2;
}

static int string_rep(lua_State *L)
{
	size_t n_text, n_between;
	const char *text = luaL_checklstring(L, 1, &n_text);
	lua_Integer n = luaL_checkinteger(L, 2);
	const char *between = luaL_optlstring(L, 3, "", &n_between);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (lua_Integer i = 0; i < n && n_text + n_between > 0; i++) {
		sandbox_spend(L, 1 + (n_text + n_between) / 16);
		luaL_addlstring(&b, text, n_text);
		if (i + 1 < n)
			luaL_addlstring(&b, between, n_between);
	}
	luaL_pushresult(&b);
	return 1;
}

static int string_byte(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	lua_Integer first = luaL_optinteger(L, 2, 1), last = luaL_optinteger(L, 3, first),
		    count = 0;

	first = first < 0 ? (lua_Integer)n + first + 1 : first;
	last = last < 0 ? (lua_Integer)n + last + 1 : last;
	first = first < 1 ? 1 : first;
	last = last > (lua_Integer)n ? (lua_Integer)n : last;
	if (last - first >= 1024)
		return luaL_error(L, "byte: more than 1024 at once");
	luaL_checkstack(L, 1024, "byte");
	for (; first <= last; first++, count++)
		lua_pushinteger(L, (unsigned char)text[first - 1]);
	return (int)count;
}

/* Lua's own, after what it would show as an address was made plain. */
static int string_format(lua_State *L)
{
	size_t n;
	const char *format = luaL_checklstring(L, 1, &n);

	sandbox_spend(L, n);
	for (size_t i = 0; i + 1 < n; i++) {
		if (format[i] != '%')
			continue;
		i++;
		i += strspn(format + i, "-+ #0123456789.");
		if (format[i] == 'p')
			return luaL_error(L, "format: '%%p' is not available here");
	}
	for (int i = lua_gettop(L); i > 1; i--) {
		if (lua_type(L, i) > LUA_TSTRING) {
			lua_pushvalue(L, lua_upvalueindex(2)); /* tostring */
			lua_pushvalue(L, i);
			lua_call(L, 1, 1);
			lua_replace(L, i);
		} else if (lua_type(L, i) == LUA_TSTRING) {
			sandbox_spend(L, lua_rawlen(L, i) / 8);
		}
	}
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void strings_open(lua_State *L)
{
	static const luaL_Reg own[] = {{"find", string_find}, {"match", string_match},
		{"gmatch", string_gmatch}, {"gsub", string_gsub}, {"rep", string_rep},
		{"byte", string_byte}, {NULL, NULL}};
	static const char *const lent[] = {"char", "len", "lower", "upper", "reverse", "sub", NULL};
	int env = lua_gettop(L);

	lua_pushcfunction(L, luaopen_string);
	lua_call(L, 0, 1);
	lua_newtable(L);
	luaL_setfuncs(L, own, 0);
	library_lend(L, env + 1, lent);
	lua_getfield(L, env + 1, "format");
	lua_getfield(L, env, "tostring");
	lua_pushcclosure(L, string_format, 2);
	lua_setfield(L, -2, "format");

	lua_pushliteral(L, ""); /* ("x"):upper() goes through the metatable that all texts share */
	lua_createtable(L, 0, 2);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	lua_setfield(L, env, "string");
	lua_settop(L, env);
}
