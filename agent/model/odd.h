/* SPDX-License-Identifier: Apache-2.0
 * Kinds of odd records, and what a window's signal says of its own. agent/judge/README.md has the decision table. */
#ifndef MODEL_ODD_H
#define MODEL_ODD_H

#include "base/buf.h"
#include "model/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enum, word, in a sentence behind one and behind many, why), in the order in which they are told. */
#define ODD_KIND_TABLE(X)                                                                                                       \
	X(ODD_NOVEL, "novel_class", "of a new group", "of a new group", "one of a dense group that keeps coming")             \
	X(ODD_ADVERSARIAL, "adversarial", "confident yet far, or copies of one another", "confident yet far, or copies of one another", \
		"the model is sure, its place is like nothing seen; or a burst of copies")                                      \
	X(ODD_FAR, "far", "far from all that was seen", "far from all that was seen", "its place is like nothing seen")        \
	X(ODD_RARE, "rare", "of a rare class", "of a rare class", "of a class that is rare, and the model is in no doubt")      \
	X(ODD_UNSURE, "unsure", "between classes", "between classes", "the model is in doubt, its place is not unusual")       \
	X(ODD_FAULT, "data_fault", "data fault", "data faults", "a cell that normal records hardly ever have")               \
	X(ODD_OTHER, "other", "odd for other reasons", "odd for other reasons", "no detector that could say what it looks at")

enum odd_kind {
#define X(name, word, one, many, why) name,
	ODD_KIND_TABLE(X)
#undef X
	ODD_KINDS
};
extern const char *const odd_words[ODD_KINDS];
extern const char *const odd_whys[ODD_KINDS];

#define ODD_EXAMPLES 5
#define ODD_GROUPS_TOLD 3
#define ODD_MEMBERS 4 /* of a group that are named */

struct odd_group {
	char *like;          /* id of its most typical member; "" where that had none */
	char *text;          /* its input, shortened; NULL unless the configuration says texts = true */
	int64_t n;           /* records of this window in it */
	int64_t size;        /* records in all */
	int64_t first_us;    /* event time of the first */
	bool fresh;          /* called a class for the first time in this window */
	char *members[ODD_MEMBERS]; /* ids of typical ones, `like` first; NULL behind the last */
};

/* Of a window: flagged records, and those with a faulty cell. */
struct signal_odd {
	int64_t n;
	int64_t kinds[ODD_KINDS]; /* sum to n */
	struct odd_group *groups; /* new groups with records in this window, largest first */
	size_t n_groups, n_groups_all; /* told here; there are */
	struct sample *examples;  /* the oddest of each kind, the commonest kind first; without `record` */
	size_t n_examples;
	char *words;              /* "38 odd records: 31 of a new group (like cst-00123), 5 far ..., 2 data faults"; "" when n is 0 */
};
void signal_odd_done(struct signal_odd *s);
void odd_group_done(struct odd_group *g);
/* Makes s->words of the rest. */
void signal_odd_tell(struct signal_odd *s);

#endif
