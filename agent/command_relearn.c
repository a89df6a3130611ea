/* SPDX-License-Identifier: Apache-2.0
 * oodd relearn: asks the agent to make the next reference of a model from what comes now. */
#include "commands.h"

#include "house.h"
#include "school.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

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

/* A model without a reference is being learned anyway. */
static bool has_reference(const struct house *h, const char *model, const char *version, struct buf *errors)
{
	struct streams streams = {0};
	bool found = false;

	streams_open(h->config, h->plugins, &streams, errors);
	for (size_t i = 0; i < streams.n; i++)
		found |= !strcmp(streams.at[i]->model, model) && (!version || !strcmp(streams.at[i]->version, version));
	streams_close(&streams);
	return found;
}

static int relearn(const struct command *self, const struct house *h, const char *model, const char *version)
{
	const struct model_config *m = config_model(h->config, model);
	struct buf errors = BUF_EMPTY;
	struct error e = {0};
	bool found = has_reference(h, model, version, &errors);

	buf_done(&errors);
	if (!m)
		return cli_fail(self, EX_CONFIG, "%s has no block for model '%s'", h->config->file, model);
	if (!found)
		return cli_fail(self, EX_DATAERR, "%s%s%s has no reference yet: there is nothing to learn anew", model, version ? " " : "",
			version ? version : "");
	if (school_ask(h->config->state, model, version, &e))
		return cli_fail(self, EX_CANTCREAT, "%s", e.text);
	if (agent_runs(h->config->state))
		printf("asked: the agent collects %lld records of %s, makes a reference of them, and keeps the old one\n",
			(long long)m->learn.records, model);
	else
		printf("noted: no agent runs on %s; the next one begins with it (oodd fit makes a reference from logs, now)\n",
			h->config->state);
	return 0;
}

int command_relearn(const struct command *self, int argc, char **argv)
{
	const char *config = NULL, *version = NULL;
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"version", 0, CLI_TEXT, &version, "V", "only this version (default: all that have a reference)", 0, 0},
		{0},
	};
	struct cli_list rest;
	struct house house = {0};
	int status = cli_parse(self, options, argc, argv, &rest);

	if (status == CLI_GO_ON && rest.n != 1)
		status = cli_fail(self, EX_USAGE, "which model? usage: oodd relearn %s", self->synopsis);
	if (status == CLI_GO_ON && !(status = house_open_command(config, &house)))
		status = relearn(self, &house, rest.at[0], version);
	house_close(&house);
	free(rest.at);
	return status;
}
