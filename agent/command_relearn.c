/* SPDX-License-Identifier: Apache-2.0
 * oodd relearn: the next reference of a model: the agent is asked to make it from what comes now; or it is made here, from
 * logs. Either way it must be sound, and the old one is kept. */
#include "commands.h"

#include "house.h"
#include "reference_place.h"
#include "school.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

struct asked {
	const struct house *house;
	const struct model_config *m;
	const char *model, *version; /* version NULL: not said */
	const char **logs;
	size_t n_logs;
};

/* Does an agent hold the state directory? */
static bool agent_runs(const char *state)
{
	char *path = mem_format("%s/oodd.lock", state);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool runs = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	free(path);
	return runs;
}

/* Every reference there is. */
static void references_open(const struct house *h, struct streams *ret)
{
	struct buf errors = BUF_EMPTY;

	streams_open(h->config, h->plugins, ret, &errors);
	fputs(buf_cstr(&errors), stderr);
	buf_done(&errors);
}

/* A model without a reference is being learned anyway. */
static bool has_reference(const struct house *h, const char *model, const char *version)
{
	struct streams streams = {0};
	bool found = false;

	references_open(h, &streams);
	for (size_t i = 0; i < streams.n; i++)
		found |= !strcmp(streams.at[i]->model, model) && (!version || !strcmp(streams.at[i]->version, version));
	streams_close(&streams);
	return found;
}

/* From logs, here and now. */

static int fit_fresh(const struct command *self, const struct asked *a, const char *fresh)
{
	char *words[8] = {mem_copy_text("fit"), mem_format("--config=%s", a->house->config->file), mem_format("--model=%s", a->model),
		mem_format("--output=%s", fresh), a->version ? mem_format("--version=%s", a->version) : NULL};
	size_t own = a->version ? 5 : 4;
	char **argv = mem_zero(own + a->n_logs + 1, sizeof *argv);
	int status;

	memcpy(argv, words, own * sizeof *argv);
	memcpy(argv + own, a->logs, a->n_logs * sizeof *argv);
	status = command_fit(self, (int)(own + a->n_logs), argv);
	for (size_t i = 0; i < own; i++)
		free(words[i]);
	free(argv);
	return status;
}

/* Sound, and in its place; *ret is where that is. */
static int fresh_install(const struct asked *a, const char *fresh, char **ret, struct error *e)
{
	const struct config *c = a->house->config;
	struct streams streams = {0};
	struct stream *s, *before;
	int status = stream_open(a->m, fresh, a->house->plugins, &s, e);

	if (status)
		return status;
	references_open(a->house, &streams);
	before = streams_find(&streams, s->model, s->version);
	status = reference_sound(s->reference, before ? before->reference : NULL, e);
	if (!status) {
		*ret = before ? mem_copy_text(before->path) : reference_place(a->m, c->state, s->model, s->version);
		status = reference_install(fresh, *ret, (size_t)a->m->learn.keep, clock_now(NULL), e);
	}
	streams_close(&streams);
	stream_close(s);
	return status;
}

static int from_logs(const struct command *self, const struct asked *a)
{
	char *place = reference_path(a->m, a->house->config->state, a->model, a->version ? a->version : ""), *target = NULL;
	char *fresh = mem_format("%s.new", place);
	struct error e = {0};
	int status = reference_folder(fresh, &e) ? cli_fail(self, EX_CANTCREAT, "%s", e.text) : fit_fresh(self, a, fresh);

	if (!status && fresh_install(a, fresh, &target, &e))
		status = cli_fail(self, EX_DATAERR, "%s; the old reference stays", e.text);
	if (!status)
		printf("in place: %s; what was there is kept beside it%s\n", target,
			agent_runs(a->house->config->state) ? "; the running agent takes it over on SIGHUP" : "");
	unlink(fresh);
	free(target);
	free(fresh);
	free(place);
	return status;
}

static int ask(const struct command *self, const struct asked *a)
{
	const char *state = a->house->config->state, *version = a->version;
	struct error e = {0};

	if (!has_reference(a->house, a->model, version))
		return cli_fail(self, EX_DATAERR, "%s%s%s has no reference yet: there is nothing to learn anew", a->model,
			version ? " " : "", version ? version : "");
	if (school_ask(state, a->model, version, &e))
		return cli_fail(self, EX_CANTCREAT, "%s", e.text);
	if (agent_runs(state))
		printf("asked: the agent collects %lld records of %s, makes a reference of them, and keeps the old one\n",
			(long long)a->m->learn.records, a->model);
	else
		printf("noted: no agent runs on %s; the next one begins with it (with LOG... it is made from logs, now)\n", state);
	return 0;
}

int command_relearn(const struct command *self, int argc, char **argv)
{
	const char *config = NULL;
	struct asked a = {0};
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"version", 0, CLI_TEXT, &a.version, "V", "only this version (default: all that have a reference; from logs: that of the first record)", 0, 0},
		{0},
	};
	struct cli_list rest;
	struct house house = {0};
	int status = cli_parse(self, options, argc, argv, &rest);

	if (status == CLI_GO_ON && !rest.n)
		status = cli_fail(self, EX_USAGE, "which model? usage: oodd relearn %s", self->synopsis);
	if (status == CLI_GO_ON && !(status = house_open_command(config, &house))) {
		a.house = &house;
		a.model = rest.at[0];
		a.logs = rest.at + 1;
		a.n_logs = rest.n - 1;
		a.m = config_model(house.config, a.model);
		status = !a.m ? cli_fail(self, EX_CONFIG, "%s has no block for model '%s'", house.config->file, a.model)
			 : a.n_logs ? from_logs(self, &a) : ask(self, &a);
	}
	house_close(&house);
	free(rest.at);
	return status;
}
