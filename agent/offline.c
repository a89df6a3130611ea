/* SPDX-License-Identifier: Apache-2.0
 * Commands that read logs from end to end and print. */
#include "offline.h"

#include "logs.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { OUT_BYTES = 64 * 1024, MOST_THREADS = 64 };

void offline_flush(struct offline *o, bool now)
{
	if (!o->out.n || (!now && o->out.n < OUT_BYTES))
		return;
	fwrite(o->out.at, 1, o->out.n, stdout);
	buf_clear(&o->out);
}

static struct pipeline *pipeline_of(struct offline *o, const struct house *house)
{
	struct buf errors = BUF_EMPTY;
	struct pipeline *p = pipeline_open(house->config, house->plugins, &o->sinks, o->parts, &errors);

	if (!p)
		fputs(buf_cstr(&errors), stderr);
	buf_done(&errors);
	return p;
}

static int offline_run(struct offline *o, const struct house *house, size_t source, const struct cli_list *paths)
{
	size_t labels = o->labels ? config_add_labels(house->config) : 0;
	struct pipeline *p = pipeline_of(o, house);
	struct logs *logs = NULL;
	struct error e = {0};
	int status;

	if (!p)
		return EX_CONFIG;
	if (o->opened)
		o->opened(o->sinks.context, p);
	status = logs_open(p, source, paths->at, paths->n, &logs, &e);
	if (!status && o->labels)
		status = logs_also(logs, labels, o->labels, &e);
	if (!status)
		status = logs_run(logs, p, o->threads, &e);
	if (status)
		cli_fail(o->self, 0, "%s", e.text);
	/* Also after a log that broke off: what was read is told, and the balance with it. */
	if (logs && o->finish)
		o->finish(o->sinks.context, p);
	offline_flush(o, true);
	logs_close(logs);
	pipeline_close(p);
	return !status ? 0 : status == -ENOENT ? EX_NOINPUT : EX_DATAERR;
}

static const struct cli_option none[] = {{0}};

static size_t options_n(const struct cli_option *options)
{
	size_t n = 0;

	while (options[n].name)
		n++;
	return n;
}

/* The command's own options behind the common ones; free(). */
static struct cli_option *options_of(const struct cli_option *common, const struct cli_option *own)
{
	size_t n = options_n(common), n_own = options_n(own);
	struct cli_option *all = mem_zero(n + n_own + 1, sizeof *all);

	memcpy(all, common, n * sizeof *all);
	memcpy(all + n, own, n_own * sizeof *all);
	return all;
}

static int house_run(struct offline *o, const struct house *house, const char *source, const struct cli_list *paths)
{
	size_t index;
	int status = o->begin ? o->begin(o->sinks.context, house) : 0;

	if (status)
		return status;
	if (!paths->n)
		return o->without(o->sinks.context, house);
	return house_source(house, source, &index) ? EX_USAGE : offline_run(o, house, index, paths);
}

int offline_command(struct offline *o, int argc, char **argv)
{
	const char *config = NULL, *source = NULL;
	const struct cli_option common[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"json", 0, CLI_FLAG, &o->json, NULL, "JSON Lines instead of text", 0, 0},
		{"source", 0, CLI_TEXT, &source, "NAME", "whose format and fields the logs have (default: the first source)", 0, 0},
		{"threads", 0, CLI_NUMBER, &o->threads, "N", "work on so many threads; changes no figure (default 1)", 1, MOST_THREADS},
		{0},
	};
	struct cli_option *options = options_of(common, o->options ? o->options : none);
	struct cli_list paths;
	struct house house = {0};
	int status;

	o->threads = 1;
	status = cli_parse(o->self, options, argc, argv, &paths);
	if (status == CLI_GO_ON && !paths.n && !o->without)
		status = cli_fail(o->self, EX_USAGE, "which log? usage: oodd %s %s", o->self->name, o->self->synopsis);
	if (status == CLI_GO_ON && !(status = house_open_command(config, &house)))
		status = house_run(o, &house, source, &paths);
	house_close(&house);
	buf_done(&o->out);
	free(paths.at);
	free(options);
	return status;
}
