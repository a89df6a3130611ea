/* SPDX-License-Identifier: Apache-2.0
 * The configuration: what it becomes, each mistake with its place and the nearest right word, and
 * that what it prints reads back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/config.h"
#include "agent/config_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static char folder[] = "/tmp/oodd-test-config-XXXXXX";

static char *write_file(const char *name, const char *text)
{
	char *path = mem_format("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int read_text(const char *text, struct config **ret, struct buf *errors)
{
	char *path = write_file("oodd.lua", text);
	int rc = config_read(path, ret, errors);

	free(path);
	return rc;
}

static struct config *must_read(const char *text)
{
	struct buf errors = BUF_EMPTY;
	struct config *c = NULL;

	if (read_text(text, &c, &errors))
		fail_msg("%s", buf_cstr(&errors));
	assert_int_equal(errors.n, 0);
	buf_done(&errors);
	return c;
}

/* clang-format off */
static const char whole[] =
	"local logs = '/var/log/inference'\n"
	"source \"intent-router\" {\n"
	"  path = { logs .. '/intent-*.jsonl', 'rel/x' }, format = 'msgpack', exclude = '*.gz',\n"
	"  fields = { time = '/when', tags = false }, model = 'm', version = 'v', longest = '64KiB', deepest = 5, most_columns = 10,\n"
	"  future = '1h', read_from = 'end', follow_symlinks = true, poll = 0.5, partial = '10s',\n"
	"}\n"
	"model 'intent-*' {\n"
	"  reference = './intent.ref', detectors = { 'energy', 'mahalanobis', knn = { k = 50, fast = true, how = 'l2' } },\n"
	"  window = '10m', lateness = '1m', idle = '3m', false_alarms = '0.5 per 7d', flag = 0.02, smallest_effect = 0.05,\n"
	"  fit_share = { 0.25, 0.25, 0.25, 0.25 }, samples = 3,\n"
	"}\n"
	"model 'intent-router' {}\n"
	"endpoint 'oncall' {\n"
	"  kind = 'alertmanager', url = 'http://127.0.0.1:9093', headers = { ['X-A'] = 'b\"c' }, timeout = '3s', resend = '30s',\n"
	"  expire = '2h', at_once = 4,\n"
	"}\n"
	"endpoint 'f' { kind = 'file', path = 'alerts.jsonl' }\n"
	"state = 'state'\n"
	"plugins 'p1'\n"
	"plugins { 'p2', '/p3' }\n"
	"rules 'rule*.lua'\n"
	"commit = '2s'\n"
	"log = { level = 'debug', format = 'json' }\n"
	"limits = { rule_memory = '1MiB', rule_cpu = '20ms', dead_letter = 5000 }\n";
/* clang-format on */

static void assert_in_folder(const char *path, const char *rest)
{
	char *expected = mem_format("%s/%s", folder, rest);

	assert_string_equal(path, expected);
	free(expected);
}

static void test_whole(void **state)
{
	char *rule = write_file("rule1.lua", "alert 'A' {}\n");
	struct config *c = must_read(whole);
	const struct source_config *s = &c->sources[0];
	const struct model_config *m = &c->models[0];

	(void)state;
	assert_int_equal(c->n_sources, 1);
	assert_string_equal(s->name, "intent-router");
	assert_int_equal(s->n_paths, 2);
	assert_string_equal(s->paths[0], "/var/log/inference/intent-*.jsonl");
	assert_in_folder(s->paths[1], "rel/x");
	assert_int_equal(s->n_exclude, 1);
	assert_int_equal(s->decode.format, FORMAT_MSGPACK);
	assert_string_equal(s->decode.pointer[FIELD_TIME], "/when");
	assert_string_equal(s->decode.pointer[FIELD_TAGS], "");
	assert_null(s->decode.pointer[FIELD_ID]);
	assert_string_equal(s->decode.model, "m");
	assert_int_equal(s->decode.longest, 65536);
	assert_int_equal(s->decode.deepest, 5);
	assert_int_equal(s->decode.most_columns, 10);
	assert_int_equal(s->decode.future_us, 3600 * SECOND_US);
	assert_true(s->from_end && s->follow_symlinks);
	assert_int_equal(s->poll_us, SECOND_US / 2);
	assert_int_equal(s->partial_us, 10 * SECOND_US);
	assert_in_folder(m->reference, "intent.ref");
	assert_int_equal(m->n_detectors, 3);
	assert_string_equal(m->detectors[1].name, "mahalanobis");
	assert_string_equal(m->detectors[2].name, "knn");
	assert_int_equal(m->detectors[2].n_options, 3);
	assert_string_equal(m->detectors[2].options[0].name, "k");
	assert_string_equal(m->detectors[2].options[0].text, "50");
	assert_string_equal(m->detectors[2].options[1].text, "true");
	assert_string_equal(m->detectors[2].options[2].text, "l2");
	assert_int_equal(m->window_us, 600 * SECOND_US);
	assert_true(m->false_alarms.n == 0.5 && m->false_alarms.per_us == 7 * 86400 * SECOND_US);
	assert_true(m->flag == 0.02 && m->fit_share[3] == 0.25);
	assert_ptr_equal(config_model(c, "intent-router"), &c->models[1]);
	assert_ptr_equal(config_model(c, "intent-x"), &c->models[0]);
	assert_null(config_model(c, "other"));
	assert_int_equal(c->n_endpoints, 2);
	assert_string_equal(c->endpoints[0].headers[0].value, "b\"c");
	assert_int_equal(c->endpoints[0].at_once, 4);
	assert_non_null(strstr(c->endpoints[0].script, "endpoints/alertmanager.lua"));
	assert_null(c->endpoints[1].script);
	assert_in_folder(c->endpoints[1].path, "alerts.jsonl");
	assert_in_folder(c->state, "state");
	assert_int_equal(c->n_plugins, 3);
	assert_in_folder(c->plugins[1], "p2");
	assert_int_equal(c->n_rules, 1);
	assert_string_equal(c->rules[0], rule);
	assert_int_equal(c->commit_us, 2 * SECOND_US);
	assert_true(c->log_json && c->log_level == LOG_DEBUG_);
	assert_int_equal(c->rule_memory, 1 << 20);
	assert_int_equal(c->rule_cpu_us, 20000);
	assert_int_equal(c->dead_letter_bytes, 5000);
	config_close(c);
	free(rule);
}

static void test_defaults(void **state)
{
	struct config *c = must_read("source 's' { path = '/x' }\nmodel 'm' {}\n");
	struct decode_options standard = DECODE_OPTIONS;

	(void)state;
	assert_int_equal(c->sources[0].decode.format, standard.format);
	assert_int_equal(c->sources[0].decode.longest, standard.longest);
	assert_int_equal(c->sources[0].decode.deepest, standard.deepest);
	assert_int_equal(c->sources[0].decode.most_columns, standard.most_columns);
	assert_int_equal(c->sources[0].decode.future_us, standard.future_us);
	assert_int_equal(c->sources[0].n_exclude, 4);
	assert_int_equal(c->models[0].window_us, 300 * SECOND_US);
	assert_true(c->models[0].false_alarms.n == 1 &&
		    c->models[0].false_alarms.per_us == 30 * 86400 * SECOND_US && c->models[0].flag == 0.01);
	assert_int_equal(c->models[0].n_detectors, 0);
	assert_int_equal(c->n_rules, 1);
	assert_non_null(strstr(c->rules[0], "rules/default.lua"));
	assert_int_equal(c->n_plugins, 1);
	assert_int_equal(c->log_level, LOG_INFO_);
	config_close(c);
}

static void test_a_budget_of_the_host_is_shared(void **state)
{
	struct config *c = must_read("false_alarms = '1 per 10d'\nmodel 'a' {}\nmodel 'b' { false_alarms = '1 per 100d' }\n");

	(void)state;
	assert_true(c->false_alarms.n == 1 && c->false_alarms.per_us == 10 * 86400 * SECOND_US);
	assert_float_equal(c->models[0].false_alarms.n, 1, 0); /* 30 days hold 3, halved: its own is stricter */
	assert_float_equal(c->models[1].false_alarms.n, 1, 0);
	config_close(c);
	c = must_read("false_alarms = '1 per 90d'\nmodel 'a' {}\nmodel 'b' { false_alarms = '1 per 1d' }\n");
	assert_float_equal(c->models[0].false_alarms.n, 1. / 6, 1e-12);
	assert_float_equal(c->models[1].false_alarms.n, 1. / 180, 1e-12);
	config_close(c);
}

/* The file is the folder's oodd.lua; what stands in `expect` follows its name. */
/* clang-format off */
static const struct {
	const char *text, *expect;
} mistakes[] = {
	{"source 's' { pth = '/x', path = '/y' }", ":1: source \"s\": unknown key 'pth'; did you mean 'path'?"},
	{"model 'cats' {\n  window = '5m',\n\n  windw = '5m',\n}", ":4: model \"cats\": unknown key 'windw'; did you mean 'window'?"},
	{"model 'm' {\n  ['windw'] = '5m' }", ":2: model \"m\": unknown key 'windw'; did you mean 'window'?"},
	{"sorce 's' { path = '/x' }", ":1: unknown word 'sorce'; did you mean 'source'?"},
	{"stat = 'x'", ":1: unknown setting 'stat'; did you mean 'state'? (a name of your own wants 'local')"},
	{"\nfolder = '/x'", ":2: unknown setting 'folder' (a name of your own wants 'local')"},
	{"source 's' {}", ":1: source \"s\": 'path' is missing; the files to follow"},
	{"source 's' { path = 5 }", ":1: source \"s\": path must be a text or a list of texts, and is a number"},
	{"source 's' { path = { '/a', 5 } }", ":1: source \"s\": path must be a text, and is a number"},
	{"source 's' { path = { a = '/a' } }", ":1: source \"s\": path is a list, and has the key 'a' in it"},
	{"source 's' { path = {} }", ":1: source \"s\": path is an empty list"},
	{"source 's' { path = '' }", ":1: source \"s\": path is empty"},
	{"source 's' { path = '/x', format = 'jsnol' }", ":1: source \"s\": format: unknown word 'jsnol'; did you mean 'jsonl'? (one of: jsonl msgpack)"},
	{"source 's' { path = '/x',\n  fields = {\n    tiem = '/t' } }", ":3: source \"s\": fields: unknown field 'tiem'; did you mean 'time'?"},
	{"source 's' { path = '/x', fields = { time = 'ts' } }", ":1: source \"s\": fields: time: "},
	{"source 's' { path = '/x', fields = { time = '/a~2' } }", ":1: source \"s\": fields: time: "},
	{"source 's' { path = '/x', fields = { time = 7 } }", ":1: source \"s\": fields: time must be a JSON Pointer such as \"/a/b\", or false, and is a number"},
	{"source 's' { path = '/x', fields = '/ts' }", ":1: source \"s\": fields must be a table of places"},
	{"source 's' { path = '/x', longest = '1 mib' }", ":1: source \"s\": longest must be a size such as \"64MiB\" or a number of bytes, and is \"1 mib\""},
	{"source 's' { path = '/x', deepest = 0 }", ":1: source \"s\": deepest must be from 1 to 256, and is 0"},
	{"source 's' { path = '/x', deepest = 1.5 }", ":1: source \"s\": deepest must be a whole number, and is 1.5"},
	{"source 's' { path = '/x', read_from = 'beginning' }", ":1: source \"s\": read_from: unknown word 'beginning' (one of: start end)"},
	{"source 's' { path = '/x', follow_symlinks = 'yes' }", ":1: source \"s\": follow_symlinks must be true or false, and is a text"},
	{"source 's' { '/x', path = '/x' }", ":1: source \"s\": a value without a key; write key = value"},
	{"source 's' { path = '/x' }\nsource 's' { path = '/y' }", ":2: source \"s\" is there twice; the first is at line 1"},
	{"source { path = '/x' }", ":1: source wants a name of 1 to 128 bytes: source \"name\" {"},
	{"\nsource 's'", ":2: source \"s\" must be followed by a table: source \"name\" {"},
	{"source = { path = '/x' }", ":1: 'source' is not assigned to; write source \"name\" {"},
	{"model 'm' { window = '5 parsecs' }", ":1: model \"m\": window: \"5 parsecs\" is not a duration; write it like \"90s\""},
	{"model 'm' { window = '0s' }", ":1: model \"m\": window must be from 1 to 2678400 seconds, and is 0"},
	{"model 'm' { window = true }", ":1: model \"m\": window must be a duration such as \"90s\" or \"5m\", and is true or false"},
	{"model 'm' { window = function() end }", ":1: model \"m\" holds a function; only texts, numbers, true, false"},
	{"model 'm' { flag = 1 }", ":1: model \"m\": flag must be from 1e-06 to 0.5, and is 1"},
	{"model 'm' { flag = 0/0 }", ":1: model \"m\": flag must be from 1e-06 to 0.5, and is "},
	{"model 'm' { flag = '0.01' }", ":1: model \"m\": flag must be a number, and is a text"},
	{"model 'm' { false_alarms = 1 }", ":1: model \"m\": false_alarms must be a rate such as \"1 per 30d\", and is a number"},
	{"false_alarms = 'few'", ":1: false_alarms must be a rate such as \"1 per 30d\", and is \"few\""},
	{"model 'm' { false_alarms = '1 in 30d' }", ":1: model \"m\": false_alarms must be a rate such as \"1 per 30d\", and is \"1 in 30d\""},
	{"model 'm' { fit_share = { 0.5, 0.5 } }", ":1: model \"m\": fit_share must be four numbers above 0"},
	{"model 'm' { fit_share = { 0.5, 0.5, 0.5, 0.5 } }", ":1: model \"m\": fit_share must sum to 1, and sums to 2"},
	{"model 'm' { detectors = { 'a', 'a' } }", ":1: model \"m\": detectors: 'a' is there twice"},
	{"model 'm' { detectors = {\n  knn = 50 } }", ":2: model \"m\": detectors: knn must be a table of options"},
	{"model 'm' { detectors = { knn = {\n k = {} } } }", ":2: model \"m\": detectors: knn: k must be a finite number, a text, true or false, and is a table"},
	{"model 'm' {\n  slices = { 3 } }", ":2: model \"m\": slices"},
	{"model 'm' { reference = 5 }", ":1: model \"m\": reference must be a text, and is a number"},
	{"endpoint 'e' { url = 'http://x/' }", ":1: endpoint \"e\": 'kind' is missing"},
	{"endpoint 'e' {\n  kind = 'alertmanagr', url = 'http://x/' }", ":2: endpoint \"e\": unknown kind 'alertmanagr'; did you mean 'alertmanager'?"},
	{"endpoint 'e' { kind = 'webhook' }", ":1: endpoint \"e\": 'url' is missing; kind \"webhook\" sends requests to it"},
	{"endpoint 'e' { kind = 'file' }", ":1: endpoint \"e\": 'path' is missing; kind \"file\" writes to it"},
	{"endpoint 'e' { kind = 'stdout', url = 'http://x/' }", ":1: endpoint \"e\": url means nothing to kind \"stdout\""},
	{"endpoint 'e' { kind = 'webhook', url = '127.0.0.1:9093' }", ":1: endpoint \"e\": url must begin with http:// or https://"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://' }", ":1: endpoint \"e\": \"http://\" is not a URL"},
	{"endpoint 'e' { kind = './mine.lua', url = 'http://x/' }", "/mine.lua cannot be read: No such file or directory"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://x/',\n  secret_file = 'open' }", "/open is open to others (mode 0644); chmod 0600 or 0640 it"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://x/',\n  secret_file = 'none' }", "/none: No such file or directory"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://x/',\n  secret_file = 'empty' }", "/empty is empty"},
	{"endpoint 'e' { kind = 'webhook', url = 'https://x/', ca_file = '.' }", "is not a regular file"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://x/', headers = { ['a b'] = 'c' } }", ":1: endpoint \"e\": headers: 'a b' is not a name that HTTP allows"},
	{"endpoint 'e' { kind = 'webhook', url = 'http://x/', headers = { a = 'c\\r\\nd: e' } }", ":1: endpoint \"e\": headers: the value of a holds a line break"},
	{"rules 'rules.d/*.lua'", ":1: rules: no file matches "},
	{"\nrules 'nothing.lua'", ":2: rules: no file matches "},
	{"rules 'open.lua'\nrules 'open.l*'", "open.lua is matched twice"},
	{"state = 'a'\nstate = 'b'", ":2: 'state' is set a second time; the first was at line 1"},
	{"log = {\n  levl = 'info' }", ":2: log: unknown key 'levl'; did you mean 'level'?"},
	{"log = 'debug'", ":1: log must be a table, and is a text"},
	{"limits = { rule_memory = '1KiB' }", ":1: limits: rule_memory must be from 262144 to 1073741824 bytes, and is 1024"},
	{"commit = '5h'", ":1: commit must be from 0.01 to 60 seconds, and is 18000"},
	{"source 's' {\n  path = '/x'\n  format = 'jsonl'\n}", ":3: '}' expected (to close '{' at line 1) near 'format'"},
	{"local x = nil\nx.y = 1", ":2: attempt to index a nil value (local 'x')"},
	{"while true do end", ":1: stopped: used more than its 2000 ms of CPU time"},
	{"state = os.getenv('HOME')", ":1: unknown word 'os'"},
	{"local t = {}\nt.t = t\nsource 's' (t)", ":3: source \"s\" holds tables more than 16 deep"},
	{"local t = { path = '/x', pth = 1 }\n\nsource 's' (t)", ":3: source \"s\": unknown key 'pth'; did you mean 'path'?"},
};
/* clang-format on */

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		struct buf errors = BUF_EMPTY;
		struct config *c = NULL;
		char *place = mem_format("%s/oodd.lua:", folder),
		     *expect = strdup(mistakes[i].expect), *found;

		assert_int_equal(read_text(mistakes[i].text, &c, &errors), -EINVAL);
		assert_null(c);
		found = strstr(buf_cstr(&errors), expect);
		if (!found || strncmp(errors.at, place, strlen(place)) != 0)
			fail_msg(
				"%s\nsays: %snot: %s", mistakes[i].text, buf_cstr(&errors), expect);
		free(place);
		free(expect);
		buf_done(&errors);
	}
}

static void test_all_at_once(void **state)
{
	static const char text[] = "source 's' { pth = '/x' }\n"
				   "model 'm' {\n"
				   "  windw = 1,\n"
				   "  flag = 7,\n"
				   "}\n"
				   "endpoint 'e' { kind = 'wbhook', url = 'x' }\n"
				   "model 'm' {}\n"
				   "stat = 1\n";
	static const char *const lines[] = {
		":1: ", ":1: ", ":3: ", ":4: ", ":6: ", ":6: ", ":7: ", ":8: "};
	struct buf errors = BUF_EMPTY;
	struct config *c;
	char *line, *rest, *copy;
	size_t n = 0;

	(void)state;
	assert_int_equal(read_text(text, &c, &errors), -EINVAL);
	copy = strdup(buf_cstr(&errors));
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++)
		if (n >= 8 ||
			strncmp(line + strlen(folder) + strlen("/oodd.lua"), lines[n], 4) != 0)
			fail_msg("line %zu: %s", n, line);
	assert_int_equal(n, 8); /* in the order of the file */
	free(copy);
	buf_done(&errors);
}

static void test_missing(void **state)
{
	struct buf errors = BUF_EMPTY;
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_read("/nonexistent/oodd.lua", &c, &errors), -ENOENT);
	assert_string_equal(
		buf_cstr(&errors), "/nonexistent/oodd.lua: No such file or directory\n");
	buf_clear(&errors);
	assert_int_equal(config_read("/", &c, &errors), -EINVAL);
	buf_done(&errors);
}

/* Without the comments: they say where a value came from, which is another file the second time. */
static char *values_of(const struct config *c)
{
	struct buf text = BUF_EMPTY;
	char *out, *to, *from;

	config_effective(c, &text);
	out = to = from = strdup(buf_cstr(&text));
	while (*from) {
		size_t n = strcspn(from, "\n");
		const char *comment = strstr(from, "-- ");
		size_t keep = comment && comment < from + n ? (size_t)(comment - from) : n;

		memmove(to, from, keep);
		to += keep;
		*to++ = '\n';
		from += n + (from[n] == '\n');
	}
	*to = '\0';
	buf_done(&text);
	return out;
}

static void assert_reads_back(const char *text)
{
	struct config *first = must_read(text), *second;
	struct buf effective = BUF_EMPTY;
	char *a, *b;

	config_effective(first, &effective);
	second = must_read(buf_cstr(&effective));
	a = values_of(first);
	b = values_of(second);
	assert_string_equal(a, b);
	free(a);
	free(b);
	buf_done(&effective);
	config_close(first);
	config_close(second);
}

static void test_reads_back(void **state)
{
	char *rule = write_file("rule1.lua", "alert 'A' {}\n");

	(void)state;
	assert_reads_back(whole);
	assert_reads_back(
		"source 's\\\"\\n\\\\' { path = '/x\\1' }\nmodel 'm' { window = 1.000001 }");
	assert_reads_back("");
	free(rule);
}

static void test_provenance(void **state)
{
	struct config *c = must_read("model 'm' {\n  window = '1m',\n}\nlog = { format = 'json',\n "
				     " level = 'debug' }\n");
	struct buf text = BUF_EMPTY;

	(void)state;
	config_effective(c, &text);
	assert_non_null(strstr(buf_cstr(&text), "\twindow = \"1m\", -- "));
	assert_non_null(strstr(buf_cstr(&text), "/oodd.lua:2\n"));
	assert_non_null(strstr(buf_cstr(&text), "\tlateness = \"30s\", -- default\n"));
	assert_non_null(strstr(buf_cstr(&text), "/oodd.lua:5\n\tformat = \"json\", -- "));
	assert_non_null(strstr(buf_cstr(&text), "/oodd.lua:4\n"));
	buf_done(&text);
	config_close(c);
}

static void test_example(void **state)
{
	struct buf errors = BUF_EMPTY;
	struct config *c = NULL;

	(void)state;
	if (config_read(TREE "/etc/oodd.lua", &c, &errors))
		fail_msg("%s", buf_cstr(&errors));
	assert_int_equal(c->n_sources, 1);
	assert_int_equal(c->n_endpoints, 1);
	config_close(c);
	buf_done(&errors);
}

/* What configure leaves beside the program, and base/place.h asks for: here beside this one. */
static void say_tree(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
	FILE *f;

	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/source-tree");
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", TREE);
	fclose(f);
}

static int set_up(void **state)
{
	char *open_, *empty, *rule;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	umask(022);
	say_tree();
	open_ = write_file("open", "secret");
	empty = write_file("empty", "");
	rule = write_file("open.lua", "");
	chmod(empty, 0600);
	free(open_);
	free(empty);
	free(rule);
	return 0;
}

static int tear_down(void **state)
{
	char *command = mem_format("rm -r '%s'", folder);
	int rc = system(command);

	(void)state;
	free(command);
	return rc;
}

/* "key =" or, as a call, "key "..."; commented or not. */
static bool shows(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; (p = strstr(p, key)); p += n) {
		bool begins = p == text || !(strchr("_.\"", p[-1]) || (p[-1] >= 'a' && p[-1] <= 'z'));

		if (begins && (!strncmp(p + n, " = ", 3) || !strncmp(p + n, " \"", 2) || !strncmp(p + n, " {", 2)))
			return true;
	}
	return false;
}

static size_t keys_missing(const char *text, const char *block, const struct key *keys, size_t n)
{
	size_t missing = 0;

	for (size_t i = 0; i < n; i++)
		if (!shows(text, keys[i].name)) {
			print_message("etc/oodd.lua does not show %s of %s\n", keys[i].name, block);
			missing++;
		}
	return missing;
}

/* README.md promises it of the example. */
static void test_example_shows_every_key(void **state)
{
	size_t missing = 0;
	struct buf text = BUF_EMPTY;
	FILE *f = fopen(TREE "/etc/oodd.lua", "r");
	char part[4096];

	(void)state;
	assert_non_null(f);
	for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
		buf_put(&text, part, n);
	fclose(f);
	missing += keys_missing(buf_cstr(&text), "the settings", config_settings.keys, config_settings.n_keys);
	for (size_t i = 0; i < config_n_tables; i++)
		missing += keys_missing(buf_cstr(&text), config_tables[i].name, config_tables[i].keys, config_tables[i].n_keys);
	for (size_t i = 0; i < config_n_blocks; i++)
		missing += keys_missing(buf_cstr(&text), config_blocks[i].word, config_blocks[i].keys, config_blocks[i].n_keys);
	assert_int_equal(missing, 0);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_a_budget_of_the_host_is_shared), cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_reads_back), cmocka_unit_test(test_provenance),
		cmocka_unit_test(test_example), cmocka_unit_test(test_example_shows_every_key)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
