/* SPDX-License-Identifier: Apache-2.0
 * s.limits: the limits of output metrics, as plain tables. */
#include "rules/rule.h"

#include "model/limit.h"

#include <math.h>

static void push_number(lua_State *L, const char *key, double x)
{
	if (isnan(x))
		return; /* nil */
	lua_pushnumber(L, x);
	lua_setfield(L, -2, key);
}

static void push_limit(lua_State *L, const struct limit_finding *f)
{
	sandbox_spend(L, 128);
	lua_createtable(L, 0, 12);
	lua_pushstring(L, f->name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, f->metric);
	lua_setfield(L, -2, "metric");
	lua_pushstring(L, f->mean ? "mean" : "share");
	lua_setfield(L, -2, "of");
	lua_pushinteger(L, f->n);
	lua_setfield(L, -2, "n");
	push_number(L, "value", f->value);
	push_number(L, "low", f->low);
	push_number(L, "high", f->high);
	push_number(L, f->at_least ? "at_least" : "at_most", f->limit);
	lua_pushboolean(L, f->breached);
	lua_setfield(L, -2, "breached");
	lua_pushboolean(L, f->fresh);
	lua_setfield(L, -2, "fresh");
	if (f->breached)
		push_number(L, "since", (double)f->since_us / 1e6);
	push_number(L, "log_m", f->log_m);
	lua_pushstring(L, f->words);
	lua_setfield(L, -2, "words");
}

void view_limits(lua_State *L, struct rule_file *f, const void *of)
{
	const struct limit_signal *s = &((const struct signal *)of)->limits;

	(void)f;
	lua_createtable(L, (int)s->n, 0);
	for (size_t i = 0; i < s->n; i++) {
		push_limit(L, &s->at[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}
