/* SPDX-License-Identifier: Apache-2.0
 * Label files: the truth about records, one JSON object a line, plain, gzip or zstd, found again by id. */
#ifndef LABELS_H
#define LABELS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum truth {
	TRUTH_NORMAL,  /* "ood": false (or 0) */
	TRUTH_ODD,     /* "ood": true (or 1) */
	TRUTH_NEITHER, /* "ood": null, or not said: known classes, but not as they should be (a corrupted input) */
	TRUTH_N
};

#define LABELS_NO_WORD UINT32_MAX
#define LABELS_NO_KIND UINT16_MAX
#define LABELS_MOST_KINDS 256

struct label {
	uint8_t truth; /* enum truth */
	uint16_t kind; /* index of labels_kind, or LABELS_NO_KIND */
	uint32_t word; /* the true class: of labels_word, or LABELS_NO_WORD */
	int64_t time_us; /* when the label came, or TIME_NONE */
};

/* Names of the members that are read. */
struct labels_fields {
	const char *id, *ood, *kind, *label, *time;
};
#define LABELS_FIELDS ((struct labels_fields){"id", "ood", "kind", "label", "ts"})

struct labels;
/* All of it, into memory: about 50 bytes and the id for each label. The id is a string or a whole number. A later label for an
 * id replaces an earlier one: people change their minds. 0, or -errno with a sentence that names the line. */
int labels_read(const char *path, const struct labels_fields *fields, struct labels **ret, struct error *e);
void labels_close(struct labels *l); /* accepts NULL */

const struct label *labels_find(const struct labels *l, const char *id, size_t n); /* NULL: none */
size_t labels_n_kinds(const struct labels *l);
const char *labels_kind(const struct labels *l, size_t kind);
const char *labels_word(const struct labels *l, size_t word);

#endif
