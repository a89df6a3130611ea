/* SPDX-License-Identifier: Apache-2.0
 * Limits of output metrics for programs and for people; part of events.h. */
#ifndef EVENTS_LIMITS_H
#define EVENTS_LIMITS_H

#include "base/buf.h"
#include "model/limit.h"

void event_limits(struct buf *to, const struct limit_signal *s); /* ,"limits":[...]; nothing where there are none */
void text_limits(struct buf *to, const struct limit_signal *s);  /* a line for each that is breached */

#endif
