/* SPDX-License-Identifier: Apache-2.0
 * What a configuration makes, for every command: plugins found, settings checked, mistakes printed. */
#ifndef HOUSE_H
#define HOUSE_H

#include "config.h"
#include "score/options.h"
#include "score/registry.h"

struct house {
	struct config *config;
	struct plugins *plugins;
};

/* Reads the configuration and loads the plugins. Mistakes go to `errors`, a line each: then -EINVAL or -ENOENT. */
int house_open(const char *path, struct house *ret, struct buf *errors);
void house_close(struct house *h);
/* The file to read: `given`, else $OODD_CONFIG, else the installed place. */
const char *house_config_path(const char *given);
/* The same for a command: mistakes to stderr; 0 or the exit code. path as for house_config_path. */
int house_open_command(const char *path, struct house *ret);
/* The plugins in the folders of the configuration (NULL: of none), of the environment, of the build tree or the installation. */
struct plugins *house_plugins(const struct config *c);
/* A detector's options as the plugin host wants them; borrows the texts; free(). NULL when there are none. */
struct option_text *house_options(const struct detector_config *d);
/* Is there such a detector, and does it take these options? 0 or -errno with a sentence. */
int house_detector(const struct house *h, const struct detector_config *d, struct error *e);
/* Index of the source whose logs a command reads: by name, or, when name is NULL, the only one, or the first with a warning.
 * -ENOENT after a line on stderr. */
int house_source(const struct house *h, const char *name, size_t *ret);

#endif
