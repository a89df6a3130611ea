/* SPDX-License-Identifier: Apache-2.0
 * oodd plugin list, oodd plugin test FILE.so. */
#include "commands.h"

#include "house.h"
#include "score/conform.h"
#include "score/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Without a configuration: the folders of the build tree or of the installation. */
static int plugin_list(const char *config, bool json)
{
	struct house house = {0};
	struct buf text = BUF_EMPTY;
	int status = config ? house_open_command(config, &house) : 0;

	if (status)
		return status;
	if (!config)
		house.plugins = house_plugins(NULL);
	for (size_t i = 0; i < house.plugins->n_warnings && !config; i++)
		fprintf(stderr, "oodd plugin: %s\n", house.plugins->warnings[i]);
	if (json)
		plugins_list_json(house.plugins, &text);
	else
		plugins_list_text(house.plugins, &text);
	fwrite(text.at, 1, text.n, stdout);
	buf_done(&text);
	house_close(&house);
	return 0;
}

static int plugin_test(const struct command *self, const struct cli_list *files)
{
	int failed = 0;

	if (!files->n)
		return cli_fail(self, EX_USAGE, "test which file? usage: oodd plugin test FILE.so");
	for (size_t i = 0; i < files->n; i++) {
		int one = conform_run(files->at[i], stdout);

		if (one < 0)
			return cli_fail(self, EX_OSERR, "%s: the kit cannot be started: %s", files->at[i], strerror(-one));
		failed += one;
	}
	return failed ? EX_DATAERR : 0;
}

int command_plugin(const struct command *self, int argc, char **argv)
{
	const char *config = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &config, "FILE", "list: the plugins that this configuration would use", 0, 0},
		{"json", 0, CLI_FLAG, &json, NULL, "list: as JSON", 0, 0},
		{0},
	};
	struct cli_list rest;
	int status = cli_parse(self, options, argc, argv, &rest);

	if (status == CLI_GO_ON) {
		struct cli_list files = {rest.at + 1, rest.n ? rest.n - 1 : 0};

		if (rest.n && !strcmp(rest.at[0], "list"))
			status = plugin_list(config, json);
		else if (rest.n && !strcmp(rest.at[0], "test"))
			status = plugin_test(self, &files);
		else
			status = cli_fail(self, EX_USAGE, "list or test? usage: oodd plugin %s", self->synopsis);
	}
	free(rest.at);
	return status;
}
