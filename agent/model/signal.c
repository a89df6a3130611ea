/* SPDX-License-Identifier: Apache-2.0
 * A signal's words and its end. What goes into it is judge's affair. */
#include "model/signal.h"

#include <stdlib.h>

const char *const signal_state_words[] = {"quiet", "alarm", "ongoing", "resolved", "unjudged", "learned"};

void signal_done(struct signal *s)
{
	free(s->model);
	free(s->version);
	free(s->findings);
	schema_done(&s->schema);
	signal_odd_done(&s->odd);
	limit_signal_done(&s->limits);
	slice_signal_done(&s->slices);
	free(s->why);
	free(s->inherited_from);
	*s = (struct signal){0};
}
