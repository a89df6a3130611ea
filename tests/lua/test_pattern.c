/* SPDX-License-Identifier: Apache-2.0
 * The patterns of the sandbox against those of the Lua that is installed: the same answers,
 * captures and refusals for random patterns on short texts (on long ones Lua's own would not come
 * back). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "lua/sandbox.h"

/* Everything a pattern can do, as one text; the message of an error is left out, its words are
 * ours. */
/* clang-format off */
static const char probe[] =
	"local function show(...)\n"
	"	local t = table.pack(...)\n"
	"	for i = 1, t.n do t[i] = tostring(t[i]) end\n"
	"	return table.concat(t, ',')\n"
	"end\n"
	"local function try(f, ...)\n"
	"	local t = table.pack(pcall(f, ...))\n"
	"	if t[1] then return show(table.unpack(t, 2, t.n)) end\n"
	"	return 'error'\n"
	"end\n"
	"function probe(text, pattern, init)\n"
	"	local found = {}\n"
	"	local ok = pcall(function()\n"
	"		for a, b in string.gmatch(text, pattern) do found[#found + 1] = show(a, b) end\n"
	"	end)\n"
	"	return table.concat({try(string.find, text, pattern), try(string.match, text, pattern, init),\n"
	"		try(string.gsub, text, pattern, '<%0>'), try(string.gsub, text, pattern, '%1', 2),\n"
	"		ok and table.concat(found, ';') or 'error'}, '|')\n"
	"end\n";
/* clang-format on */

struct question {
	char text[16], pattern[16];
	size_t n_text, n_pattern;
	int init;
	char answer[4096];
};

static int ask(lua_State *L, struct question *q)
{
	lua_getglobal(L, "probe");
	lua_pushlstring(L, q->text, q->n_text);
	lua_pushlstring(L, q->pattern, q->n_pattern);
	lua_pushinteger(L, q->init);
	lua_call(L, 3, 1);
	snprintf(q->answer, sizeof q->answer, "%s", lua_tostring(L, -1));
	lua_settop(L, 0);
	return 0;
}

static int ask_sandbox(lua_State *L)
{
	return ask(L, lua_touserdata(L, 1));
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static size_t make_text(
	uint64_t *state, const char *const *pieces, size_t n_pieces, char *to, size_t room)
{
	size_t n = 0, want = next_random(state) % room;

	while (n < want) {
		const char *piece = pieces[next_random(state) % n_pieces];

		if (n + strlen(piece) >= room)
			break;
		memcpy(to + n, piece, strlen(piece));
		n += strlen(piece);
	}
	to[n] = '\0';
	return n;
}

static const char *const text_pieces[] = {
	"a", "b", "ab", "aab", " ", "1", "(", ")", "A", "_", "]", "%", "\n", "\xc3"};
static const char *const pattern_pieces[] = {"a", "b", ".", "*", "+", "-", "?", "(", ")", "()",
	"(a)", "(.-)", "[ab]", "[^a]", "[a-c]", "[", "]", "^", "$", "%", "%a", "%A", "%d", "%w",
	"%s", "%1", "%2", "%b()", "%f[%w]", "%f", "[]]", "[^]a]", "%%", "[%a_]", "%x", "%p",
	"[a-]"};

static void test_same_as_lua(void **state)
{
	struct sandbox_limits limits = {.memory = 8 << 20, .cpu_us = 5000 * 1000};
	lua_State *L = luaL_newstate();
	struct sandbox *s;
	struct error e;
	uint64_t seed = 20;
	int errors = 0, matches = 0;

	(void)state;
	luaL_openlibs(L);
	assert_int_equal(luaL_dostring(L, probe), 0);
	assert_int_equal(sandbox_open("probe", &limits, &s, &e), 0);
	assert_int_equal(sandbox_load(s, probe, strlen(probe), &e), 0);
	for (int i = 0; i < 40000; i++) {
		struct question ours, lua;

		ours.n_text = make_text(&seed, text_pieces,
			sizeof text_pieces / sizeof *text_pieces, ours.text, sizeof ours.text);
		ours.n_pattern = make_text(&seed, pattern_pieces,
			sizeof pattern_pieces / sizeof *pattern_pieces, ours.pattern,
			sizeof ours.pattern);
		ours.init = (int)(next_random(&seed) % 24) - 8;
		lua = ours;
		ask(L, &lua);
		assert_int_equal(sandbox_run(s, ask_sandbox, &ours, 0, &e), 0);
		if (strcmp(lua.answer, ours.answer) != 0)
			fail_msg("text <%s> pattern <%s> init %d: Lua says %s, we say %s",
				ours.text, ours.pattern, ours.init, lua.answer, ours.answer);
		errors += strncmp(lua.answer, "error", 5) == 0;
		matches +=
			strncmp(lua.answer, "nil", 3) != 0 && strncmp(lua.answer, "error", 5) != 0;
	}
	assert_true(errors > 1000 && matches > 1000);
	sandbox_close(s);
	lua_close(L);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_lua)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
