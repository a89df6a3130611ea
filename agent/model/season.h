/* SPDX-License-Identifier: Apache-2.0
 * Seasons of traffic: the hour of the day, the day of the week, the hour of the week; in UTC. Pure. */
#ifndef MODEL_SEASON_H
#define MODEL_SEASON_H

#include <stddef.h>
#include <stdint.h>

enum season {
	SEASON_NONE,
	SEASON_HOUR_OF_DAY,
	SEASON_DAY_OF_WEEK,
	SEASON_HOUR_OF_WEEK,
	SEASON_AUTO, /* asked for only: whichever of these the reference shows, or none */
};
#define SEASON_KINDS SEASON_AUTO /* that a reference can have */

extern const char *const season_words[]; /* "none", "hour-of-day", "day-of-week", "hour-of-week", "auto" */

/* Of the kinds that a reference can have. */
size_t season_buckets(enum season s);    /* 1, 24, 7, 168 */
int64_t season_bucket_us(enum season s); /* how long one lasts; of none INT64_MAX */
int64_t season_period_us(enum season s); /* after how long the same comes again; of none INT64_MAX */
/* Where the middle of a window lies: its bucket; weeks begin on Monday. *ret_turn (may be NULL): which bucket since 1970,
 * so that two windows of one bucket are of the same turn when these are equal. */
size_t season_bucket(enum season s, int64_t start_us, int64_t window_us, int64_t *ret_turn);
/* "Monday 09:00", "09:00", "Monday", "". Into `to`; returns it. */
const char *season_bucket_words(enum season s, size_t bucket, char *to, size_t n);

#endif
