/* SPDX-License-Identifier: Apache-2.0
 * s.odd, s.kinds, s.groups, s.examples: odd records of the window, as plain values. */
#include "rules/rule.h"

#include "model/odd.h"

static void set_text(lua_State *L, const char *key, const char *text)
{
	if (!text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, int64_t x)
{
	lua_pushinteger(L, x);
	lua_setfield(L, -2, key);
}

static const struct signal_odd *odd_of(const void *signal)
{
	return &((const struct signal *)signal)->odd;
}

void view_odd(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_pushstring(L, odd_of(of)->words ? odd_of(of)->words : "");
}

void view_kinds(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	sandbox_spend(L, 64);
	lua_createtable(L, 0, ODD_KINDS);
	for (size_t k = 0; k < ODD_KINDS; k++)
		set_integer(L, odd_words[k], odd_of(of)->kinds[k]);
}

static void push_group(lua_State *L, const struct odd_group *g)
{
	lua_createtable(L, 0, 7);
	set_text(L, "like", g->like);
	set_text(L, "text", g->text);
	set_integer(L, "n", g->n);
	set_integer(L, "size", g->size);
	lua_pushnumber(L, (double)g->first_us / 1e6);
	lua_setfield(L, -2, "first_seen");
	lua_pushboolean(L, g->fresh);
	lua_setfield(L, -2, "fresh");
	lua_createtable(L, ODD_MEMBERS, 0);
	for (int i = 0; i < ODD_MEMBERS && g->members[i]; i++) {
		lua_pushstring(L, g->members[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "members");
}

void view_groups(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_createtable(L, (int)odd_of(of)->n_groups, 0);
	for (size_t i = 0; i < odd_of(of)->n_groups; i++) {
		sandbox_spend(L, 64);
		push_group(L, &odd_of(of)->groups[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

void view_examples(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_createtable(L, (int)odd_of(of)->n_examples, 0);
	for (size_t i = 0; i < odd_of(of)->n_examples; i++) {
		const struct sample *s = &odd_of(of)->examples[i];

		sandbox_spend(L, 64);
		lua_createtable(L, 0, 6);
		set_text(L, "id", s->id);
		set_text(L, "kind", s->kind);
		set_text(L, "why", s->why);
		set_text(L, "prediction", s->prediction);
		set_text(L, "nearest", s->nearest);
		lua_pushnumber(L, s->p);
		lua_setfield(L, -2, "p");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}
