/* SPDX-License-Identifier: Apache-2.0
 * A small agent around the courier, for tests that talk to real receivers
 * (tests/story/test_b*_deliver_*.py): a store, a courier, and the roof's part of the bargain. Commands
 * come as lines on standard input, answers go as lines of JSON to standard output.
 *
 *     courier_driver STATE SCRIPTS ENDPOINT...
 *     where ENDPOINT is name=oncall;kind=webhook;url=...;timeout=2s;...
 *
 *     fire NAME KEY [ENDPOINT...]    resolve NAME KEY [ENDPOINT...]
 *     status      counters of each endpoint, and the rows of the database
 *     hold        from now on nothing that was answered is recorded (as if killed in between)
 *     firing [KEY...]     what the rules say is firing
 *     reload ENDPOINT...
 *     quit        drain, record, close */
#include "deliver/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define MOST 16

static struct agent {
	uv_loop_t loop;
	uv_pipe_t input;
	uv_timer_t commit_timer;
	struct buf line;
	struct store *store;
	struct courier *courier;
	const char *scripts;
	bool held, leaving;
} agent;

static void die(const struct error *e)
{
	printf("{\"error\":\"");
	for (const char *c = e->text; *c; c++)
		printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	printf("\"}\n");
	exit(1);
}

/* ---- endpoints from text ---- */

struct specs {
	struct endpoint_options at[MOST];
	struct pair headers[MOST][4];
	size_t n;
};

static const struct {
	const char *name;
	size_t at;
	enum { TEXT, DURATION, NUMBER } type;
} fields[] = {
	{"name", offsetof(struct endpoint_options, name), TEXT},
	{"kind", offsetof(struct endpoint_options, kind), TEXT},
	{"script", offsetof(struct endpoint_options, script), TEXT},
	{"url", offsetof(struct endpoint_options, url), TEXT},
	{"path", offsetof(struct endpoint_options, path), TEXT},
	{"secret_file", offsetof(struct endpoint_options, secret_file), TEXT},
	{"ca_file", offsetof(struct endpoint_options, ca_file), TEXT},
	{"timeout", offsetof(struct endpoint_options, timeout_us), DURATION},
	{"resend", offsetof(struct endpoint_options, resend_us), DURATION},
	{"expire", offsetof(struct endpoint_options, expire_us), DURATION},
	{"at_once", offsetof(struct endpoint_options, at_once), NUMBER},
};

static void spec_field(struct specs *s, char *field)
{
	struct endpoint_options *o = &s->at[s->n];
	char *value = strchr(field, '=');

	*value++ = '\0';
	if (!strcmp(field, "header")) {
		struct pair *h = &s->headers[s->n][o->n_headers++];

		h->name = field = value;
		h->value = strchr(field, ':');
		*h->value++ = '\0';
		o->headers = s->headers[s->n];
		return;
	}
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		void *member = (char *)o + fields[i].at;

		if (strcmp(fields[i].name, field))
			continue;
		if (fields[i].type == TEXT)
			*(char **)member = value;
		else if (fields[i].type == NUMBER)
			*(int32_t *)member = atoi(value);
		else if (duration_parse(value, strlen(value), member))
			abort();
		return;
	}
	abort();
}

static void specs_read(struct specs *s, char **texts, size_t n)
{
	*s = (struct specs){.n = 0};
	for (; s->n < n; s->n++) {
		char *rest = texts[s->n], *field;

		s->at[s->n].where = "driver";
		while ((field = strsep(&rest, ";")))
			spec_field(s, field);
	}
}

/* ---- the roof's part ---- */

static void on_committed(void *context, int code, const char *text)
{
	(void)context;
	if (code) {
		fprintf(stderr, "commit: %s\n", text);
		exit(2);
	}
	printf("{\"committed\":true}\n");
	fflush(stdout);
}

static void commit(struct txn *t)
{
	if (!agent.held)
		courier_record(agent.courier, t);
	if (txn_empty(t))
		txn_close(&t);
	else
		store_commit(agent.store, &t, on_committed, NULL);
}

static void on_commit_timer(uv_timer_t *timer)
{
	(void)timer;
	commit(txn_open());
}

static void nudge(void *context)
{
	(void)context;
	if (!uv_is_active((uv_handle_t *)&agent.commit_timer))
		uv_timer_start(&agent.commit_timer, on_commit_timer, 10, 0);
}

static void on_drained(void *context)
{
	struct txn *t = txn_open();
	struct error e;

	(void)context;
	courier_record(agent.courier, t);
	if (store_commit_wait(agent.store, &t, SECOND_US, &e))
		die(&e);
	store_close(agent.store);
	courier_close(agent.courier);
	uv_close((uv_handle_t *)&agent.commit_timer, NULL);
	uv_close((uv_handle_t *)&agent.input, NULL);
}

/* ---- commands ---- */

static void alert_command(char **words, size_t n)
{
	struct pair labels[] = {{(char *)"team", (char *)"ml"}, {(char *)"a.b", (char *)"\"x\"\n"}};
	struct pair annotations[] = {{(char *)"runbook", (char *)"https://wiki.example/oodd"}};
	bool firing = !strcmp(words[0], "fire");
	int64_t now = clock_now(NULL);
	struct alert a = {.name = words[1],
		.model = (char *)"intent router",
		.version = (char *)"3",
		.severity = (char *)"page",
		.summary = (char *)"hours-per-week: mean 40.4 -> 1 240",
		.state = firing ? ALERT_FIRING : ALERT_RESOLVED,
		.labels = labels,
		.n_labels = 2,
		.annotations = annotations,
		.n_annotations = 1,
		.starts_us = now - 600 * SECOND_US,
		.ends_us = firing ? TIME_NONE : now - 5 * SECOND_US,
		.at_us = now - 5 * SECOND_US};
	struct txn *t = txn_open();
	struct error e;

	snprintf(a.key, sizeof a.key, "%s", words[2]);
	a.to = words + 3;
	a.n_to = n - 3;
	if (courier_alert(agent.courier, t, &a, &e)) {
		printf("{\"refused\":true}\n");
		fprintf(stderr, "%s\n", e.text);
	}
	commit(t);
}

static void print_status(void *context, const struct courier_status *s)
{
	struct buf *to = context;

	buf_format(to,
		"%s\"%s\":{\"accepted\":%lld,\"failed\":%lld,\"retried\":%lld,\"refused\":%lld,"
		"\"dead\":%lld,\"expired\":%lld,"
		"\"overtaken\":%lld,\"queued\":%lld,\"in_flight\":%lld,\"said\":",
		to->at[to->n - 1] == '{' ? "" : ",", s->endpoint, (long long)s->counts.accepted,
		(long long)s->counts.failed, (long long)s->counts.retried,
		(long long)s->counts.refused, (long long)s->counts.dead,
		(long long)s->counts.expired, (long long)s->counts.overtaken,
		(long long)s->counts.queued, (long long)s->counts.in_flight);
	buf_json_text(to, s->said ? s->said : "", s->said ? strlen(s->said) : 0);
	buf_text(to, "}");
}

static int print_row(void *context, const struct outbox_row *row)
{
	struct buf *to = context;

	buf_format(to,
		"%s{\"endpoint\":\"%s\",\"key\":\"%s\",\"state\":\"%s\",\"attempts\":%lld,\"dead\":"
		"%s,\"said\":",
		to->at[to->n - 1] == '[' ? "" : ",", row->endpoint, row->key,
		alert_state_words[row->state], (long long)row->attempts,
		row->dead_us == TIME_NONE ? "false" : "true");
	buf_json_text(to, row->said ? row->said : "", row->said ? strlen(row->said) : 0);
	buf_text(to, "}");
	return 0;
}

static void status_command(char **words, size_t n)
{
	struct buf to = BUF_EMPTY;
	struct error e;

	(void)words;
	(void)n;
	buf_text(&to, "{\"status\":{");
	courier_each(agent.courier, print_status, &to);
	buf_text(&to, "},\"rows\":[");
	if (store_each_outbox(agent.store, NULL, print_row, &to, &e))
		die(&e);
	buf_text(&to, "]}");
	puts(buf_cstr(&to));
	buf_done(&to);
}

static void hold_command(char **words, size_t n)
{
	(void)words;
	(void)n;
	agent.held = true;
}

static void firing_command(char **words, size_t n)
{
	struct txn *t = txn_open();
	size_t ended = courier_firing(agent.courier, t, (const char *const *)words + 1, n - 1);

	printf("{\"ended\":%zu}\n", ended);
	commit(t);
}

static void reload_command(char **words, size_t n)
{
	struct specs specs;
	struct error e;

	specs_read(&specs, words + 1, n - 1);
	if (courier_reload(agent.courier, specs.at, specs.n, &agent.scripts, 1, &e)) {
		fprintf(stderr, "%s\n", e.text);
		printf("{\"reloaded\":false}\n");
	} else {
		printf("{\"reloaded\":true}\n");
	}
}

static void quit_command(char **words, size_t n)
{
	(void)words;
	(void)n;
	agent.leaving = true;
	uv_read_stop((uv_stream_t *)&agent.input);
	uv_timer_stop(&agent.commit_timer);
	courier_drain(agent.courier, 2 * SECOND_US, on_drained, NULL);
}

static const struct {
	const char *name;
	void (*run)(char **words, size_t n);
} commands[] = {
	{"fire", alert_command},
	{"resolve", alert_command},
	{"status", status_command},
	{"hold", hold_command},
	{"firing", firing_command},
	{"reload", reload_command},
	{"quit", quit_command},
};

static void command(char *line)
{
	char *words[MOST + 3], *word;
	size_t n = 0;

	while ((word = strsep(&line, " ")) && n < MOST + 2)
		words[n++] = word;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, words[0]))
			commands[i].run(words, n);
	fflush(stdout);
}

static void on_alloc(uv_handle_t *handle, size_t want, uv_buf_t *ret)
{
	(void)handle;
	*ret = uv_buf_init(buf_reserve(&agent.line, want), (unsigned)want);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	char *end;

	(void)b;
	if (n < 0) {
		uv_read_stop(stream);
		if (!agent.leaving)
			quit_command(NULL, 0);
		return;
	}
	buf_wrote(&agent.line, (size_t)n);
	while (agent.line.n && (end = memchr(agent.line.at, '\n', agent.line.n))) {
		char *line = mem_copy_span(agent.line.at, (size_t)(end - agent.line.at));

		buf_drop(&agent.line, (size_t)(end - agent.line.at) + 1);
		command(line);
		free(line);
	}
}

int main(int argc, char **argv)
{
	struct store_options s = {.dir = argv[1], .loop = &agent.loop};
	struct courier_options o = {.loop = &agent.loop,
		.script_dirs = &agent.scripts,
		.n_script_dirs = 1,
		.nudge = nudge,
		.seed = 1,
		.retry_us = SECOND_US / 10,
		.retry_most_us = SECOND_US,
		.pause_most_us = SECOND_US};
	struct specs specs;
	struct error e;

	if (argc < 3)
		return 64;
	log_level_set(LOG_DEBUG_);
	agent.scripts = argv[2];
	uv_loop_init(&agent.loop);
	specs_read(&specs, argv + 3, (size_t)argc - 3);
	o.endpoints = specs.at;
	o.n_endpoints = specs.n;
	if (store_open(&s, &o.store, &e) || courier_open(&o, &agent.courier, &e))
		die(&e);
	agent.store = o.store;
	uv_timer_init(&agent.loop, &agent.commit_timer);
	uv_pipe_init(&agent.loop, &agent.input, 0);
	uv_pipe_open(&agent.input, 0);
	uv_read_start((uv_stream_t *)&agent.input, on_alloc, on_read);
	printf("{\"ready\":true}\n");
	fflush(stdout);
	uv_run(&agent.loop, UV_RUN_DEFAULT);
	buf_done(&agent.line);
	return uv_loop_close(&agent.loop) ? 3 : 0;
}
