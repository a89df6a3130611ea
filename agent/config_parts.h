/* SPDX-License-Identifier: Apache-2.0
 * Between the files of the configuration only. */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include "config.h"
#include "lua/table.h"

/* One kind of block, `word "name" { ... }`, or the settings that stand alone. */
struct config_word {
	const char *word;
	const struct key *keys;
	size_t n_keys;
	size_t size;         /* of the struct, 0 for the settings */
	size_t list, n_list; /* where struct config holds the blocks and their number */
	size_t name, where;  /* where a block holds its name and its line */
	const char *example;
};
extern const struct config_word config_blocks[];
extern const size_t config_n_blocks;
extern const struct config_word config_settings; /* filled into struct config itself */

/* Tables within the settings, whose keys fill struct config too: log, limits. */
struct config_table {
	const char *name;
	const struct key *keys;
	size_t n_keys;
};
extern const struct config_table config_tables[];
extern const size_t config_n_tables;

/* config_values.c: see struct key for what each does. */
void value_read_fields(struct reading *r, const struct key *k, const struct value *v, void *member);
void value_done_fields(void *member);
void value_print_fields(const void *member, struct buf *to);
void value_read_detectors(
	struct reading *r, const struct key *k, const struct value *v, void *member);
void value_done_detectors(void *member);
void value_print_detectors(const void *member, struct buf *to);
void value_read_metrics(struct reading *r, const struct key *k, const struct value *v, void *member); /* config_metrics.c */
void value_done_metrics(void *member);
void value_print_metrics(const void *member, struct buf *to);
void value_read_rate(struct reading *r, const struct key *k, const struct value *v, void *member);
void value_read_model_rate(struct reading *r, const struct key *k, const struct value *v, void *member);
void value_print_rate(const void *member, struct buf *to);
void value_read_shares(struct reading *r, const struct key *k, const struct value *v, void *member);
void value_print_shares(const void *member, struct buf *to);
void value_read_headers(
	struct reading *r, const struct key *k, const struct value *v, void *member);
void value_done_headers(void *member);
void value_print_headers(const void *member, struct buf *to);
void value_read_learn(struct reading *r, const struct key *k, const struct value *v, void *member); /* config_learn.c */
void value_print_learn(const void *member, struct buf *to);

/* config_compare.c */
void value_read_compare(struct reading *r, const struct key *k, const struct value *v, void *member);
void value_done_compare(void *member);
void value_print_compare(const void *member, struct buf *to);

/* What cannot be seen in one value: duplicates, kinds, files and their modes. */
void config_check(struct reading *r, struct config *c);

int config_line(const struct config *c, const void *member); /* where it was set, 0: default */

#endif
