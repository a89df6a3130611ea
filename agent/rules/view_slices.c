/* SPDX-License-Identifier: Apache-2.0
 * s.slices: where a shift sits and which slices differ, as plain tables; nil where the reference has no slices. */
#include "rules/rule.h"

#include "model/slice.h"

#include <math.h>

static void push_number(lua_State *L, const char *key, double x)
{
	if (isnan(x))
		return; /* nil */
	lua_pushnumber(L, x);
	lua_setfield(L, -2, key);
}

static void push_text(lua_State *L, const char *key, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void push_bool(lua_State *L, const char *key, bool x)
{
	lua_pushboolean(L, x);
	lua_setfield(L, -2, key);
}

static void push_gap(lua_State *L, const struct slice_gap *g)
{
	sandbox_spend(L, 160);
	lua_createtable(L, 0, 20);
	push_text(L, "tag", g->tag);
	push_text(L, "value", g->value);
	push_text(L, "name", g->name);
	push_text(L, "what", g->what);
	push_text(L, "words", g->words);
	push_number(L, "n", (double)g->n);
	push_number(L, "inside", g->inside);
	push_number(L, "rest", g->rest);
	push_number(L, "difference", g->inside - g->rest);
	push_number(L, "low", g->low);
	push_number(L, "high", g->high);
	push_number(L, "ratio", g->ratio);
	push_number(L, "before", g->before);
	push_number(L, "before_rest", g->before_rest);
	push_number(L, "change", g->change);
	push_number(L, "change_low", g->change_low);
	push_number(L, "change_high", g->change_high);
	push_number(L, "share", g->share);
	push_number(L, "of_records", g->of_records);
	push_bool(L, "differs", g->differs);
	push_bool(L, "news", g->news);
}

static void push_gaps(lua_State *L, const char *key, const struct slice_gaps *g)
{
	lua_createtable(L, (int)g->n, 0);
	for (size_t i = 0; i < g->n; i++) {
		push_gap(L, &g->at[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, key);
}

static void push_parity(lua_State *L, const struct slice_parity *p)
{
	sandbox_spend(L, 96);
	lua_createtable(L, 0, 12);
	push_text(L, "tag", p->tag);
	push_text(L, "class", p->name);
	push_text(L, "highest", p->highest);
	push_text(L, "lowest", p->lowest);
	push_number(L, "difference", p->difference);
	push_number(L, "low", p->low);
	push_number(L, "high", p->high);
	push_number(L, "ratio", p->ratio);
	push_number(L, "before", p->before);
	push_number(L, "change_low", p->change_low);
	push_number(L, "change_high", p->change_high);
	push_bool(L, "differs", p->differs);
	push_bool(L, "news", p->news);
}

void view_slices(lua_State *L, struct rule_file *f, const void *of)
{
	const struct slice_signal *s = &((const struct signal *)of)->slices;

	(void)f;
	if (!s->of) {
		lua_pushnil(L);
		return;
	}
	sandbox_spend(L, 256);
	lua_createtable(L, 0, 8);
	push_text(L, "where_words", s->where_words);
	push_gaps(L, "where", &s->where);
	push_gaps(L, "gaps", &s->gaps);
	push_gaps(L, "opportunity", &s->opportunity);
	push_bool(L, "fresh", s->period_fresh);
	if (s->period_start_us != INT64_MIN) {
		push_number(L, "period_start", (double)s->period_start_us / 1e6);
		push_number(L, "period_end", (double)s->period_end_us / 1e6);
		push_number(L, "period_n", (double)s->period_n);
	}
	lua_createtable(L, (int)s->parity.n, 0);
	for (size_t i = 0; i < s->parity.n; i++) {
		push_parity(L, &s->parity.at[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "parity");
}
