/* SPDX-License-Identifier: Apache-2.0
 * A remark's words and its end. What is remarked is judge's affair. */
#include "model/schema.h"

#include <stdlib.h>

const char *const schema_kind_words[] = {"new_field", "vanished_field", "missing", "retyped", "new_values", "unit", "constant", "not_constant"};

void schema_done(struct schema *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i].field);
	free(s->at);
	*s = (struct schema){0};
}
