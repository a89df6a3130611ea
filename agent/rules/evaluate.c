/* SPDX-License-Identifier: Apache-2.0
 * The functions of a rule, called in its sandbox. What they change is kept only when all of them
 * ended well. */
#include "rules/rule.h"

#include "model/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

enum { TEXT_MOST = 4096 };

/* One run on behalf of a rule: the views are good for just so long. */
static int run(struct rule_file *f, lua_CFunction work, void *context, const struct signal *signal,
	struct error *e)
{
	int64_t cpu_us;
	int rc;

	f->signal = signal;
	f->generation++;
	rc = sandbox_run(f->sandbox, work, context, 0, e);
	f->signal = NULL;
	cpu_us = sandbox_cpu_us(f->sandbox);
	f->stat.calls++;
	f->stat.cpu_us += cpu_us;
	if (cpu_us > f->stat.most_cpu_us)
		f->stat.most_cpu_us = cpu_us;
	return rc;
}

struct judging {
	const struct showing *showing;
	struct verdict *verdict;
	const struct msgpack_object *memory;
	struct arena *arena;
	struct error *error;
	bool kept;
};

/* What function(s, state) says, as true or false. The view is at index 2, the state at 3. */
static bool ask(lua_State *L, int function)
{
	bool yes;

	lua_rawgeti(L, LUA_REGISTRYINDEX, function);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_call(L, 2, 1);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

static bool hot_by_itself(const struct signal *s)
{
	return s->alarm || s->state == SIGNAL_LEARNED;
}

static int judge(lua_State *L)
{
	struct judging *j = lua_touserdata(L, 1);
	const struct showing *x = j->showing;
	const struct rule *r = x->rule;
	struct verdict *v = j->verdict;

	view_push(L, x->file);
	memory_push(L, j->memory);
	v->hot = r->when == LUA_NOREF ? hot_by_itself(x->signal) : ask(L, r->when);
	v->clear = !v->hot;
	if (v->clear && x->series->alarm.state == ALARM_FIRING && r->resolve_when != LUA_NOREF)
		v->clear = ask(L, r->resolve_when);
	j->kept = memory_pack(L, 3, j->arena, &v->memory, j->error);
	return 0;
}

int rule_judge(const struct showing *x, struct verdict *ret, struct error *e)
{
	const struct rule *r = x->rule;
	const struct series *s = x->series;
	struct verdict v = {.memory = BUF_EMPTY};
	struct unpacked *memory = s->memory.n ? unpack_open(s->memory.at, s->memory.n) : NULL;
	struct judging j = {.showing = x,
		.verdict = &v,
		.memory = unpack_root(memory),
		.arena = arena_open(),
		.error = e};
	int rc = 0;

	if (r->when == LUA_NOREF && r->resolve_when == LUA_NOREF) { /* nothing to ask Lua */
		v.hot = hot_by_itself(x->signal);
		v.clear = !v.hot;
	} else {
		rc = run(x->file, judge, &j, x->signal, e);
		if (rc == 0 && !j.kept) {
			error_prefix(e, "%s:%d: alert \"%s\"", x->file->path, r->line, r->name);
			rc = -EINVAL;
		}
	}
	arena_close(j.arena);
	unpack_close(memory);
	if (rc) {
		buf_done(&v.memory);
		return rc;
	}
	*ret = v;
	return 0;
}

struct telling {
	struct rule_file *file;
	int function;
	char *text;
	const char *wrong; /* NULL, or the type of what came instead of a text */
};

static int tell(lua_State *L)
{
	struct telling *t = lua_touserdata(L, 1);
	const char *text;
	size_t n;

	lua_rawgeti(L, LUA_REGISTRYINDEX, t->function);
	view_push(L, t->file);
	lua_call(L, 1, 1);
	if (lua_isnil(L, -1))
		return 0;
	text = lua_tolstring(L, -1, &n);
	if (text)
		t->text = mem_copy_span(text, n < TEXT_MOST ? n : TEXT_MOST);
	else
		t->wrong = luaL_typename(L, -1);
	return 0;
}

int rule_text(const struct showing *x, const struct text_or_function *t, char **ret, struct error *e)
{
	struct telling telling = {.file = x->file, .function = t->function};
	int rc;

	if (t->text || t->function == LUA_NOREF) {
		*ret = mem_copy_text(t->text);
		return 0;
	}
	rc = run(x->file, tell, &telling, x->signal, e);
	if (rc == 0 && telling.wrong)
		rc = error_set(e, -EINVAL,
			"%s:%d: alert \"%s\": a function for a text returned a %s", x->file->path,
			x->rule->line, x->rule->name, telling.wrong);
	if (rc == 0)
		*ret = telling.text;
	return rc;
}
