/* SPDX-License-Identifier: Apache-2.0
 * Which times are believed, and which records are kept of a stream that has more of them than its spool holds. */
#include "learning_private.h"

#include "base/clock.h"
#include "base/hash.h"

enum { BELIEVED = 4, THINNEST = 40, LEAST_SLOT = 4096 };

static int64_t at_least(int64_t x, int64_t least)
{
	return x > least ? x : least;
}

static bool near(const struct learner_known *k, int64_t us)
{
	return us >= k->first_us - LEAP_US && us <= k->newest_us + LEAP_US;
}

/* The span must not come from one record with a wrong clock: a time far from the rest is believed when some in a row agree. */
void learner_believe(struct learner_known *k, int64_t us)
{
	if (k->first_us == TIME_NONE || !near(k, us)) {
		k->doubts = k->doubt_us != TIME_NONE && us >= k->doubt_us - LEAP_US && us <= k->doubt_us + LEAP_US ? k->doubts + 1 : 1;
		k->doubt_us = k->doubts > 1 && k->doubt_us < us ? k->doubt_us : us;
		if (k->doubts < BELIEVED)
			return;
		us = k->first_us == TIME_NONE && k->doubt_us < us ? k->doubt_us : us;
	}
	k->doubts = 0;
	k->doubt_us = TIME_NONE;
	if (k->first_us == TIME_NONE || us < k->first_us)
		k->first_us = us;
	if (k->newest_us == TIME_NONE || us > k->newest_us)
		k->newest_us = us;
}

/* Bytes that one window's length of time may keep. */
static int64_t slot_quota(const struct learn_config *c, int64_t window_us)
{
	int64_t slots = c->span_us / window_us + 1;

	return at_least(c->spool_bytes / slots, LEAST_SLOT);
}

/* A new slot begins as thin as the traffic of the last one asks for. */
static void slot_turn(struct learner_known *k, int64_t slot, int64_t quota)
{
	k->thin = 0;
	while (k->thin < THINNEST && (k->slot_seen >> k->thin) > quota - quota / 4)
		k->thin++;
	k->slot = slot;
	k->slot_seen = k->slot_kept = k->steps = 0;
}

/* Is this record one of those that are kept? The nearer the slot is to its quota, the fewer: it is never passed by more than one. */
bool learner_picks(struct learner *l, const char *at, size_t n)
{
	struct learner_known *k = &l->known;
	int64_t quota = slot_quota(&l->config->learn, l->config->window_us);
	int64_t slot = k->newest_us == TIME_NONE ? k->slot : k->newest_us / l->config->window_us;

	if (slot > k->slot)
		slot_turn(k, slot, quota);
	k->slot_seen += (int64_t)n;
	if (k->thin && hash_bytes(at, n, 1) & ((UINT64_C(1) << k->thin) - 1))
		return false;
	k->slot_kept += (int64_t)n;
	while (k->thin < THINNEST && k->steps < THINNEST && k->slot_kept > quota - (quota >> (k->steps + 1))) {
		k->steps++;
		k->thin++;
	}
	return true;
}
