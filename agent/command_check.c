/* SPDX-License-Identifier: Apache-2.0
 * oodd check: everything that `run` would build is built and thrown away; every mistake is a line. Touches no state. */
#include "commands.h"

#include "endpoints.h"
#include "house.h"
#include "pipeline.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

/* Detectors and their options as the configuration names them; a plugin may be missing though no reference needs it yet. */
static size_t check_detectors(const struct house *h, struct buf *errors)
{
	size_t mistakes = 0;

	for (size_t i = 0; i < h->config->n_models; i++) {
		const struct model_config *m = &h->config->models[i];

		for (size_t d = 0; d < m->n_detectors; d++) {
			struct error e = {0};

			if (house_detector(h, &m->detectors[d], &e)) {
				buf_format(errors, "%s: model \"%s\": %s\n", m->where, m->name, e.text);
				mistakes++;
			}
		}
	}
	return mistakes;
}

static int check(const struct house *h)
{
	struct pipeline_sinks sinks = {0};
	struct buf errors = BUF_EMPTY, remarks = BUF_EMPTY;
	size_t mistakes = check_detectors(h, &errors) + endpoints_check(h->config, &errors);
	struct pipeline *p = pipeline_open(h->config, h->plugins, &sinks, PIPELINE_ALL, &errors);

	config_remarks(h->config, &remarks);
	fputs(buf_cstr(&errors), stderr);
	fputs(buf_cstr(&remarks), stderr);
	if (p && !mistakes)
		printf("%s: ok: %zu sources, %zu models (%zu with a reference), %zu endpoints, %zu rule files, %zu plugins\n",
			h->config->file, h->config->n_sources, h->config->n_models, pipeline_streams(p)->n, h->config->n_endpoints,
			h->config->n_rules, h->plugins->n);
	pipeline_close(p);
	buf_done(&remarks);
	buf_done(&errors);
	return p && !mistakes ? 0 : EX_CONFIG;
}

static int effective(const struct house *h)
{
	struct buf text = BUF_EMPTY;

	config_effective(h->config, &text);
	fwrite(text.at, 1, text.n, stdout);
	buf_done(&text);
	return 0;
}

int command_check(const struct command *self, int argc, char **argv)
{
	const char *config = NULL;
	bool whole = false;
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"effective", 0, CLI_FLAG, &whole, NULL, "print the whole configuration, and where each value came from", 0, 0},
		{0},
	};
	struct cli_list rest;
	struct house house = {0};
	int status = cli_parse(self, options, argc, argv, &rest);

	if (status == CLI_GO_ON && rest.n == 1 && !config)
		config = rest.at[0];
	else if (status == CLI_GO_ON && rest.n)
		status = cli_fail(self, EX_USAGE, "one configuration at a time; '%s' is one too many", rest.at[rest.n - 1]);
	if (status == CLI_GO_ON && !(status = house_open_command(config, &house)))
		status = whole ? effective(&house) : check(&house);
	house_close(&house);
	free(rest.at);
	return status;
}
