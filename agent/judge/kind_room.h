/* SPDX-License-Identifier: Apache-2.0
 * Inside of struct odd. Private to kind*.c. */
#ifndef JUDGE_KIND_ROOM_H
#define JUDGE_KIND_ROOM_H

#include "judge/kind.h"
#include "stats/leader.h"

/* A typical member of a group. */
struct odd_member {
	char *id, *text;   /* id NULL: nobody here */
	int16_t *rounded;  /* width of the embedding */
};

/* Beside each leader, at the same place. */
struct odd_cluster {
	int64_t size;                /* members in all */
	int64_t n, since;            /* members, and records of the stream, since it last came no more often than chance has it */
	int64_t first_us, last_us;   /* starts of windows */
	int64_t windows;             /* changes of window among them */
	bool class;                  /* called a new class */
	struct odd_member members[ODD_MEMBERS];
};

/* A window that is open. */
struct odd_window {
	int64_t start_us;
	int64_t looked;
	int64_t kinds[ODD_KINDS];                   /* of records in no group */
	int64_t (*grouped)[ODD_KINDS];              /* LEADERS_MOST, by place and own kind; NULL: none */
	struct odd_sample {
		struct sample s;
		enum odd_kind kind;                 /* its own */
		size_t group;                       /* SIZE_MAX: none */
	} *samples;
	size_t n_samples;
};

struct odd {
	const struct reference *r;
	struct odd_options options;
	double rate;                 /* members of a group per record that are no news */
	int64_t seen;
	struct leaders *leaders;     /* NULL without embeddings */
	struct odd_cluster *clusters; /* LEADERS_MOST */
	struct odd_window *windows;  /* by start */
	size_t n_windows;
	bool moved;
};

void odd_member_done(struct odd_member *m);
void odd_cluster_done(struct odd_cluster *c);
void odd_window_done(struct odd_window *w);

/* kind_group.c */
/* The group that the record joins or begins; SIZE_MAX: none. */
size_t odd_group_join(struct odd *o, int64_t window_us, const struct odd_row *row);
/* At the end of a window: which groups are classes now. *ret_fresh: LEADERS_MOST, true where it became one. */
void odd_groups_judge(struct odd *o, bool *ret_fresh);
/* So many copies of one record in one window of w_n records that chance has no part in it. */
bool odd_group_burst(const struct odd *o, size_t group, int64_t n, int64_t window_n);

/* kind_sample.c */
struct sample *odd_sample_put(struct odd *o, struct odd_window *w, const struct odd_row *row, enum odd_kind kind, size_t group,
	struct sample *ret_dropped);
/* The oddest of each kind in turn, the commonest kind first; `kinds` as in the signal, final[i] of sample i. */
void odd_examples(const struct odd_window *w, const enum odd_kind *final, struct signal_odd *to);

#endif
