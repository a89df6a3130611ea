/* SPDX-License-Identifier: Apache-2.0
 * A Lua value as a tree of plain structs. A cycle shows as too much depth, a bomb as too many
 * items. */
#include "lua/value.h"

#include "lua/sandbox.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

const char *const value_type_words[] = {
	"nil", "true or false", "a number", "a text", "a table", "a function"};

struct walk {
	const struct value_options *o;
	struct arena *arena;
	struct error *error;
	size_t left, bytes; /* items and bytes of text that may still come: one text may stand in a
			       table ten thousand times */
	int depth;
};

/* An item on its way into the table: with its place in the text, to be sorted by. */
struct placed {
	struct value value;
	int entry;
	size_t item;
};

static bool read_value(lua_State *L, int index, struct walk *w, int entry, struct value *v);

static bool copy_text(const char *text, size_t n, struct walk *w, const char **ret)
{
	if (n > w->bytes)
		return error_set(w->error, 0, "more than %d KiB of text", VALUE_BYTES >> 10), false;
	w->bytes -= n;
	*ret = arena_span(w->arena, text, n);
	return true;
}

static int compare_placed(const void *a_, const void *b_)
{
	const struct placed *a = a_, *b = b_;

	if (!a->value.key != !b->value.key)
		return a->value.key ? 1 : -1;
	if (!a->value.key)
		return a->item < b->item ? -1 : a->item > b->item;
	if (a->entry != b->entry)
		return a->entry < b->entry ? -1 : 1;
	return strcmp(a->value.key, b->value.key);
}

/* The key at the index before the top: a text, or a place in the list 1..n. */
static bool read_key(lua_State *L, size_t n_list, struct walk *w, struct placed *p)
{
	size_t n;
	const char *text;

	if (lua_type(L, -2) == LUA_TSTRING) {
		text = lua_tolstring(L, -2, &n);
		if (strlen(text) != n)
			return error_set(w->error, 0, "a key with a NUL byte in it"), false;
		return copy_text(text, n, w, &p->value.key);
	}
	if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
		(size_t)lua_tointeger(L, -2) <= n_list) {
		p->item = (size_t)lua_tointeger(L, -2);
		return true;
	}
	if (lua_isinteger(L, -2))
		error_set(w->error, 0, "a list with a hole: item %lld stands alone",
			(long long)lua_tointeger(L, -2));
	else
		error_set(w->error, 0, "a table with a %s as a key; keys are texts",
			luaL_typename(L, -2));
	return false;
}

static bool read_items(lua_State *L, int index, struct walk *w, int self, int line,
	struct placed *items, size_t n_list, size_t *n)
{
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		struct placed *p = &items[(*n)++];

		sandbox_spend(L, 32);
		*p = (struct placed){.entry = -1, .value.line = line};
		if (!read_key(L, n_list, w, p))
			return false;
		if (w->o->lines && self >= 0)
			p->entry = lines_child(w->o->lines, self, p->value.key, p->item);
		if (!read_value(L, lua_gettop(L), w, p->entry, &p->value))
			return false;
	}
	return true;
}

/* How many items, and how many of them are the list 1..n. */
static size_t count_items(lua_State *L, int index, size_t *n_list, size_t most)
{
	size_t n = 0;

	*n_list = 0;
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		sandbox_spend(L, 4);
		if (++n > most) {
			lua_pop(L, 2);
			return n;
		}
	}
	while (*n_list < n && lua_rawgeti(L, index, (lua_Integer)*n_list + 1) != LUA_TNIL) {
		lua_pop(L, 1);
		(*n_list)++;
	}
	if (*n_list < n)
		lua_pop(L, 1);
	return n;
}

static bool read_table(lua_State *L, int index, struct walk *w, int entry, struct value *v)
{
	size_t n_list, n = 0, room = count_items(L, index, &n_list, w->left);
	struct placed *items;

	if (room > w->left)
		return error_set(w->error, 0, "a table with more than %d items", VALUE_MOST), false;
	if (w->depth == VALUE_DEPTH)
		return error_set(w->error, 0, "tables more than %d deep", VALUE_DEPTH), false;
	luaL_checkstack(L, 8, "tables");
	w->left -= room;
	w->depth++;
	items = arena_alloc(w->arena, (room + 1) * sizeof *items);
	if (!read_items(L, index, w, entry, v->line, items, n_list, &n))
		return false;
	w->depth--;
	qsort(items, n, sizeof *items, compare_placed);
	v->items = arena_alloc(w->arena, (n + 1) * sizeof *v->items);
	v->n = n;
	for (size_t i = 0; i < n; i++)
		v->items[i] = items[i].value;
	return true;
}

static bool read_value(lua_State *L, int index, struct walk *w, int entry, struct value *v)
{
	const char *text;

	if (w->o->lines && entry >= 0)
		v->line = lines_line(w->o->lines, entry);
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		v->type = VALUE_NIL;
		return true;
	case LUA_TBOOLEAN:
		v->type = VALUE_BOOL;
		v->yes = lua_toboolean(L, index);
		return true;
	case LUA_TNUMBER:
		v->type = VALUE_NUMBER;
		v->number = lua_tonumber(L, index);
		v->whole = lua_isinteger(L, index);
		v->integer = v->whole ? lua_tointeger(L, index) : 0;
		return true;
	case LUA_TSTRING:
		v->type = VALUE_TEXT;
		text = lua_tolstring(L, index, &v->n);
		return copy_text(text, v->n, w, &v->text);
	case LUA_TTABLE:
		v->type = VALUE_TABLE;
		return read_table(L, index, w, entry, v);
	case LUA_TFUNCTION:
		v->type = VALUE_FUNCTION;
		if (w->o->functions) {
			lua_pushvalue(L, index);
			v->function = luaL_ref(L, LUA_REGISTRYINDEX);
			return true;
		}
		return error_set(w->error, 0,
			       "a function; only texts, numbers, true, false and tables of them "
			       "are possible here"),
		       false;
	default:
		return error_set(w->error, 0,
			       "a %s; only texts, numbers, true, false and tables of them are "
			       "possible",
			       luaL_typename(L, index)),
		       false;
	}
}

bool value_read(lua_State *L, int index, const struct value_options *o, struct arena *a,
	struct value *ret, struct error *e)
{
	struct walk w = {.o = o, .arena = a, .error = e, .left = VALUE_MOST, .bytes = VALUE_BYTES};
	struct value v = {.line = o->line};
	int top = lua_gettop(L);

	index = lua_absindex(L, index);
	if (!read_value(L, index, &w, o->entry, &v)) {
		lua_settop(L, top);
		return false;
	}
	*ret = v;
	return true;
}

void value_push(lua_State *L, const struct value *v)
{
	luaL_checkstack(L, 4, "tables");
	switch (v->type) {
	case VALUE_BOOL:
		lua_pushboolean(L, v->yes);
		break;
	case VALUE_NUMBER:
		if (v->whole)
			lua_pushinteger(L, v->integer);
		else
			lua_pushnumber(L, v->number);
		break;
	case VALUE_TEXT:
		lua_pushlstring(L, v->text, v->n);
		break;
	case VALUE_TABLE:
		lua_newtable(L);
		for (size_t i = 0; i < v->n; i++) {
			value_push(L, &v->items[i]);
			if (v->items[i].key)
				lua_setfield(L, -2, v->items[i].key);
			else
				lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		break;
	default:
		lua_pushnil(L);
	}
}

const struct value *value_find(const struct value *table, const char *key)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->items[i].key && strcmp(table->items[i].key, key) == 0)
			return &table->items[i];
	return NULL;
}
