/* SPDX-License-Identifier: Apache-2.0
 * Sentences for people, of bounded length, without allocation. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, int code, const char *format, ...)
{
	va_list args;

	if (!e)
		return code;
	va_start(args, format);
	vsnprintf(e->text, sizeof e->text, format, args);
	va_end(args);
	return code;
}

void error_prefix(struct error *e, const char *format, ...)
{
	char was[sizeof e->text];
	va_list args;
	size_t used;

	if (!e)
		return;
	memcpy(was, e->text, sizeof was);
	va_start(args, format);
	vsnprintf(e->text, sizeof e->text, format, args);
	va_end(args);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof e->text - used, ": %s", was);
}
