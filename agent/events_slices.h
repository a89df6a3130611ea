/* SPDX-License-Identifier: Apache-2.0
 * Slices for programs and for people; part of events.h. */
#ifndef EVENTS_SLICES_H
#define EVENTS_SLICES_H

#include "base/buf.h"
#include "model/slice.h"

#include <stdbool.h>

/* ,"slices":{...}; nothing where the reference has none. */
void event_slices(struct buf *to, const struct slice_signal *s);
/* Where it sits, and once a period what is news between slices. */
void text_slices(struct buf *to, const struct slice_signal *s, bool alarm);

#endif
