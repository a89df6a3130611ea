/* SPDX-License-Identifier: Apache-2.0
 * An endpoint together with what is on its way there, and the words about it for the log. */
#ifndef DELIVER_STOP_H
#define DELIVER_STOP_H

#include "deliver/endpoint.h"
#include "deliver/lane.h"
#include "store/store.h"

struct stop {
	struct endpoint *endpoint;
	struct lane *lane;
	char *said; /* the last failure; NULL after an attempt that was accepted */
};

/* All or none: 0, or -errno with a sentence that names the endpoint. policy: what is the same for
 * all; the rest is the endpoint's. *ret has n entries. */
int stops_open(const struct endpoint_options *o, size_t n, const char *const *script_dirs,
	size_t n_script_dirs, const struct lane_policy *policy, struct stop ***ret,
	struct error *e);
void stops_close(struct stop **stops, size_t n);
struct stop *stops_find(struct stop *const *stops, size_t n, const char *name); /* or NULL */
/* What the last run left in the database, into the lanes. What is for no endpoint here, or cannot
 * be read, is logged and left alone. */
int stops_load(struct stop **stops, size_t n, struct store *store, int64_t now_us, struct error *e);

/* Dead letters of one endpoint, or of all (NULL), begin anew in their lanes and in the transaction, as younger rows; what a level
 * lane has a newer state of is only forgotten. Returns how many are sent again, or -errno. */
int64_t stops_resend(struct stop **stops, size_t n, struct store *store, const char *endpoint,
	struct txn *t, int64_t now_us, struct error *e);

/* The lane of `old`, with all that waits in it, goes on in `fresh`; `old` gets the empty one. */
void stop_inherit(struct stop *fresh, struct stop *old, const struct lane_policy *policy);
/* An attempt ended: to the lane, and to the log when it is news. */
void stop_answer(struct stop *s, struct row *row, enum verdict v, int64_t retry_after_us,
	const char *said, int64_t now_us);
void stop_say_dead(void *stop, const struct row *row);

#endif
