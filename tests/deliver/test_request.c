/* SPDX-License-Identifier: Apache-2.0
 * From an alert to the bytes of a request: scripts, JSON, headers, secrets. */
#include "deliver/endpoint.h"
#include "deliver/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define NOW (INT64_C(1700000000) * SECOND_US) /* 2023-11-14T22:13:20Z */
#define AT "20231114221220000" /* of the window that made the alert: a minute before */

static char dir[] = "/tmp/ooddrequestXXXXXX";
static const char *const script_dirs[] = {dir, ENDPOINTS};
static struct error e;

static struct pair labels[] = {{(char *)"region", (char *)"eu"}, {(char *)"a.b", (char *)"x"},
	{(char *)"none", (char *)""}};
static struct pair annotations[] = {{(char *)"runbook", (char *)"https://wiki/1"}};

static struct alert alert(enum alert_state state)
{
	return (struct alert){.name = (char *)"Shift",
		.model = (char *)"intent router",
		.version = (char *)"3",
		.key = "k1",
		.severity = (char *)"page",
		.summary = (char *)"it \"moved\"\n",
		.state = state,
		.labels = labels,
		.n_labels = 3,
		.annotations = annotations,
		.n_annotations = 1,
		.starts_us = NOW - 600 * SECOND_US,
		.ends_us = state == ALERT_RESOLVED ? NOW - 60 * SECOND_US : TIME_NONE,
		.at_us = NOW - 60 * SECOND_US};
}

static const char *file(const char *name, const char *text, mode_t mode)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	unlink(path);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	return path;
}

static struct endpoint *open_endpoint(struct endpoint_options o)
{
	struct endpoint *p;

	o.name = "e";
	o.url = "https://host.example/base";
	if (endpoint_open(&o, script_dirs, 2, &p, &e))
		fail_msg("%s", e.text);
	return p;
}

static struct request request_of(struct endpoint *p, enum alert_state state)
{
	struct alert a = alert(state);
	struct request r;

	if (endpoint_request(p, &a, NOW, &r, &e))
		fail_msg("%s", e.text);
	return r;
}

static void expect_body(struct request *r, const char *body)
{
	assert_string_equal(buf_cstr(&r->body), body);
}

static void test_alertmanager(void **state)
{
	struct endpoint *p = open_endpoint((struct endpoint_options){.kind = "alertmanager"});
	struct request r = request_of(p, ALERT_FIRING);

	(void)state;
	assert_string_equal(r.path, "/api/v2/alerts");
	assert_string_equal(request_find(&r, "content-type"), "application/json");
	expect_body(&r, "[{\"annotations\":{\"oodd_key\":\"k1\",\"runbook\":\"https://wiki/"
			"1\",\"summary\":\"it \\\"moved\\\"\\n\"},"
			"\"endsAt\":\"2023-11-14T22:17:20.000Z\","
			"\"labels\":{\"a_b\":\"x\",\"alertname\":\"Shift\",\"model\":\"intent "
			"router\",\"model_version\":\"3\","
			"\"region\":\"eu\",\"severity\":\"page\"},"
			"\"startsAt\":\"2023-11-14T22:03:20.000Z\"}]");
	request_done(&r);
	r = request_of(p, ALERT_RESOLVED);
	assert_non_null(strstr(buf_cstr(&r.body), "\"endsAt\":\"2023-11-14T22:12:20.000Z\""));
	request_done(&r);
	endpoint_close(p);
}

static void test_an_end_is_never_ahead_of_the_clock_nor_before_the_start(void **state)
{
	struct endpoint *p = open_endpoint((struct endpoint_options){.kind = "alertmanager"});
	struct alert a = alert(ALERT_RESOLVED);
	struct request r;

	(void)state;
	a.ends_us = NOW + 3600 * SECOND_US;
	assert_int_equal(endpoint_request(p, &a, NOW, &r, &e), 0);
	assert_non_null(strstr(buf_cstr(&r.body), "\"endsAt\":\"2023-11-14T22:13:20.000Z\""));
	request_done(&r);
	a.starts_us = NOW + 7200 * SECOND_US;
	assert_int_equal(endpoint_request(p, &a, NOW, &r, &e), 0);
	assert_non_null(strstr(buf_cstr(&r.body), "\"endsAt\":\"2023-11-15T00:13:20.000Z\""));
	request_done(&r);
	endpoint_close(p);
}

static void test_webhook_is_a_cloudevent_with_one_id(void **state)
{
	struct endpoint *p = open_endpoint((struct endpoint_options){.kind = "webhook"});
	struct request r = request_of(p, ALERT_RESOLVED);

	(void)state;
	assert_string_equal(request_find(&r, "Idempotency-Key"), "k1-resolved-" AT);
	assert_string_equal(request_find(&r, "webhook-id"), "k1-resolved-" AT);
	assert_string_equal(
		request_find(&r, "Content-Type"), "application/cloudevents+json; charset=utf-8");
	assert_null(request_find(&r, "webhook-signature"));
	assert_non_null(strstr(buf_cstr(&r.body), "\"source\":\"/oodd/models/intent%20router\""));
	assert_non_null(strstr(buf_cstr(&r.body), "\"type\":\"dev.oodd.alert.resolved\""));
	assert_non_null(strstr(buf_cstr(&r.body), "\"specversion\":\"1.0\""));
	request_done(&r);
	endpoint_close(p);
}

/* The example of the Standard Webhooks specification (its libraries' own test). */
static void test_signature(void **state)
{
	const char *body = "{\"test\": 2432232314}";
	char to[64];

	(void)state;
	assert_int_equal(
		secret_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), to, &e),
		0);
	assert_string_equal(to, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	assert_int_equal(secret_sign("whsec_!!!!", "id", 1, "", 0, to, &e), -EINVAL);
	assert_int_equal(secret_sign("whsec_", "id", 1, "", 0, to, &e), -EINVAL);
}

static void test_signature_is_of_this_attempt(void **state)
{
	const char *secret = file("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0600);
	struct endpoint *p =
		open_endpoint((struct endpoint_options){.kind = "webhook", .secret_file = secret});
	struct request r = request_of(p, ALERT_FIRING);
	char to[64];

	(void)state;
	assert_string_equal(request_find(&r, "webhook-timestamp"), "1700000000");
	secret_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "k1-firing-" AT, 1700000000, r.body.at,
		r.body.n, to, &e);
	assert_string_equal(request_find(&r, "webhook-signature"), to);
	assert_null(request_find(&r, "Authorization"));
	assert_null(strstr(buf_cstr(&r.body), "MfKQ9"));
	request_done(&r);
	endpoint_close(p);
}

static void test_bearer(void **state)
{
	const char *secret = file("token", "s3cret", 0400);
	struct endpoint *p = open_endpoint(
		(struct endpoint_options){.kind = "alertmanager", .secret_file = secret});
	struct request r = request_of(p, ALERT_FIRING);

	(void)state;
	assert_string_equal(request_find(&r, "authorization"), "Bearer s3cret");
	request_done(&r);
	endpoint_close(p);
}

static void test_script_places_a_secret_it_cannot_read(void **state)
{
	struct endpoint *p;
	struct request r;

	(void)state;
	file("pager.lua",
		"function request(a, e) return { headers = { ['X-Key'] = e.secret }, body = { "
		"routing_key = e.secret,"
		" kind = type(e.secret), is = tostring(e.secret) ~= 's3cret' } } end",
		0644);
	p = open_endpoint((struct endpoint_options){
		.kind = "pager", .secret_file = file("token", "s3cret", 0400)});
	r = request_of(p, ALERT_FIRING);
	expect_body(&r, "{\"is\":true,\"kind\":\"userdata\",\"routing_key\":\"s3cret\"}");
	assert_string_equal(request_find(&r, "X-Key"), "s3cret");
	assert_null(request_find(&r, "Authorization"));
	request_done(&r);
	endpoint_close(p);
}

static void refuses_secret(const char *path, const char *sentence)
{
	struct endpoint_options o = {.name = "e",
		.where = "oodd.lua:9",
		.kind = "webhook",
		.url = "http://h",
		.secret_file = path};
	struct endpoint *p;

	assert_true(endpoint_open(&o, script_dirs, 2, &p, &e) < 0);
	assert_non_null(strstr(e.text, "oodd.lua:9: endpoint \"e\": "));
	if (!strstr(e.text, sentence))
		fail_msg("not in the message: '%s': %s", sentence, e.text);
}

static void test_secret_files_that_are_not_secret(void **state)
{
	(void)state;
	refuses_secret(file("wide", "x", 0644), "lets others at it");
	refuses_secret(file("group", "x", 0620), "lets others at it");
	refuses_secret(file("empty", "\n", 0600), "is empty");
	refuses_secret(file("lines", "a\nb\n", 0600), "one line");
	refuses_secret(file("bad", "whsec_???", 0600), "not base64");
	refuses_secret("/nowhere/secret", "No such file");
	refuses_secret(dir, "not a plain file");
}

/* ---- scripts ---- */

static struct endpoint *script(const char *text)
{
	file("mine.lua", text, 0644);
	return open_endpoint((struct endpoint_options){.kind = "mine"});
}

static void gives(const char *returned, const char *body)
{
	char *text =
		mem_format("function request(alert, endpoint) return { body = %s } end", returned);
	struct endpoint *p = script(text);
	struct request r = request_of(p, ALERT_FIRING);

	expect_body(&r, body);
	request_done(&r);
	endpoint_close(p);
	free(text);
}

static void fails(const char *text, const char *sentence)
{
	struct endpoint *p = script(text);
	struct alert a = alert(ALERT_FIRING);
	struct request r;

	assert_true(endpoint_request(p, &a, NOW, &r, &e) < 0);
	if (!strstr(e.text, sentence))
		fail_msg("not in the message: '%s': %s", sentence, e.text);
	assert_non_null(strstr(e.text, "mine.lua"));
	endpoint_close(p);
}

static void test_json(void **state)
{
	(void)state;
	gives("{}", "{}");
	gives("array({})", "[]");
	gives("{ 1, 2.5, 'x', true }", "[1,2.5,\"x\",true]");
	gives("{ b = 1, a = { c = {} } }", "{\"a\":{\"c\":{}},\"b\":1}");
	gives("{ x = 1/0, y = 0/0, z = 1e300, i = math.maxinteger }",
		"{\"i\":9223372036854775807,\"x\":null,\"y\":null,\"z\":1e+300}");
	gives("{ t = '\\u{20ac}\\0\\n\\xff' }", "{\"t\":\"\xe2\x82\xac\\u0000\\n\xef\xbf\xbd\"}");
	gives("'plain text'", "plain text");
	gives("{ inner = json({ 1, array({}) }) }", "{\"inner\":\"[1,[]]\"}");
	gives("alert.labels", "{\"a.b\":\"x\",\"none\":\"\",\"region\":\"eu\"}");
}

#define RETURNS(what) "function request(alert, endpoint) return " what " end"

static void test_broken_scripts_say_where(void **state)
{
	(void)state;
	fails(RETURNS("nil"), "not a table");
	fails(RETURNS("{}"), "body: a table or a text");
	fails(RETURNS("{ body = { 1, a = 2 } }"), "both names and numbers");
	fails(RETURNS("{ body = { [1] = 1, [3] = 3 } }"), "holes");
	fails(RETURNS("{ body = { f = function() end } }"), "has no JSON");
	fails("function request() local t = {} t.t = t return { body = t } end", "nested deeper");
	fails(RETURNS("{ body = ('x'):rep(100000):rep(20) }"), "");
	fails(RETURNS("{ body = '', path = 'no-slash' }"), "slash");
	fails(RETURNS("{ body = '', path = '/a b' }"), "blank");
	fails(RETURNS("{ body = '', path = '/a\\r\\nHost: evil' }"), "control byte");
	fails(RETURNS("{ body = '', method = 'GET' }"), "GET");
	fails(RETURNS("{ body = '', headers = { ['X'] = 'a\\r\\nY: b' } }"), "line break");
	fails(RETURNS("{ body = '', headers = { ['X'] = 'a\\0b' } }"), "NUL");
	fails(RETURNS("{ body = '', headers = { ['X: 1\\r\\nY'] = 'a' } }"),
		"not the name of a header");
	fails(RETURNS("{ body = '', headers = { host = 'evil' } }"), "set by oodd");
	fails(RETURNS("{ body = '', headers = { ['Content-Length'] = '0' } }"), "set by oodd");
	fails("function request()\n  return alert.nothing.here\nend", ":2:");
	fails("function request() while true do end end", "CPU time");
	fails("function request() local t = {} for i = 1, 1e9 do t[i] = i end end", "stopped");
}

static void refuses(struct endpoint_options o, const char *sentence)
{
	struct endpoint *p;

	o.name = "e";
	assert_true(endpoint_open(&o, script_dirs, 2, &p, &e) < 0);
	if (!strstr(e.text, sentence))
		fail_msg("not in the message: '%s': %s", sentence, e.text);
}

static void test_mistakes_are_found_at_open(void **state)
{
	struct pair bad = {(char *)"X", (char *)"a\nb"};

	(void)state;
	file("mine.lua", "x = = 1", 0644);
	refuses((struct endpoint_options){.kind = "mine", .url = "http://h"}, "mine.lua:1");
	file("mine.lua", "x = 1", 0644);
	refuses((struct endpoint_options){.kind = "mine", .url = "http://h"},
		"defines no function request");
	refuses((struct endpoint_options){.kind = "web-hook", .url = "http://h"},
		"did you mean 'webhook'?");
	refuses((struct endpoint_options){.kind = "nobody", .url = "http://h"}, "no nobody.lua");
	refuses((struct endpoint_options){.kind = "../../etc/x", .url = "http://h"}, "no ");
	refuses((struct endpoint_options){.kind = "webhook"}, "url is missing");
	refuses((struct endpoint_options){.kind = "webhook", .url = "ftp://h/"},
		"https://host/path");
	refuses(
		(struct endpoint_options){
			.kind = "webhook", .url = "http://h", .ca_file = "/nowhere.pem"},
		"ca_file");
	refuses(
		(struct endpoint_options){
			.kind = "webhook", .url = "http://h", .headers = &bad, .n_headers = 1},
		"line break");
	refuses((struct endpoint_options){.kind = "file"}, "path is missing");
	refuses((struct endpoint_options){.kind = "file", .path = "/x", .secret_file = "/y"},
		"no use for a secret");
}

static void test_headers_of_the_configuration_win(void **state)
{
	struct pair mine[] = {
		{(char *)"content-type", (char *)"text/x"}, {(char *)"X-Empty", (char *)""}};
	struct endpoint *p = open_endpoint(
		(struct endpoint_options){.kind = "webhook", .headers = mine, .n_headers = 2});
	struct request r = request_of(p, ALERT_FIRING);

	(void)state;
	assert_string_equal(request_find(&r, "Content-Type"), "text/x");
	assert_string_equal(request_find(&r, "x-empty"), "");
	request_done(&r);
	endpoint_close(p);
}

static void test_what_is_shown_holds_no_secret(void **state)
{
	struct endpoint_options o = {.name = "e",
		.kind = "webhook",
		.url = "https://user:pass@hooks.example/services/T0/SECRET?sig=1"};
	struct endpoint *p;

	(void)state;
	assert_int_equal(endpoint_open(&o, script_dirs, 2, &p, &e), 0);
	assert_string_equal(p->shown, "https://hooks.example:443");
	endpoint_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alertmanager),
		cmocka_unit_test(test_an_end_is_never_ahead_of_the_clock_nor_before_the_start),
		cmocka_unit_test(test_webhook_is_a_cloudevent_with_one_id),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_signature_is_of_this_attempt),
		cmocka_unit_test(test_bearer),
		cmocka_unit_test(test_script_places_a_secret_it_cannot_read),
		cmocka_unit_test(test_secret_files_that_are_not_secret),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_broken_scripts_say_where),
		cmocka_unit_test(test_mistakes_are_found_at_open),
		cmocka_unit_test(test_headers_of_the_configuration_win),
		cmocka_unit_test(test_what_is_shown_holds_no_secret),
	};
	char *command;
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	command = mem_format("rm -rf '%s'", dir);
	if (system(command))
		failed++;
	free(command);
	return failed;
}
