/* SPDX-License-Identifier: Apache-2.0
 * s.schema: the remarks on the schema, as plain tables: there are few, and a rule may want to keep one. */
#include "rules/rule.h"

#include "model/schema.h"

static void push_remark(lua_State *L, const struct schema_remark *r)
{
	sandbox_spend(L, 64);
	lua_createtable(L, 0, 7);
	lua_pushstring(L, schema_kind_words[r->kind]);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, r->field);
	lua_setfield(L, -2, "field");
	lua_pushstring(L, r->detail);
	lua_setfield(L, -2, "detail");
	lua_pushnumber(L, (double)r->first_us / 1e6);
	lua_setfield(L, -2, "first_seen");
	lua_pushinteger(L, r->records);
	lua_setfield(L, -2, "records");
	lua_pushboolean(L, r->moved);
	lua_setfield(L, -2, "moved");
	lua_pushboolean(L, r->latched);
	lua_setfield(L, -2, "latched");
}

void view_schema(lua_State *L, struct rule_file *f, const void *of)
{
	const struct schema *s = &((const struct signal *)of)->schema;

	(void)f;
	lua_createtable(L, (int)s->n, 0);
	for (size_t i = 0; i < s->n; i++) {
		push_remark(L, &s->at[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}
