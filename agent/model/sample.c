/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sample.h"

#include <stdlib.h>

void sample_done(struct sample *s)
{
	free(s->model);
	free(s->version);
	free(s->id);
	free(s->prediction);
	free(s->record);
	*s = (struct sample){0};
}
