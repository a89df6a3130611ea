/* SPDX-License-Identifier: Apache-2.0
 * A position is a value: copied into the batch of things to commit, freed once it is stored. */
#include "model/position.h"

#include "base/mem.h"

#include <stdlib.h>

void position_copy(struct position *to, const struct position *from)
{
	*to = *from;
	to->source = mem_copy_text(from->source);
	to->identity = mem_copy_text(from->identity);
	to->path = mem_copy_text(from->path);
}

void position_done(struct position *p)
{
	if (!p)
		return;
	free(p->source);
	free(p->identity);
	free(p->path);
	*p = (struct position){0};
}
