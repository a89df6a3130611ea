/* SPDX-License-Identifier: Apache-2.0
 * Where the references of a model's streams are. `reference` in the configuration is a path; a model has several versions, and a
 * block with a pattern several models, so:
 *
 *     reference = "intent.ref"        that file, for whichever stream it is of; a further version beside it, "intent@2.0.ref";
 *                                     for a block like model "intent-*" { }, "intent@MODEL@2.0.ref"
 *     reference = "refs/%m-%v.ref"    %m is the model, %v the version: one file for each stream
 *     without                         "references/%m@%v.ref" in the state directory
 *
 * Whatever a log says a model or version is called, its name in a path is safe: letters, digits, '.', '_', '-', "%XX" for the rest. */
#ifndef REFERENCE_PLACE_H
#define REFERENCE_PLACE_H

#include "config.h"
#include "base/error.h"

#include <stdbool.h>

/* `text` as a part of a file name: no '/', no leading '.', at most 72 bytes (a longer one ends in '~' and a hash); different
 * texts, different names. The caller frees. */
char *reference_name(const char *text);
/* Does the configured path hold %v or %m (or is there none), so that every stream has a file of its own? Else the path itself is
 * one stream's, whichever comes first. */
bool reference_templated(const struct model_config *m);
/* The file of this stream when the plain path is another's. The caller frees. */
char *reference_path(const struct model_config *m, const char *state, const char *model, const char *version);
/* Where a first reference of this stream goes: the plain path when nobody stands there, else reference_path. The caller frees. */
char *reference_place(const struct model_config *m, const char *state, const char *model, const char *version);
/* Makes the folder of a path, not those above it. 0 or -errno with a sentence. */
int reference_folder(const char *path, struct error *e);
/* Every file that may hold a reference of this block's streams, the plain one first, whether it is there or not, then the
 * others that are there, sorted. */
void reference_each(const struct model_config *m, const char *state, void (*fn)(void *context, const char *path), void *context);

/* `fresh` takes the place of `path`, in one step: there is never a moment without. What was there is kept as PATH.TIME, the
 * newest `keep` of them. 0 or -errno with a sentence; then nothing has changed. */
int reference_install(const char *fresh, const char *path, size_t keep, int64_t now_us, struct error *e);

#endif
