/* SPDX-License-Identifier: Apache-2.0
 * A comparison of two versions as a rule sees it: a plain table, made for the call. What is not known is nil. */
#include "rules/rule.h"

#include "model/comparison.h"

#include <math.h>

static void set_text(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double x)
{
	if (isnan(x))
		return;
	lua_pushnumber(L, x);
	lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, int64_t n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool x)
{
	lua_pushboolean(L, x);
	lua_setfield(L, -2, name);
}

static void push_row(lua_State *L, const struct comparison_row *r)
{
	sandbox_spend(L, 64);
	lua_createtable(L, 0, 16);
	set_text(L, "name", r->name);
	set_text(L, "side", comparison_side_words[r->side]);
	set_text(L, "what", r->what);
	set_number(L, "stable", r->stable);
	set_number(L, "canary", r->canary);
	set_number(L, "difference", r->difference);
	set_number(L, "low", r->low);
	set_number(L, "high", r->high);
	set_number(L, "tolerance", r->tolerance);
	set_number(L, "log_worse", r->log_worse);
	set_number(L, "log_differs", r->log_differs);
	set_number(L, "log_not_worse", r->log_not_worse);
	set_bool(L, "worse", r->worse);
	set_bool(L, "differs", r->differs);
	set_bool(L, "not_worse", r->not_worse);
}

/* c.rows: a list, and each row under its name too. */
static void set_rows(lua_State *L, const struct comparison *c)
{
	lua_createtable(L, (int)c->n_rows, (int)c->n_rows);
	for (size_t i = 0; i < c->n_rows; i++) {
		push_row(L, &c->rows[i]);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, c->rows[i].name);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "rows");
}

void view_compare(lua_State *L, const struct comparison *c)
{
	sandbox_spend(L, 64);
	lua_createtable(L, 0, 16);
	set_text(L, "model", c->model);
	set_text(L, "stable", c->stable);
	set_text(L, "canary", c->canary);
	set_text(L, "version", c->canary);
	set_number(L, "start", (double)c->start_us / 1e6);
	set_number(L, "end_", (double)c->end_us / 1e6);
	set_count(L, "windows", c->n_windows);
	set_count(L, "n_stable", c->n_stable);
	set_count(L, "n_canary", c->n_canary);
	set_text(L, "verdict", comparison_verdict_words[c->verdict]);
	set_bool(L, "fresh", c->fresh);
	set_text(L, "reason", c->reason);
	set_number(L, "alpha", c->alpha);
	set_number(L, "log_needed", c->log_needed);
	set_rows(L, c);
}
