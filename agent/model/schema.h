/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with the records themselves, as told from what they say: a field that came or went, another type, another
 * unit. Made by judge/, part of a signal. */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_kind {
	SCHEMA_NEW_FIELD,    /* the reference never had it */
	SCHEMA_VANISHED,     /* no record of the window has a value */
	SCHEMA_MISSING,      /* fewer records have a value than did */
	SCHEMA_RETYPED,      /* text where numbers were, or the other way round, or neither */
	SCHEMA_NEW_VALUES,   /* words or classes that the reference never held */
	SCHEMA_UNIT,         /* numbers are another unit's: a factor, an offset, the sign */
	SCHEMA_CONSTANT,     /* it varied, and does no more */
	SCHEMA_NOT_CONSTANT, /* it never varied, and does */
};
#define SCHEMA_KINDS (SCHEMA_NOT_CONSTANT + 1)

/* "new_field", "vanished_field", "missing", "retyped", "new_values", "unit", "constant", "not_constant" */
extern const char *const schema_kind_words[];

struct schema_remark {
	enum schema_kind kind;
	char *field;
	char detail[240];  /* in words, without the field: "looks like x60 (minutes for hours) in 12 % of records" */
	int64_t first_us;  /* event time: of its first record, where that is known, else of the first window that shows it */
	int64_t records;   /* that show it, since then */
	bool latched;      /* moved, and known since an earlier window */
	bool moved;        /* the evidence that carries the alarm speaks of it; else it is only told */
};

struct schema {
	struct schema_remark *at;
	size_t n;
};
void schema_done(struct schema *s);

#endif
