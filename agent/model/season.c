/* SPDX-License-Identifier: Apache-2.0
 * Which hour, which day. 1970 began on a Thursday. */
#include "model/season.h"

#include <stdio.h>

#define HOUR_US INT64_C(3600000000)
#define DAY_US (24 * HOUR_US)
#define WEEK_US (7 * DAY_US)
#define THURSDAY 3

const char *const season_words[] = {"none", "hour-of-day", "day-of-week", "hour-of-week", "auto"};

static const struct {
	size_t n;
	int64_t bucket_us, period_us, origin_us;
} kinds[] = {
	[SEASON_NONE] = {1, INT64_MAX, INT64_MAX, 0},
	[SEASON_HOUR_OF_DAY] = {24, HOUR_US, DAY_US, 0},
	[SEASON_DAY_OF_WEEK] = {7, DAY_US, WEEK_US, THURSDAY * DAY_US},
	[SEASON_HOUR_OF_WEEK] = {168, HOUR_US, WEEK_US, THURSDAY * DAY_US},
};

size_t season_buckets(enum season s)
{
	return kinds[s].n;
}

int64_t season_bucket_us(enum season s)
{
	return kinds[s].bucket_us;
}

int64_t season_period_us(enum season s)
{
	return kinds[s].period_us;
}

static int64_t divided(int64_t x, int64_t by)
{
	return x / by - (x % by < 0);
}

size_t season_bucket(enum season s, int64_t start_us, int64_t window_us, int64_t *ret_turn)
{
	int64_t turn = 0;

	if (s != SEASON_NONE)
		turn = divided(start_us + window_us / 2 + kinds[s].origin_us, kinds[s].bucket_us);
	if (ret_turn)
		*ret_turn = turn;
	return (size_t)(turn - divided(turn, (int64_t)kinds[s].n) * (int64_t)kinds[s].n);
}

const char *season_bucket_words(enum season s, size_t bucket, char *to, size_t n)
{
	static const char *const days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
		"Saturday", "Sunday"};

	to[0] = 0;
	if (s == SEASON_HOUR_OF_DAY)
		snprintf(to, n, "%02zu:00", bucket % 24);
	else if (s == SEASON_DAY_OF_WEEK)
		snprintf(to, n, "%s", days[bucket % 7]);
	else if (s == SEASON_HOUR_OF_WEEK)
		snprintf(to, n, "%s %02zu:00", days[bucket / 24 % 7], bucket % 24);
	return to;
}
