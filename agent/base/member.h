/* SPDX-License-Identifier: Apache-2.0
 * Members of a JSON object, one after the other: "key":value, with a comma before unless the object has just begun. */
#ifndef BASE_MEMBER_H
#define BASE_MEMBER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

void member_key(struct buf *to, const char *key); /* the value is the caller's to put */
void member_text(struct buf *to, const char *key, const char *text); /* NULL: null */
void member_number(struct buf *to, const char *key, double x);       /* not finite: null */
void member_whole(struct buf *to, const char *key, int64_t x);
void member_bool(struct buf *to, const char *key, bool x);
void member_time(struct buf *to, const char *key, int64_t us);       /* TIME_NONE: null */

#endif
