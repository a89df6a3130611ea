/* SPDX-License-Identifier: Apache-2.0
 * All the plugins at hand: which folders are looked into, which detector a name means, what `oodd plugin list` prints. */
#ifndef SCORE_REGISTRY_H
#define SCORE_REGISTRY_H

#include "base/buf.h"
#include "base/error.h"
#include "score/plugin.h"

#include <stddef.h>

/* Immutable once opened: shared by threads without locks. */
struct plugins {
	struct plugin **at;
	size_t n;
	char **warnings;      /* a sentence for each file that was skipped, each name met twice, each folder that could not be read */
	size_t n_warnings;
};

/* The folders to look into, first wins: `configured` (may be NULL when n is 0), those in $OODD_PLUGIN_PATH (colons between), then
 * the build tree's own where this program runs from one, else the installed. A NULL ends *ret; give it to plugin_dirs_free. */
char **plugin_default_dirs(const char *const *configured, size_t n);
void plugin_dirs_free(char **dirs); /* accepts NULL */

/* Load every *.so of the folders, in the order of their names. A broken one is named in a warning and skipped. Always succeeds. */
struct plugins *plugins_open(const char *const *dirs, size_t n);
void plugins_close(struct plugins *p); /* accepts NULL; detectors handed out are gone, their code stays */

/* The detector of that name: lives as long as the registry. -ENOENT with a sentence that proposes the nearest name. */
int plugins_find(const struct plugins *p, const char *name, const struct oodd_detector **ret, struct error *e);

/* What `oodd plugin list` prints. */
void plugins_list_text(const struct plugins *p, struct buf *to);
void plugins_list_json(const struct plugins *p, struct buf *to);

#endif
