/* SPDX-License-Identifier: Apache-2.0
 * A signal as a rule sees it: read-only, no copies. A view holds the number of the call it was made
 * for; a script that keeps one for later finds it gone, not a pointer into freed memory. */
#include "rules/rule.h"

#include <string.h>

#include <lauxlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct view {
	uint64_t generation;
	const struct finding *finding; /* NULL: the signal itself */
};

enum field_type { F_TEXT, F_INTEGER, F_INT, F_REAL, F_BOOL, F_TIME, F_OTHER };

struct view_field {
	const char *name;
	enum field_type type;
	size_t at;
	void (*push)(lua_State *L, struct rule_file *f, const void *of); /* F_OTHER */
};

static void push_view(lua_State *L, struct rule_file *f, const struct finding *finding)
{
	struct view *v = lua_newuserdatauv(L, sizeof *v, 0);

	*v = (struct view){f->generation, finding};
	lua_rawgeti(L, LUA_REGISTRYINDEX, finding ? f->finding_meta : f->view_meta);
	lua_setmetatable(L, -2);
}

void view_push(lua_State *L, struct rule_file *f)
{
	if (f->signal->comparison)
		view_compare(L, f->signal->comparison);
	else
		push_view(L, f, NULL);
}

static struct rule_file *file_of(lua_State *L)
{
	return sandbox_owner(L);
}

/* The view at index 1, still good. */
static const struct view *check_view(lua_State *L, const char *name)
{
	const struct view *v = luaL_testudata(L, 1, name);

	if (!v)
		luaL_error(L, "this wants a signal; write s:find(\"name\")");
	else if (!file_of(L)->signal || v->generation != file_of(L)->generation)
		luaL_error(L, "this signal is gone; keep what you need of it in the second "
			      "argument, `state`");
	return v;
}

static void push_state(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_pushstring(L, signal_state_words[((const struct signal *)of)->state]);
}

static void push_kind(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_pushstring(L, measure_kind_words[((const struct finding *)of)->kind]);
}

static void push_inherited(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	lua_pushstring(L, ((const struct signal *)of)->inherited_from); /* nil for NULL */
}

/* The heaviest finding that moved; where none did, the heaviest. */
static void push_top(lua_State *L, struct rule_file *f, const void *of)
{
	const struct signal *s = of;

	for (size_t i = 0; i < s->n_findings; i++) {
		if (s->findings[i].moved) {
			push_view(L, f, &s->findings[i]);
			return;
		}
	}
	if (s->n_findings)
		push_view(L, f, &s->findings[0]);
	else
		lua_pushnil(L);
}

static void push_findings(lua_State *L, struct rule_file *f, const void *of)
{
	const struct signal *s = of;

	lua_createtable(L, (int)s->n_findings, 0);
	for (size_t i = 0; i < s->n_findings; i++) {
		sandbox_spend(L, 16);
		push_view(L, f, &s->findings[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static int find(lua_State *L)
{
	const struct signal *s;
	const char *name;

	check_view(L, "signal");
	name = luaL_checkstring(L, 2);
	s = file_of(L)->signal;
	for (size_t i = 0; i < s->n_findings; i++) {
		sandbox_spend(L, 8);
		if (strcmp(s->findings[i].name, name) != 0)
			continue;
		push_view(L, file_of(L), &s->findings[i]);
		return 1;
	}
	lua_pushnil(L);
	return 1;
}

static void push_find(lua_State *L, struct rule_file *f, const void *of)
{
	(void)f;
	(void)of;
	lua_pushcfunction(L, find);
}

#define OF_SIGNAL(member) offsetof(struct signal, member), NULL
#define OF_FINDING(member) offsetof(struct finding, member), NULL

static const struct view_field signal_fields[] = {
	{"model", F_TEXT, OF_SIGNAL(model)},
	{"version", F_TEXT, OF_SIGNAL(version)},
	{"start", F_TIME, OF_SIGNAL(start_us)},
	{"end_", F_TIME, OF_SIGNAL(end_us)},
	{"n", F_INTEGER, OF_SIGNAL(n)},
	{"flagged", F_INTEGER, OF_SIGNAL(n_flagged)},
	{"flag_rate", F_REAL, OF_SIGNAL(flag_rate)},
	{"state", F_OTHER, 0, push_state},
	{"alarm", F_BOOL, OF_SIGNAL(alarm)},
	{"fresh", F_BOOL, OF_SIGNAL(fresh)},
	{"severity", F_INT, OF_SIGNAL(severity)},
	{"log_m", F_REAL, OF_SIGNAL(log_m)},
	{"budget", F_REAL, OF_SIGNAL(log_budget)},
	{"since", F_TIME, OF_SIGNAL(since_us)},
	{"inherited_from", F_OTHER, 0, push_inherited},
	{"top", F_OTHER, 0, push_top},
	{"findings", F_OTHER, 0, push_findings},
	{"find", F_OTHER, 0, push_find},
	{"slices", F_OTHER, 0, view_slices},
	{"limits", F_OTHER, 0, view_limits},
	{"breached", F_BOOL, OF_SIGNAL(limits.breached)},
	{"performance", F_OTHER, 0, view_performance},
	{"schema", F_OTHER, 0, view_schema},
	{"odd", F_OTHER, 0, view_odd},
	{"kinds", F_OTHER, 0, view_kinds},
	{"groups", F_OTHER, 0, view_groups},
	{"examples", F_OTHER, 0, view_examples},
};

static const struct view_field finding_fields[] = {
	{"name", F_TEXT, OF_FINDING(name)}, {"kind", F_OTHER, 0, push_kind},
	{"judged", F_BOOL, OF_FINDING(judged)}, {"moved", F_BOOL, OF_FINDING(moved)},
	{"latched", F_BOOL, OF_FINDING(latched)}, {"psi", F_REAL, OF_FINDING(psi)},
	{"ks", F_REAL, OF_FINDING(ks)}, {"w1", F_REAL, OF_FINDING(w1)},
	{"js", F_REAL, OF_FINDING(js)}, {"before", F_REAL, OF_FINDING(before)},
	{"after", F_REAL, OF_FINDING(after)}, {"severity", F_INT, OF_FINDING(severity)},
	{"log_e", F_REAL, OF_FINDING(log_e)}, {"log_m", F_REAL, OF_FINDING(log_m)},
	{"change", F_OTHER, 0, NULL}, /* an array, not a pointer: see push_field */
};

static void push_field(
	lua_State *L, struct rule_file *f, const struct view_field *field, const void *of)
{
	const char *member = (const char *)of + field->at;
	int64_t us;

	switch (field->type) {
	case F_TEXT:
		lua_pushstring(L, *(const char *const *)member ? *(const char *const *)member : "");
		break;
	case F_INTEGER:
		lua_pushinteger(L, *(const int64_t *)member);
		break;
	case F_INT:
		lua_pushinteger(L, *(const int *)member);
		break;
	case F_REAL:
		lua_pushnumber(L, *(const double *)member);
		break;
	case F_BOOL:
		lua_pushboolean(L, *(const bool *)member);
		break;
	case F_TIME: /* seconds since 1970, nil for none */
		us = *(const int64_t *)member;
		if (us == INT64_MIN)
			lua_pushnil(L);
		else
			lua_pushnumber(L, (double)us / 1e6);
		break;
	case F_OTHER:
		if (field->push)
			field->push(L, f, of);
		else
			lua_pushstring(L, ((const struct finding *)of)->change);
		break;
	}
}

static int read_field(
	lua_State *L, const struct view_field *fields, size_t n, const void *of, const char *what)
{
	const char *names[32], *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	char hint[64];

	for (size_t i = 0; i < n; i++) {
		names[i] = fields[i].name;
		if (strcmp(fields[i].name, name) != 0)
			continue;
		push_field(L, file_of(L), &fields[i], of);
		return 1;
	}
	sandbox_spend(L, 4096);
	return luaL_error(L, "a %s has no field '%s'%s", what, name,
		table_nearest(name, names, n, hint, sizeof hint));
}

static int signal_index(lua_State *L)
{
	check_view(L, "signal");
	return read_field(L, signal_fields, COUNT(signal_fields), file_of(L)->signal, "signal");
}

static int finding_index(lua_State *L)
{
	const struct view *v = check_view(L, "finding");

	return read_field(L, finding_fields, COUNT(finding_fields), v->finding, "finding");
}

static int refuse_write(lua_State *L)
{
	return luaL_error(
		L, "a signal is read-only; keep what you need in the second argument, `state`");
}

static int open_meta(lua_State *L, const char *name, lua_CFunction index)
{
	luaL_newmetatable(L, name);
	lua_pushcfunction(L, index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse_write);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

void view_open(lua_State *L, struct rule_file *f)
{
	f->view_meta = open_meta(L, "signal", signal_index);
	f->finding_meta = open_meta(L, "finding", finding_index);
}
