/* SPDX-License-Identifier: Apache-2.0
 * How far one file of a source was read: made by input/tail, kept by store/ in the one transaction. */
#ifndef MODEL_POSITION_H
#define MODEL_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct position {
	char *source;            /* name of the source */
	char *identity;          /* of the file on its filesystem: kernel handle, or a fallback; text, with the kind in front */
	char *path;              /* where it was last seen */
	uint64_t generation;     /* rises when the file was truncated and begins anew */
	uint64_t offset;         /* every record before it was dealt with */
	bool skipping;           /* offset stands inside a record that is too long */
	uint32_t head_n, marker_n;   /* bytes hashed at the start of the file, and just before offset */
	uint64_t head_hash, marker_hash;
	int64_t newest_us;       /* newest event time read from it, TIME_NONE when none */
	int64_t touched_us;      /* wall clock of the last advance */
};

void position_copy(struct position *to, const struct position *from);
void position_done(struct position *p);

#endif
