/* SPDX-License-Identifier: Apache-2.0
 * Where rejected records are kept for a person to look at: one file for each source, JSON Lines, capped. Beside it stands at most one
 * older file (".1"). A dead letter that cannot be written is counted and said once; it never stops the agent. */
#ifndef INPUT_DEAD_LETTER_H
#define INPUT_DEAD_LETTER_H

#include "base/error.h"
#include "input/decode.h"

#include <stdint.h>

#define DEAD_LETTER_KEPT 4096 /* bytes of a record that are kept */

struct dead_letter;

/* Appends to `path` (made with mode 0600); cap_bytes for the file and the older one together. 0, or -errno with a sentence. */
int dead_letter_open(const char *path, const char *source, uint64_t cap_bytes, struct dead_letter **ret, struct error *e);
void dead_letter_close(struct dead_letter *d); /* accepts NULL */
/* Says so in the log too, with the first of each reason, the tenth, the hundredth ...
 * {"time","source","file","offset","length","reason","why","bytes"|"base64"}: bytes when they are UTF-8 (a cut one may end in U+FFFD),
 * base64 else. After a restart what was re-read may stand there twice, with the same offset. */
void dead_letter_put(struct dead_letter *d, const char *file, const struct reject *r);
/* How many could not be kept. */
uint64_t dead_letter_lost(const struct dead_letter *d);

#endif
