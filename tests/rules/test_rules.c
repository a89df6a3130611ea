/* SPDX-License-Identifier: Apache-2.0
 * Rules from files, signals in, alerts out: what fires, under which key, what survives a restart,
 * and what a failing rule does. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rules/rules.h"

#define MINUTE (60 * SECOND_US)
#define T0 (INT64_C(1790000000) * SECOND_US)

static char folder[] = "/tmp/oodd-test-rules-XXXXXX";
static const char *const endpoints[] = {"oncall", "chat"};
static struct buf said;   /* "firing Name\n" ... */
static struct alert last; /* the last one said */

static void on_alert(void *context, const struct alert *a)
{
	(void)context;
	buf_format(&said, "%s %s %s\n", alert_state_words[a->state], a->name, a->model);
	alert_done(&last);
	alert_copy(&last, a);
}

/* The file's path, good until the next call for the same name. */
static const char *write_rule(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int open_files(const char *const *files, size_t n, struct rules **ret, struct buf *errors)
{
	struct rules_options o = {
		.files = files, .n_files = n, .endpoints = endpoints, .n_endpoints = 2};

	return rules_open(&o, ret, errors);
}

/* Rules of one file; what was said before is forgotten. */
static struct rules *open_text(const char *text)
{
	const char *path = write_rule("r.lua", text);
	struct buf errors = BUF_EMPTY;
	struct rules *r = NULL;

	buf_clear(&said);
	if (open_files(&path, 1, &r, &errors))
		fail_msg("%s", buf_cstr(&errors));
	buf_done(&errors);
	return r;
}

static struct finding findings[2];

static struct signal make_signal(int window, bool alarm)
{
	findings[0] = (struct finding){.name = "age",
		.kind = MEASURE_NUMERIC,
		.judged = true,
		.psi = 0.5,
		.w1 = NAN,
		.log_m = 9,
		.severity = 2};
	findings[1] = (struct finding){.name = "hours",
		.kind = MEASURE_NUMERIC,
		.judged = true,
		.moved = alarm,
		.psi = 1.25,
		.before = 40,
		.after = 1240,
		.log_m = 8,
		.severity = 3};
	snprintf(findings[1].change, sizeof findings[1].change, "mean 40 -> 1 240");
	return (struct signal){.model = "adult",
		.version = "7",
		.start_us = T0 + window * 5 * MINUTE,
		.end_us = T0 + (window + 1) * 5 * MINUTE,
		.n = 250,
		.n_flagged = 25,
		.state = alarm ? SIGNAL_ONGOING : SIGNAL_QUIET,
		.alarm = alarm,
		.log_m = 10,
		.log_budget = 9,
		.flag_rate = 0.1,
		.severity = alarm ? 3 : 0,
		.since_us = alarm ? T0 : TIME_NONE,
		.findings = findings,
		.n_findings = 2};
}

static void show(struct rules *r, int window, bool alarm)
{
	struct signal s = make_signal(window, alarm);

	rules_signal(r, &s, on_alert, NULL);
}

static void assert_said(const char *what)
{
	assert_string_equal(said.n ? buf_cstr(&said) : "", what);
	buf_clear(&said);
}

static void test_default_rule(void **state)
{
	const char *path = TREE "/scripts/rules/default.lua";
	struct buf errors = BUF_EMPTY;
	struct rules *r = NULL;

	(void)state;
	buf_clear(&said);
	assert_int_equal(open_files(&path, 1, &r, &errors), 0);
	show(r, 0, false);
	assert_said("");
	show(r, 1, true);
	assert_said("firing OutOfDistribution adult\n");
	assert_string_equal(last.summary, "adult: hours moved (mean 40 -> 1 240)");
	assert_string_equal(last.severity, "page");
	assert_string_equal(last.description,
		"250 records in the window, 10.0 % of them flagged. What moved:\n"
		"hours: mean 40 -> 1 240 (severity 3, PSI 1.250)\n"
		"Next: look at these records (oodd score --explain LOG); it resolves when the traffic is as before. If this is to stay: "
		"oodd relearn adult LOG..., with logs since then, and reload.");
	assert_int_equal(last.n_to, 2);
	assert_string_equal(last.to[0], "oncall");
	assert_int_equal(last.starts_us, T0 + 5 * MINUTE);
	assert_int_equal(last.ends_us, TIME_NONE);
	assert_int_equal(last.at_us, T0 + 10 * MINUTE);
	assert_int_equal(strlen(last.key), 64);
	show(r, 2, true);
	assert_said("");
	show(r, 3, false);
	assert_said("resolved OutOfDistribution adult\n");
	assert_int_equal(last.ends_us, T0 + 20 * MINUTE);
	assert_string_equal(last.summary, "adult: hours moved (mean 40 -> 1 240)");
	rules_close(r);
}

static void show_severity(struct rules *r, int window, int severity)
{
	struct signal s = make_signal(window, true);

	s.severity = severity;
	rules_signal(r, &s, on_alert, NULL);
}

/* A ticket that becomes a page is told again, once, also over a restart; what becomes milder is not. */
static void test_worse(void **state)
{
	const char *rule = "alert \"A\" { severity = function(s) return s.severity >= 3 and \"page\" or \"ticket\" end }";
	struct rules *r = open_text(rule);
	struct buf packed = BUF_EMPTY;
	char key[65];

	(void)state;
	show_severity(r, 0, 2);
	assert_said("firing A adult\n");
	assert_string_equal(last.severity, "ticket");
	snprintf(key, sizeof key, "%s", last.key);
	show_severity(r, 1, 1);
	show_severity(r, 2, 2);
	assert_said("");
	rules_pack(r, &packed);
	rules_close(r);
	r = open_text(rule);
	assert_int_equal(rules_unpack(r, packed.at, packed.n, NULL), 0);
	show_severity(r, 3, 3);
	assert_said("firing A adult\n");
	assert_string_equal(last.severity, "page");
	assert_string_equal(last.key, key);
	show_severity(r, 4, 2);
	show_severity(r, 5, 3);
	show_severity(r, 6, 4);
	assert_said("");
	rules_close(r);
	buf_done(&packed);
}

static void test_view(void **state)
{
	struct rules *r = open_text(
		"alert 'View' {\n"
		"  when = function(s)\n"
		"    assert(s.model == 'adult' and s.version == '7' and s.n == 250 and s.flagged "
		"== 25 and s.flag_rate == 0.1)\n"
		"    assert(s.state == 'ongoing' and s.alarm and not s.fresh and s.severity == 3 "
		"and s.log_m == 10 and s.budget == 9)\n"
		"    assert(s.start == 1790000000 and s.end_ == 1790000300 and s.since == "
		"1790000000)\n"
		"    assert(#s.findings == 2 and s.findings[1].name == 'age' and s.top.name == "
		"'hours' and s.top.kind == 'numeric')\n"
		"    local f = s:find('hours')\n"
		"    assert(f.moved and not f.latched and f.judged and f.psi == 1.25 and f.before "
		"== 40 and f.after == 1240 and f.log_m == 8)\n"
		"    assert(f.change == 'mean 40 -> 1 240' and s:find('nobody') == nil)\n"
		"    assert(not (s.findings[1].w1 > 0))\n"
		"    return true\n"
		"  end,\n"
		"}\n");

	(void)state;
	show(r, 0, true);
	assert_said("firing View adult\n");
	rules_close(r);
}

static void assert_fails(const char *body, const char *message)
{
	char text[1024];
	struct rules *r;

	snprintf(text, sizeof text, "alert 'X' {\n  when = function(s, state)\n    %s\n  end,\n}\n",
		body);
	r = open_text(text);
	show(r, 0, true);
	assert_said("firing OoddRuleError adult\n");
	if (!strstr(last.summary, message))
		fail_msg("%s: %s", body, last.summary);
	rules_close(r);
}

static void test_view_mistakes(void **state)
{
	(void)state;
	assert_fails("return s.severty > 1",
		"r.lua:3: a signal has no field 'severty'; did you mean 'severity'?");
	assert_fails("return s.top.moves",
		"r.lua:3: a finding has no field 'moves'; did you mean 'moved'?");
	assert_fails("s.alarm = true", "r.lua:3: a signal is read-only");
	assert_fails("keep = keep", "r.lua:3: unknown name 'keep'");
	assert_fails(
		"return s.find('age')", "r.lua:3: this wants a signal; write s:find(\"name\")");
	assert_fails("for k in pairs(s) do end", "r.lua:3: bad argument #1 to 'pairs'");
	assert_fails("state.x = function() end",
		"r.lua:1: alert \"X\": `state` holds what cannot be kept: a function");
	assert_fails("state.x = s", "`state` holds what cannot be kept: a userdata");
	assert_fails(
		"state.x = state", "`state` holds what cannot be kept: tables more than 16 deep");
	assert_fails("state.x = ('x'):rep(5000)", "4096 are possible");
	assert_fails("state[1.5] = 1", "a number as a key");
	assert_fails(
		"while true do end", "r.lua:3: stopped: used more than its 100 ms of CPU time");
	assert_fails("local t = {} while true do t[#t + 1] = {} end",
		"stopped: used more than its 8192 KiB of memory");
	assert_fails("alert 'Late' {}", "alert is possible only while the file is loaded");
	assert_fails("error({})", "the error raised is a table");
}

static void test_view_kept(void **state)
{
	struct rules *r = open_text("local kept\nalert 'X' {\n  when = function(s)\n    if kept "
				    "then return kept.n > 1 end\n    kept = s\n  end,\n}\n");

	(void)state;
	show(r, 0, false);
	assert_said("");
	show(r, 1, false);
	assert_said("firing OoddRuleError adult\n");
	assert_non_null(strstr(last.summary, "r.lua:4: this signal is gone"));
	rules_close(r);
}

static void test_pending_and_texts(void **state)
{
	struct rules *r =
		open_text("alert 'Slow' {\n"
			  "  model = 'ad*', pending_for = '10m', keep_firing_for = '5m', to = "
			  "'chat', severity = 'info',\n"
			  "  labels = { team = 'nlp', top = function(s) return s.top.name end },\n"
			  "  annotations = { runbook = 'https://example.invalid/1', n = "
			  "function(s) return s.n end, none = function() end },\n"
			  "  summary = 'it moved', description = function(s) return s.state end,\n"
			  "}\n"
			  "alert 'Other' { model = 'bike' }\n");

	(void)state;
	for (int i = 0; i < 2; i++)
		show(r, i, true);
	assert_said("");
	show(r, 2, true);
	assert_said("firing Slow adult\n");
	assert_int_equal(last.starts_us, T0);
	assert_string_equal(last.summary, "it moved");
	assert_string_equal(last.description, "ongoing");
	assert_string_equal(last.severity, "info");
	assert_int_equal(last.n_labels, 2);
	assert_string_equal(last.labels[0].name, "team");
	assert_string_equal(last.labels[1].value, "hours");
	assert_int_equal(last.n_annotations, 2);
	assert_int_equal(last.n_to, 1);
	assert_string_equal(last.to[0], "chat");
	show(r, 3, false);
	assert_said("");
	show(r, 4, false);
	assert_said("resolved Slow adult\n");
	rules_close(r);
}

static void test_hysteresis(void **state)
{
	struct rules *r = open_text("alert 'H' {\n"
				    "  when = function(s) return s.flag_rate > 0.05 end,\n"
				    "  resolve_when = function(s) return s.flag_rate < 0.02 end,\n"
				    "}\n");
	static const double rates[] = {0.01, 0.06, 0.04, 0.03, 0.06, 0.019, 0.04};
	static const char *const expected[] = {
		"", "firing H adult\n", "", "", "", "resolved H adult\n", ""};

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct signal s = make_signal(i, false);

		s.flag_rate = rates[i];
		rules_signal(r, &s, on_alert, NULL);
		assert_said(expected[i]);
	}
	rules_close(r);
}

static void test_holds(void **state)
{
	struct rules *r = open_text("alert 'A' { min_records = 100 }\n");
	struct signal s = make_signal(0, true);

	(void)state;
	s.n = 99;
	rules_signal(r, &s, on_alert, NULL);
	assert_said("");
	show(r, 1, true);
	assert_said("firing A adult\n");
	s = make_signal(2, false);
	s.state = SIGNAL_UNJUDGED;
	rules_signal(r, &s, on_alert, NULL);
	assert_said(""); /* no data is not "resolved" */
	s = make_signal(3, false);
	s.n = 3;
	rules_signal(r, &s, on_alert, NULL);
	assert_said("");
	show(r, 1, false); /* an old window once more, after a replay */
	assert_said("");
	show(r, 4, false);
	assert_said("resolved A adult\n");
	rules_close(r);
}

static void test_fresh_cause(void **state)
{
	struct rules *r =
		open_text("alert 'A' { summary = function(s) return 'at ' .. s.n end }\n");
	char key[65];
	struct signal s;

	(void)state;
	show(r, 0, true);
	assert_said("firing A adult\n");
	memcpy(key, last.key, sizeof key);
	s = make_signal(1, true);
	s.fresh = true;
	s.state = SIGNAL_ALARM;
	s.n = 251;
	rules_signal(r, &s, on_alert, NULL);
	assert_said("firing A adult\n");
	assert_string_equal(last.key, key);
	assert_string_equal(last.summary, "at 251");
	assert_int_equal(last.starts_us, T0);
	rules_close(r);
}

static void test_keys(void **state)
{
	const char *text =
		"alert 'A' { labels = { b = 'x', a = function(s) return s.top.name end } }\n";
	const char *other =
		"alert 'A' { labels = { a = function(s) return s.top.name end, b = 'x' } }\n";
	char first[65], second[65];
	struct rules *r = open_text(text);

	(void)state;
	show(r, 0, true);
	memcpy(first, last.key, sizeof first);
	show(r, 1, false);
	show(r, 2, true);
	memcpy(second, last.key, sizeof second);
	assert_string_not_equal(first, second);
	rules_close(r);
	r = open_text(other); /* again from the start, another order of labels, another process: the
				 same keys */
	show(r, 0, true);
	assert_string_equal(first, last.key);
	show(r, 1, false);
	show(r, 2, true);
	assert_string_equal(second, last.key);
	rules_close(r);
}

/* Pack, close, open again, unpack: what comes next is as if nothing had happened. */
static struct rules *restart(struct rules *r, const char *text)
{
	struct buf packed = BUF_EMPTY, again = BUF_EMPTY;
	struct error e = {""};
	struct rules *next;

	rules_pack(r, &packed);
	rules_close(r);
	next = open_text(text);
	if (rules_unpack(next, packed.at, packed.n, &e))
		fail_msg("%s", e.text);
	rules_pack(next, &again);
	assert_int_equal(packed.n, again.n);
	assert_memory_equal(packed.at, again.at, packed.n);
	buf_done(&packed);
	buf_done(&again);
	return next;
}

static void count_alert(void *context, const struct alert *a)
{
	buf_format(context, "%s %s\n", alert_state_words[a->state], a->name);
}

static void test_restart(void **state)
{
	static const char text[] =
		"alert 'Pending' { pending_for = '10m', keep_firing_for = '5m' }\n"
		"alert 'Third' {\n"
		"  when = function(s, state)\n"
		"    state.n = (state.n or 0) + 1\n"
		"    state.list = state.list or {}\n"
		"    table.insert(state.list, { at = s.end_, deep = { true, 1.5, 'x' }, none = {} "
		"})\n"
		"    if #state.list == 3 then assert(state.list[1].deep[2] == 1.5 and "
		"state.list[1].none and state.list[2].at == s.end_ - 300) end\n"
		"    return state.n >= 3\n"
		"  end,\n"
		"}\n";
	struct rules *r = open_text(text);
	struct buf list = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 2; i++) {
		show(r, i, true);
		assert_said("");
		r = restart(r, text);
	}
	rules_each_alert(r, count_alert, &list);
	assert_string_equal(buf_cstr(&list), "pending Pending\n");
	show(r, 2, true);
	assert_said("firing Pending adult\nfiring Third adult\n");
	r = restart(r, text);
	show(r, 2, true); /* the same window again */
	assert_said("");
	buf_clear(&list);
	rules_each_alert(r, count_alert, &list);
	assert_string_equal(buf_cstr(&list), "firing Pending\nfiring Third\n");
	show(r, 3, false);
	r = restart(r, text);
	show(r, 4, false);
	assert_said("resolved Pending adult\n");
	rules_close(r);
	buf_done(&list);
}

static void test_rule_gone(void **state)
{
	struct rules *r = open_text("alert 'Old' {}\nalert 'Stays' {}\n");

	(void)state;
	show(r, 0, true);
	assert_said("firing Old adult\nfiring Stays adult\n");
	r = restart(r, "alert 'Stays' { severity = 'page' }\n");
	show(r, 1, true);
	assert_said("resolved Old adult\n");
	show(r, 2, false);
	assert_said("resolved Stays adult\n");
	rules_close(r);
}

static void test_version_gone(void **state)
{
	struct rules *r = open_text("alert 'A' {}\n");
	struct signal s = make_signal(0, true);

	(void)state;
	s.version = "6";
	rules_signal(r, &s, on_alert, NULL);
	assert_said("firing A adult\n");
	show(r, 1, false);
	assert_said("");
	show(r, 200, false);
	assert_said("");
	show(r, 24 * 12 + 1, false);
	assert_said("resolved A adult\n");
	assert_string_equal(last.version, "6");
	rules_close(r);
}

static void test_damaged_state(void **state)
{
	struct rules *r = open_text("alert 'A' { labels = { a = 'b' } }\n");
	struct buf packed = BUF_EMPTY, again = BUF_EMPTY;
	struct error e;

	(void)state;
	show(r, 0, true);
	rules_pack(r, &packed);
	for (size_t n = 0; n < packed.n; n++)
		assert_int_not_equal(rules_unpack(r, packed.at, n, &e), 0);
	for (size_t i = 0; i < packed.n; i++) { /* may be read or refused, and nothing else */
		char was = packed.at[i];

		for (int bit = 0; bit < 8; bit++) {
			struct rules *other = open_text("alert 'A' {}\n");

			packed.at[i] = (char)(was ^ (1 << bit));
			if (rules_unpack(other, packed.at, packed.n, &e) == 0)
				show(other, 1, true);
			rules_close(other);
		}
		packed.at[i] = was;
	}
	rules_pack(r, &again);
	assert_int_equal(again.n, packed.n);
	assert_memory_equal(again.at, packed.at, again.n);
	buf_done(&packed);
	buf_done(&again);
	rules_close(r);
}

static struct rules_stat stat_now;

static void on_stat(void *context, const struct rules_stat *stat)
{
	(void)context;
	stat_now = *stat;
}

static void test_failing_rule(void **state)
{
	static const char text[] = "alert 'Bad' { to = 'chat', when = function(s) if s.n == 13 "
				   "then error('boom') end return s.alarm end }\n"
				   "alert 'Good' {}\n";
	struct rules *r = open_text(text);
	struct signal s;

	(void)state;
	show(r, 0, true);
	assert_said("firing Bad adult\nfiring Good adult\n");
	for (int i = 1; i <= 8; i++) {
		s = make_signal(i, false);
		s.n = 13;
		rules_signal(r, &s, on_alert, NULL);
		assert_said(i == 1 ? "firing OoddRuleError adult\nresolved Good adult\n"
				   : ""); /* Bad keeps firing */
	}
	rules_each_stat(r, on_stat, NULL);
	assert_int_equal(stat_now.errors, RULES_ERRORS_MOST);
	assert_int_equal(stat_now.n_left_out, 1);
	assert_int_equal(stat_now.n_rules, 2);
	assert_non_null(strstr(stat_now.last_error, "r.lua:1: boom"));
	show(r, 9, false);
	assert_said(""); /* left out, though it would end well now */
	r = restart(r, text);
	show(r, 10, false);
	assert_said("resolved Bad adult\nresolved OoddRuleError adult\n");
	assert_int_equal(last.n_to, 1);
	assert_string_equal(last.to[0], "chat");
	rules_close(r);
}

static void test_failing_text(void **state)
{
	struct rules *r = open_text("alert 'A' { summary = function(s) return nil .. 'x' end, "
				    "labels = { a = function() return {} end } }\n");

	(void)state;
	show(r, 0, true);
	assert_said("firing A adult\nfiring OoddRuleError adult\n"); /* a broken text holds no alert
									back */
	show(r, 1, true);
	assert_said("resolved OoddRuleError adult\n");
	show(r, 2, false);
	assert_said("resolved A adult\n");
	assert_string_equal(last.summary, "adult: hours moved (mean 40 -> 1 240)");
	rules_close(r);
}

/* Mistakes in rule files: all of them at once, each with its line. */
static void test_mistakes(void **state)
{
	static const char text[] = "alert 'A' {\n"
				   "  mdel = 'x',\n"
				   "  pending_for = '10 parsecs',\n"
				   "  to = { 'oncal' },\n"
				   "  labels = { model = 'x', ['a-b'] = 'y', c = 5 },\n"
				   "  on = 'window',\n"
				   "  when = true,\n"
				   "}\n"
				   "alert 'A' {}\n"
				   "alert 'OoddRuleError' {}\n"
				   "alert 'B'\n"
				   "alert 'C' { when = s.alarm }\n";
	static const char *const expected[] = {
		"r.lua:2: alert \"A\": unknown key 'mdel'; did you mean 'model'?",
		"r.lua:3: alert \"A\": pending_for: \"10 parsecs\" is not a duration",
		("r.lua:1: alert \"A\": to: no endpoint 'oncal' in the configuration; did you mean "
		 "'oncall'?"),
		"r.lua:5: alert \"A\": labels: 'model': oodd sets that label itself",
		"r.lua:5: alert \"A\": labels: 'a-b': a label holds letters, digits and _ only",
		"r.lua:5: alert \"A\": labels: c must be a text or a function, and is a number",
		"r.lua:6: alert \"A\": on: unknown word 'window' (one of: signal learned compare)",
		"r.lua:7: alert \"A\": when must be a function, and is true or false",
		"r.lua:9: alert \"A\": the name is taken by the alert at line 1",
		"r.lua:10: alert \"OoddRuleError\": the name is oodd's own",
		"r.lua:11: alert \"B\" must be followed by a table",
		"r.lua:12: unknown name 's'",
	};
	const char *path = write_rule("r.lua", text);
	struct buf errors = BUF_EMPTY;
	struct rules *r = NULL;
	size_t lines = 0;

	(void)state;
	assert_int_equal(open_files(&path, 1, &r, &errors), -EINVAL);
	assert_null(r);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (!strstr(buf_cstr(&errors), expected[i]))
			fail_msg("missing: %s\nin: %s", expected[i], buf_cstr(&errors));
	for (size_t i = 0; i < errors.n; i++)
		lines += errors.at[i] == '\n';
	if (lines != sizeof expected / sizeof *expected)
		fail_msg("not so many: %s", buf_cstr(&errors));
	buf_done(&errors);
}

static void test_files(void **state)
{
	char a[256], missing[256];
	const char *files[2] = {a, missing};
	struct buf errors = BUF_EMPTY;
	struct rules *r = NULL;

	(void)state;
	snprintf(a, sizeof a, "%s", write_rule("a.lua", "alert 'A' {}\n"));
	snprintf(missing, sizeof missing, "%s/missing.lua", folder);
	assert_int_equal(open_files(files, 2, &r, &errors), -EINVAL);
	assert_non_null(strstr(buf_cstr(&errors), "missing.lua: No such file or directory"));
	buf_clear(&errors);
	snprintf(missing, sizeof missing, "%s/../%s/a.lua", folder, strrchr(folder, '/') + 1);
	assert_int_equal(open_files(files, 2, &r, &errors), -EINVAL);
	assert_non_null(strstr(buf_cstr(&errors), "another rule file of that name"));
	buf_done(&errors);
}

static void test_alert_json(void **state)
{
	struct rules *r =
		open_text("alert 'A' { labels = { a = 'q\"' }, summary = 'line\\none' }\n");
	struct buf json = BUF_EMPTY;
	char expected[1024];

	(void)state;
	show(r, 0, true);
	alert_json(&last, &json);
	snprintf(expected, sizeof expected,
		"{\"event\":\"alert\",\"ts\":\"2026-09-21T14:18:20.000Z\",\"state\":\"firing\","
		"\"name\":\"A\",\"model\":\"adult\",\"version\":\"7\","
		"\"severity\":\"ticket\",\"summary\":\"line\\none\",\"description\":null,"
		"\"labels\":{\"a\":\"q\\\"\"},\"annotations\":{},"
		"\"key\":\"%s\",\"starts\":\"2026-09-21T14:13:20.000Z\",\"ends\":null}",
		last.key);
	assert_string_equal(buf_cstr(&json), expected);
	buf_done(&json);
	rules_close(r);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[300];

	(void)state;
	alert_done(&last);
	buf_done(&said);
	snprintf(command, sizeof command, "rm -r '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_default_rule),
		cmocka_unit_test(test_worse),
		cmocka_unit_test(test_view), cmocka_unit_test(test_view_mistakes),
		cmocka_unit_test(test_view_kept), cmocka_unit_test(test_pending_and_texts),
		cmocka_unit_test(test_hysteresis), cmocka_unit_test(test_holds),
		cmocka_unit_test(test_fresh_cause), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_restart), cmocka_unit_test(test_rule_gone),
		cmocka_unit_test(test_version_gone), cmocka_unit_test(test_damaged_state),
		cmocka_unit_test(test_failing_rule), cmocka_unit_test(test_failing_text),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_files),
		cmocka_unit_test(test_alert_json)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
