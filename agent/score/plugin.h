/* SPDX-License-Identifier: Apache-2.0
 * One shared object of detectors, checked before it is let in: who may have written it, whether it is a whole ELF file for this
 * machine, whether it speaks our ABI, whether what it says about itself makes sense. Every refusal is one sentence.
 * The code stays mapped for the life of the process: numeric libraries do not survive being unloaded. */
#ifndef SCORE_PLUGIN_H
#define SCORE_PLUGIN_H

#include "base/error.h"

#include "oodd/detector.h"

#include <stddef.h>

enum plugin_flags {
	PLUGIN_STRICT = 0,
	PLUGIN_ANY_OWNER = 1, /* for an author trying his own file: who owns it and who can write it is not asked */
};

struct plugin {
	char *path;                     /* as found, for people */
	const char *licence;            /* the plugin's */
	struct oodd_detector *detectors; /* our copies: fields the plugin was compiled without are zero */
	size_t n_detectors;
};

/* 0, or negative errno with a sentence: -ENOENT none there, -EPERM somebody else could have written it, -ENOEXEC not a whole
 * shared object for this machine, -EPROTO another ABI, -EINVAL it describes itself wrongly. One thread at a time. */
int plugin_load(const char *path, unsigned flags, struct plugin **ret, struct error *e);
void plugin_close(struct plugin *p); /* accepts NULL; forgets ours, unmaps nothing */

#endif
