/* SPDX-License-Identifier: Apache-2.0
 * The configuration in force, as a configuration: reading it again gives the same. */
#include "config_parts.h"

#include <string.h>

static void print_origin(void *context, const void *member, struct buf *to)
{
	const struct config *c = context;
	int line = config_line(c, member);

	if (line)
		buf_format(to, "%s:%d", c->file, line);
	else
		buf_text(to, "default");
}

static void print_block(
	const struct config *c, const struct config_word *word, const char *block, struct buf *to)
{
	buf_format(to, "\n%s ", word->word);
	table_print_text(to, *(char *const *)(block + word->name));
	buf_format(to, " { -- %s\n", *(char *const *)(block + word->where));
	table_print(word->keys, word->n_keys, block, "\t", ",", print_origin, (void *)c, to);
	buf_text(to, "}\n");
}

void config_effective(const struct config *c, struct buf *to)
{
	buf_format(to,
		"-- The configuration of %s with all defaults; behind each value where it came "
		"from.\n",
		c->file);
	table_print(config_settings.keys, config_settings.n_keys, c, "", "", print_origin,
		(void *)c, to);
	for (size_t i = 0; i < config_n_tables; i++) {
		buf_format(to, "%s = {\n", config_tables[i].name);
		table_print(config_tables[i].keys, config_tables[i].n_keys, c, "\t", ",",
			print_origin, (void *)c, to);
		buf_text(to, "}\n");
	}
	for (size_t i = 0; i < config_n_blocks; i++) {
		const struct config_word *word = &config_blocks[i];
		const char *list = *(const char *const *)((const char *)c + word->list);

		for (size_t j = 0; j < *(const size_t *)((const char *)c + word->n_list); j++)
			print_block(c, word, list + j * word->size, to);
	}
}
