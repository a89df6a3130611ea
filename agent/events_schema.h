/* SPDX-License-Identifier: Apache-2.0
 * What a signal says of the records' schema. */
#ifndef EVENTS_SCHEMA_H
#define EVENTS_SCHEMA_H

#include "base/buf.h"
#include "model/schema.h"

/* ,"schema":[{"kind","field","detail","first_seen","records","moved","latched"}] */
void event_schema(struct buf *to, const struct schema *s);
/* For people: a line each, of those that no finding tells (they did not move anything). */
void text_schema(struct buf *to, const struct schema *s);

#endif
