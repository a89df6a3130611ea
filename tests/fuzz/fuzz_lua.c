/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a script: compiled, run, stopped in time, and read once more for its lines; and as a
 * pattern on a text of their own. */
#include "lua/lines.h"
#include "lua/sandbox.h"
#include "lua/value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct probe {
	const char *at;
	size_t n;
};

/* The first half as text, the second as pattern. */
static int match(lua_State *L)
{
	const struct probe *p = lua_touserdata(L, 1);
	static const char *const functions[] = {"find", "match", "gsub"};

	for (size_t i = 0; i < 3; i++) {
		lua_getglobal(L, "pcall");
		lua_getglobal(L, "string");
		lua_getfield(L, -1, functions[i]);
		lua_remove(L, -2);
		lua_pushlstring(L, p->at, p->n / 2);
		lua_pushlstring(L, p->at + p->n / 2, p->n - p->n / 2);
		lua_pushliteral(L, "%1");
		lua_call(L, i == 2 ? 4 : 3, 0);
	}
	return 0;
}

/* What the script left in `t`, out as plain data and back. */
static int round_trip(lua_State *L)
{
	struct arena *arena = lua_touserdata(L, 1);
	struct value_options o = {.line = 1};
	struct value v;
	struct error e;

	lua_pushglobaltable(L);
	lua_pushliteral(L, "t");
	lua_rawget(L, -2);
	if (value_read(L, -1, &o, arena, &v, &e))
		value_push(L, &v);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox_limits limits = {.memory = 1 << 20, .cpu_us = 5000};
	struct probe probe = {(const char *)data, size};
	struct arena *arena = arena_open();
	struct sandbox *s;
	struct error e;

	if (sandbox_open("fuzz", &limits, &s, &e))
		abort();
	if (sandbox_load(s, (const char *)data, size, &e) && strncmp(e.text, "fuzz:", 5) != 0)
		abort();
	sandbox_run(s, round_trip, arena, 0, &e);
	sandbox_run(s, match, &probe, 0, &e);
	if (sandbox_bytes(s) > limits.memory)
		abort();
	sandbox_close(s);
	arena_close(arena);
	lines_close(lines_open((const char *)data, size));
	return 0;
}
