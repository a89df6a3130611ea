/* SPDX-License-Identifier: Apache-2.0
 * Configuration and plugins, opened alike by every command. */
#include "house.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct plugins *house_plugins(const struct config *c)
{
	char **dirs = plugin_default_dirs(c ? (const char *const *)c->plugins : NULL, c ? c->n_plugins : 0);
	struct plugins *plugins;
	size_t n = 0;

	while (dirs[n])
		n++;
	plugins = plugins_open((const char *const *)dirs, n);
	plugin_dirs_free(dirs);
	return plugins;
}

struct option_text *house_options(const struct detector_config *d)
{
	struct option_text *to = d->n_options ? mem_zero(d->n_options, sizeof *to) : NULL;

	for (size_t i = 0; i < d->n_options; i++)
		to[i] = (struct option_text){d->options[i].name, d->options[i].text};
	return to;
}

int house_detector(const struct house *h, const struct detector_config *d, struct error *e)
{
	const struct oodd_detector *detector;
	struct option_text *given = house_options(d);
	struct reference_option *options = NULL;
	size_t n = 0;
	int status = plugins_find(h->plugins, d->name, &detector, e);

	if (!status)
		status = detector_options(detector, given, d->n_options, &options, &n, e);
	detector_options_free(options, n);
	free(given);
	return status;
}

int house_open(const char *path, struct house *ret, struct buf *errors)
{
	struct house h = {0};
	int status = config_read(path, &h.config, errors);

	if (status)
		return status;
	h.plugins = house_plugins(h.config);
	for (size_t i = 0; i < h.plugins->n_warnings; i++)
		log_warning("plugin", h.plugins->warnings[i]);
	*ret = h;
	return 0;
}

void house_close(struct house *h)
{
	plugins_close(h->plugins);
	config_close(h->config);
	*h = (struct house){0};
}

const char *house_config_path(const char *given)
{
	const char *environment = getenv("OODD_CONFIG");

	return given ? given : environment ? environment : OODD_SYSCONFDIR "/oodd.lua";
}

int house_open_command(const char *path, struct house *ret)
{
	struct buf errors = BUF_EMPTY;
	int status;

	status = house_open(house_config_path(path), ret, &errors);
	if (status)
		fputs(buf_cstr(&errors), stderr);
	else {
		log_level_set((enum log_level)ret->config->log_level);
		log_json_set(ret->config->log_json);
	}
	buf_done(&errors);
	return !status ? 0 : status == -ENOENT ? EX_NOINPUT : EX_CONFIG;
}

int house_source(const struct house *h, const char *name, size_t *ret)
{
	const struct config *c = h->config;
	const char *names[64], *nearest;
	size_t first = 0, n_records = 0;

	for (size_t i = c->n_sources; i-- > 0;)
		if (c->sources[i].kind == SOURCE_RECORDS) {
			first = i;
			n_records++;
		}
	if (!n_records) {
		fprintf(stderr, "oodd: %s names no source: how the logs are written is not known\n", c->file);
		return -ENOENT;
	}
	if (!name) {
		if (n_records > 1)
			fprintf(stderr, "oodd: %s names %zu sources; the logs are read as those of \"%s\" (--source names another)\n",
				c->file, n_records, c->sources[first].name);
		*ret = first;
		return 0;
	}
	for (size_t i = 0; i < c->n_sources; i++) {
		if (!strcmp(c->sources[i].name, name)) {
			*ret = i;
			return 0;
		}
		if (i < 64)
			names[i] = c->sources[i].name;
	}
	nearest = words_nearest(name, names, c->n_sources < 64 ? c->n_sources : 64);
	fprintf(stderr, "oodd: %s names no source \"%s\"%s%s%s\n", c->file, name, nearest ? "; did you mean \"" : "",
		nearest ? nearest : "", nearest ? "\"?" : "");
	return -ENOENT;
}
