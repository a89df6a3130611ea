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
	int64_t n, since;            /* members, and o->seen, since it last came no more often than chance has it */
	int64_t first_us, last_us;   /* starts of windows */
	int64_t windows;             /* that it had members in */
	bool class;                  /* called a new class */
	struct odd_member members[ODD_MEMBERS];
};

/* A window that is open. What is in it does not depend on the order of its records. */
struct odd_window {
	int64_t start_us;
	int64_t kinds[ODD_KINDS];     /* its odd records, each by its own kind */
	int64_t groupable[ODD_KINDS]; /* of these, those that may be of a group */
	struct odd_looked {           /* ODD_LOOKED of those at most, of the least hashes */
		uint64_t hash;
		int64_t time_us;
		enum odd_kind kind;   /* its own */
		char *id, *text;
		int16_t *rounded;
		size_t group;         /* once the window is closed; SIZE_MAX: none */
	} *looked;
	size_t n_looked;
	struct odd_sample {
		struct sample s;
		enum odd_kind kind;   /* its own */
		int16_t *rounded;     /* NULL: of no group */
	} *samples;
	size_t n_samples;
};

struct odd {
	const struct reference *r;
	struct odd_options options;
	double rate;                 /* members of a group per record that are no news */
	int64_t seen;                /* records of closed windows */
	struct leaders *leaders;     /* NULL without embeddings */
	struct odd_cluster *clusters; /* LEADERS_MOST */
	struct odd_window *windows;  /* by start */
	size_t n_windows;
	bool moved;
};

void odd_member_done(struct odd_member *m);
void odd_cluster_done(struct odd_cluster *c);
void odd_window_done(struct odd_window *w);
void odd_looked_done(struct odd_looked *l);

/* kind_group.c */
/* The record's direction where it may be of a group, mem; else NULL. */
int16_t *odd_direction(const struct odd *o, const struct odd_row *row, enum odd_kind kind);
/* A groupable record, among those looked at as long as its hash is one of the least. */
void odd_look(const struct odd *o, struct odd_window *w, const struct odd_row *row, enum odd_kind kind, const int16_t *rounded);
/* The window is closed: its records join groups, in order of time. ret_n: LEADERS_MOST, how many each group has of those looked at;
 * ret_fresh: whether it became a class just now. */
void odd_groups_close(struct odd *o, struct odd_window *w, int64_t window_n, int64_t *ret_n, bool *ret_fresh);
/* So many copies of one record, in this window or since it began, that chance has no part in it. */
bool odd_group_burst(const struct odd *o, size_t group, int64_t n, int64_t window_n);

/* kind_sample.c. Takes `rounded`. */
struct sample *odd_sample_put(struct odd *o, struct odd_window *w, const struct odd_row *row, enum odd_kind kind, int16_t *rounded,
	struct sample *ret_dropped);
/* The oddest of each kind in turn, the commonest kind first; `kinds` as in the signal, final[i] of sample i. */
void odd_examples(const struct odd_window *w, const enum odd_kind *final, struct signal_odd *to);

#endif
