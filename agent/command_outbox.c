/* SPDX-License-Identifier: Apache-2.0
 * oodd outbox: what waits for its endpoint, what was given up and why; and the latter once more. */
#include "commands.h"

#include "house.h"
#include "resend.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/alert.h"
#include "store/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct listing {
	const struct config *config;
	struct cli_list only;
	bool json, resend;
	size_t waiting, dead, elsewhere; /* elsewhere: of the dead, for endpoints that the configuration lacks */
};

static bool configured(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (!strcmp(c->endpoints[i].name, name))
			return true;
	return false;
}

static bool asked_for(const struct listing *l, const char *name)
{
	for (size_t i = 0; i < l->only.n; i++)
		if (!strcmp(l->only.at[i], name))
			return true;
	return l->only.n == 0;
}

static void time_member(struct buf *to, const char *name, int64_t us)
{
	char text[32];

	if (us != TIME_NONE)
		buf_format(to, ",\"%s\":\"%s\"", name, time_format(us, text, sizeof text));
}

static void print_json(const struct outbox_row *r, const struct alert *a)
{
	struct buf line = BUF_EMPTY;

	buf_text(&line, "{\"endpoint\":");
	buf_json_text(&line, r->endpoint, strlen(r->endpoint));
	buf_format(&line, ",\"dead\":%s,\"attempts\":%lld", r->dead_us == TIME_NONE ? "false" : "true", (long long)r->attempts);
	time_member(&line, "made", r->made_us);
	time_member(&line, "expires", r->expires_us);
	time_member(&line, "given_up", r->dead_us);
	buf_text(&line, ",\"said\":");
	if (r->said)
		buf_json_text(&line, r->said, strlen(r->said));
	else
		buf_text(&line, "null");
	buf_text(&line, ",\"alert\":");
	alert_json(a, &line);
	buf_text(&line, "}");
	puts(buf_cstr(&line));
	buf_done(&line);
}

static void print_text(const struct outbox_row *r, const struct alert *a)
{
	char made[32];

	printf("%s %s %-8s %s %s: %s\n", r->dead_us == TIME_NONE ? "waits" : "dead ", time_format(r->made_us, made, sizeof made),
		alert_state_words[r->state], r->endpoint, a->name, a->summary ? a->summary : "");
	if (r->said)
		printf("      %lld attempt%s: %s\n", (long long)r->attempts, r->attempts == 1 ? "" : "s", r->said);
}

static int on_row(void *context, const struct outbox_row *r)
{
	struct listing *l = context;
	bool dead = r->dead_us != TIME_NONE;
	struct alert a;
	struct error e = {0};

	if (!asked_for(l, r->endpoint))
		return 0;
	l->waiting += !dead;
	l->dead += dead;
	l->elsewhere += dead && !configured(l->config, r->endpoint);
	if (l->resend)
		return 0;
	if (alert_unpack(r->alert, r->n_alert, &a, &e)) {
		fprintf(stderr, "oodd outbox: a row of %s cannot be read: %s\n", r->endpoint, e.text);
		return 0;
	}
	(l->json ? print_json : print_text)(r, &a);
	alert_done(&a);
	return 0;
}

/* Beside a running agent: nothing is written. */
static int outbox_read(struct listing *l, struct error *e)
{
	struct store_options o = {.dir = l->config->state, .look = true};
	struct store *store;
	int status = store_open(&o, &store, e);

	if (status)
		return status;
	status = store_each_outbox(store, NULL, on_row, l, e);
	store_close(store);
	return status;
}

static int ask(const struct command *self, const struct listing *l)
{
	struct error e = {0};

	if (l->dead == l->elsewhere)
		printf("no dead letters%s\n", l->elsewhere ? " for endpoints that the configuration has" : "");
	else if (resend_ask(l->config->state, l->only.at, l->only.n, &e))
		return cli_fail(self, EX_CANTCREAT, "%s", e.text);
	else
		printf("asked: the agent sends %zu dead letter%s again; without a running one the next begins with it\n",
			l->dead - l->elsewhere, l->dead - l->elsewhere == 1 ? "" : "s");
	return 0;
}

static int outbox(const struct command *self, struct listing *l)
{
	struct error e = {0};
	int status;

	for (size_t i = 0; i < l->only.n && l->resend; i++)
		if (!configured(l->config, l->only.at[i]))
			return cli_fail(self, EX_USAGE, "the configuration has no endpoint '%s'", l->only.at[i]);
	status = outbox_read(l, &e);
	if (status && status != -ENOENT)
		return cli_fail(self, EX_IOERR, "%s", e.text);
	if (l->resend)
		return ask(self, l);
	if (!l->json)
		printf("%zu waiting, %zu dead%s\n", l->waiting, l->dead, l->dead ? " (--resend sends those again)" : "");
	return 0;
}

int command_outbox(const struct command *self, int argc, char **argv)
{
	const char *config = NULL;
	struct listing l = {0};
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"json", 0, CLI_FLAG, &l.json, NULL, "one JSON object a line", 0, 0},
		{"resend", 0, CLI_FLAG, &l.resend, NULL, "what was given up is sent again by the agent, as if it had just come", 0, 0},
		{0},
	};
	struct house house = {0};
	int status = cli_parse(self, options, argc, argv, &l.only);

	if (status == CLI_GO_ON && !(status = house_open_command(config, &house))) {
		l.config = house.config;
		status = outbox(self, &l);
	}
	house_close(&house);
	free(l.only.at);
	return status;
}
