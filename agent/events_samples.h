/* SPDX-License-Identifier: Apache-2.0
 * Odd records of a window, as lines. */
#ifndef EVENTS_SAMPLES_H
#define EVENTS_SAMPLES_H

#include "base/buf.h"
#include "model/odd.h"

/* ,"odd":"38 odd records: ...","kinds":{word:n},"groups":[{"like","text","n","size","first_seen","fresh","members":[id]}],
 *  "examples":[{"id","ts","p","kind","prediction","nearest","why"}] */
void event_odd(struct buf *to, const struct signal_odd *o);
/* The same for a terminal: nothing where nothing was odd. */
void text_odd(struct buf *to, const struct signal_odd *o);

#endif
