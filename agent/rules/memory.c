/* SPDX-License-Identifier: Apache-2.0
 * The little memory a rule has for each stream, as bytes: plain data, small, the same after a
 * restart. A table is an array of pairs, [key or nil, value, ...]; nil as key: the next item of the
 * list; nil for {}. */
#include "rules/rule.h"

#include "lua/value.h"
#include "model/pack.h"

#include <string.h>

#include <lauxlib.h>

static void pack_value(const struct value *v, struct buf *to)
{
	switch (v->type) {
	case VALUE_BOOL:
		pack_bool(to, v->yes);
		break;
	case VALUE_NUMBER:
		if (v->whole)
			pack_int(to, v->integer);
		else
			pack_real(to, v->number);
		break;
	case VALUE_TEXT:
		pack_text(to, v->text);
		break;
	default:
		if (v->n == 0) { /* read back as {} */
			pack_text(to, NULL);
			break;
		}
		pack_array(to, 2 * v->n);
		for (size_t i = 0; i < v->n; i++) {
			pack_text(to, v->items[i].key);
			pack_value(&v->items[i], to);
		}
	}
}

static bool has_nul(const struct value *v)
{
	if (v->type == VALUE_TEXT)
		return strlen(v->text) != v->n;
	for (size_t i = 0; v->type == VALUE_TABLE && i < v->n; i++)
		if (has_nul(&v->items[i]))
			return true;
	return false;
}

bool memory_pack(lua_State *L, int index, struct arena *arena, struct buf *to, struct error *e)
{
	struct value_options o = {.line = 0};
	struct value v;

	lua_pushnil(L);
	if (!lua_next(L, index))
		return true; /* {} is no bytes */
	lua_pop(L, 2);
	if (!value_read(L, index, &o, arena, &v, e)) {
		error_prefix(e, "`state` holds what cannot be kept");
		return false;
	}
	if (has_nul(&v)) {
		error_set(e, 0, "`state` holds a text with a NUL byte");
		return false;
	}
	pack_value(&v, to);
	if (to->n > RULES_MEMORY_MOST) {
		error_set(e, 0, "`state` is %zu bytes when stored; %d are possible", to->n,
			RULES_MEMORY_MOST);
		return false;
	}
	return true;
}

void memory_push(lua_State *L, const struct msgpack_object *o)
{
	const char *text;
	int64_t whole;
	double real;
	bool yes;
	size_t n;

	if (unpack_bool(o, &yes)) {
		lua_pushboolean(L, yes);
	} else if (unpack_int(o, INT64_MIN, INT64_MAX, &whole)) {
		lua_pushinteger(L, whole);
	} else if (unpack_real(o, &real)) {
		lua_pushnumber(L, real);
	} else if (unpack_text(o, &text, &n)) {
		lua_pushlstring(L, text, n);
	} else {
		lua_Integer item = 0;

		luaL_checkstack(L, 8, "state");
		lua_newtable(L);
		for (size_t i = 0; i + 1 < unpack_length(o); i += 2) {
			if (unpack_text(unpack_item(o, i), &text, &n))
				lua_pushlstring(L, text, n);
			else
				lua_pushinteger(L, ++item);
			memory_push(L, unpack_item(o, i + 1));
			lua_rawset(L, -3);
		}
	}
}
