/* SPDX-License-Identifier: Apache-2.0
 * The line of each key, whatever else stands in the text; and what plain data may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>

#include "lua/lines.h"
#include "lua/sandbox.h"
#include "lua/value.h"

/* clang-format off */
static const char text[] =
	"-- word \"no\" { a = 1 }\n"                                  /* 1 */
	"--[==[ word \"no\" {\n"
	"]==] local t = [[\n"
	"{ x = 1 ]]\n"
	"word \"one\" {\n"                                            /* 5 */
	"  a = 1, b = { c = 2,\n"
	"    d = { 'x', 'y',\n"
	"      'z' } },\n"
	"  e = function(x, y) if x then return { f = 1, g = 2 } end for i = 1, 2 do local q = { r = 1 } end return x, y end,\n"
	"  h = \"}, i = 1 \\\" {\", -- i = 3\n"                     /* 10 */
	"  [\"j\"] = f(1, { k = 1 }, 'x'), [1 + 1] = 5;\n"
	"  l == m, n = o == p and { q = 1 } or {},\n"
	"}\n"
	"word('two')({ a = 1 })\n"
	"word [[three]] {\n"                                          /* 15 */
	"  a = 2 }\n"
	"list = {\n"
	"  u = 1 }\n";
/* clang-format on */

static void test_lines(void **state)
{
	struct lines *l = lines_open(text, sizeof text - 1);
	int one = lines_block(l, "word", "one", 5), b = lines_child(l, one, "b", 0),
	    d = lines_child(l, b, "d", 0);

	(void)state;
	assert_true(one >= 0);
	assert_int_equal(lines_line(l, lines_child(l, one, "a", 0)), 6);
	assert_int_equal(lines_line(l, lines_child(l, b, "c", 0)), 6);
	assert_int_equal(lines_line(l, d), 7);
	assert_int_equal(lines_line(l, lines_child(l, d, NULL, 2)), 7);
	assert_int_equal(lines_line(l, lines_child(l, d, NULL, 3)), 8);
	assert_int_equal(lines_line(l, lines_child(l, one, "e", 0)), 9);
	assert_int_equal(lines_line(l, lines_child(l, one, "h", 0)), 10);
	assert_int_equal(lines_line(l, lines_child(l, one, "j", 0)), 11);
	assert_int_equal(lines_line(l, lines_child(l, one, "n", 0)), 12);
	for (const char *const *no =
			(const char *const[]){"f", "g", "i", "k", "q", "r", "l", "x", NULL};
		*no; no++)
		assert_int_equal(lines_child(l, one, *no, 0), -1);
	assert_true(lines_child(l, one, "a", 0) < b && b < lines_child(l, one, "n", 0));
	assert_int_equal(lines_block(l, "word", "no", 1), -1);
	assert_int_equal(lines_block(l, "word", "two", 5), -1);
	assert_int_equal(
		lines_line(l, lines_child(l, lines_block(l, "word", "three", 15), "a", 0)), 16);
	assert_int_equal(lines_line(l, lines_child(l, lines_value(l, "list", 18), "u", 0)), 18);
	lines_close(l);
}

/* Every cut of the text is walked over without harm. */
static void test_cuts(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof text; n++)
		lines_close(lines_open(text, n));
}

struct reading_of {
	const char *expression;
	struct arena *arena;
	struct value value;
	struct error error;
	int fine;
};

static int read_expression(lua_State *L)
{
	struct reading_of *r = lua_touserdata(L, 1);
	struct value_options o = {.line = 7};

	lua_getglobal(L, "make");
	lua_call(L, 0, 1);
	r->fine = value_read(L, -1, &o, r->arena, &r->value, &r->error);
	assert_int_equal(lua_gettop(L), 2);
	return 0;
}

static void read_of(const char *expression, struct reading_of *r)
{
	struct sandbox_limits limits = SANDBOX_LIMITS;
	struct sandbox *s;
	struct error e;
	char script[256];

	*r = (struct reading_of){.arena = arena_open()};
	snprintf(script, sizeof script, "function make() %s end", expression);
	assert_int_equal(sandbox_open("x", &limits, &s, &e), 0);
	assert_int_equal(sandbox_load(s, script, strlen(script), &e), 0);
	assert_int_equal(sandbox_run(s, read_expression, r, 0, &e), 0);
	sandbox_close(s);
}

static void assert_refused(const char *expression, const char *why)
{
	struct reading_of r;

	read_of(expression, &r);
	assert_false(r.fine);
	if (!strstr(r.error.text, why))
		fail_msg("%s: %s", expression, r.error.text);
	arena_close(r.arena);
}

static void test_values(void **state)
{
	struct reading_of r;

	(void)state;
	read_of("return { 'x', 2, z = { true }, a = 1.5 }", &r);
	assert_true(r.fine);
	assert_int_equal(r.value.type, VALUE_TABLE);
	assert_int_equal(r.value.n, 4);
	assert_string_equal(r.value.items[0].text, "x");
	assert_true(r.value.items[1].whole && r.value.items[1].integer == 2);
	assert_string_equal(r.value.items[2].key, "a"); /* lines are not known: sorted */
	assert_true(!r.value.items[2].whole && r.value.items[2].number == 1.5);
	assert_true(value_find(&r.value, "z")->items[0].yes);
	assert_int_equal(value_find(&r.value, "z")->items[0].line, 7);
	assert_null(value_find(&r.value, "y"));
	arena_close(r.arena);
	assert_refused("return function() end", "a function");
	assert_refused("return { [1.5] = 1 }", "a number as a key");
	assert_refused("return { [true] = 1 }", "a boolean as a key");
	assert_refused("return { 1, nil, 3 }", "a list with a hole: item 3");
	assert_refused("return { ['a\\0b'] = 1 }", "a key with a NUL byte");
	assert_refused("local t = {} t[1] = t return t", "more than 16 deep");
	assert_refused(
		"local t = {} for i = 1, 9000 do t[i] = i end return t", "more than 8192 items");
	assert_refused("local t, s = {}, ('x'):rep(1000) for i = 1, 8000 do t[i] = s end return t",
		"of text");
	assert_refused(
		"local t = {} for i = 1, 14 do t = { t, t } end return t", "more than 8192 items");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
		cmocka_unit_test(test_cuts), cmocka_unit_test(test_values)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
