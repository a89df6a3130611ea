/* SPDX-License-Identifier: Apache-2.0
 * JSON documents of people (labels, phases) walked with the decoder's reader: a function for each member or element. */
#ifndef WALK_H
#define WALK_H

#include "input/json.h"

#include <stdbool.h>

/* p at the '{' or '['. `each` is at the value and returns the place behind it, or NULL after json_fault. As in json.h, no newline
 * may stand between. */
const char *walk_object(struct json *j, const char *p,
	const char *(*each)(void *context, struct json *j, struct json_text key, const char *p), void *context);
const char *walk_array(struct json *j, const char *p, const char *(*each)(void *context, struct json *j, const char *p), void *context);

bool walk_is(struct json_text key, const char *name);
/* Unescaped, NUL-terminated; the caller frees. */
char *walk_text(struct json_text t);

#endif
