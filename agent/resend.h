/* SPDX-License-Identifier: Apache-2.0
 * The request of `oodd outbox --resend` to the agent that holds the state directory: lines in a file there, under a lock, so that
 * none is lost and one made while no agent runs is met by the next. */
#ifndef RESEND_H
#define RESEND_H

#include "base/error.h"

#include <stddef.h>

/* For so many endpoints; none: all. 0, or -errno with a sentence. */
int resend_ask(const char *state, const char *const *endpoints, size_t n, struct error *e);
/* Meets what was asked for: fn for each endpoint, NULL: all of them. */
void resend_meet(const char *state, void (*fn)(void *context, const char *endpoint), void *context);

#endif
