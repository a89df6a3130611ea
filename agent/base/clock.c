/* SPDX-License-Identifier: Apache-2.0
 * Now, times and durations as people write them. Days are counted by arithmetic (Hinnant, "chrono-compatible low-level
 * date algorithms"): no time zone files, no locale, no thread-unsafe libc calls; parsing is on the hot path. */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t system_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_now(const struct clock *c)
{
	return c && c->set_us != TIME_NONE ? c->set_us : system_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
	return system_us(CLOCK_MONOTONIC);
}

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned of_era = (unsigned)(y - era * 400);
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	unsigned of_all = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return era * 146097 + (int64_t)of_all - 719468;
}

/* Exactly `n` digits at *at; -1 when they are not. */
static int digits(const char **at, const char *end, int n)
{
	int value = 0;

	if (end - *at < n)
		return -1;
	for (int i = 0; i < n; i++) {
		unsigned d = (unsigned)((*at)[i] - '0');

		if (d > 9)
			return -1;
		value = value * 10 + (int)d;
	}
	*at += n;
	return value;
}

static bool take(const char **at, const char *end, char c)
{
	if (*at == end || **at != c)
		return false;
	(*at)++;
	return true;
}

static int fraction_us(const char **at, const char *end)
{
	int us = 0, n = 0;

	for (; *at < end && (unsigned)(**at - '0') <= 9; (*at)++, n++)
		if (n < 6)
			us = us * 10 + (**at - '0');
	if (n == 0 || n > 9)
		return -1;
	for (; n < 6; n++)
		us *= 10;
	return us;
}

static int offset_us(const char **at, const char *end, int64_t *ret)
{
	int sign, hours, minutes;

	if (take(at, end, 'Z') || take(at, end, 'z')) {
		*ret = 0;
		return 0;
	}
	sign = take(at, end, '+') ? 1 : take(at, end, '-') ? -1 : 0;
	if (!sign)
		return -EINVAL;
	hours = digits(at, end, 2);
	take(at, end, ':');
	minutes = digits(at, end, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret = sign * (hours * 60 + minutes) * 60 * SECOND_US;
	return 0;
}

static bool date_exists(int year, int month, int day)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= lengths[month - 1] + (month == 2 && leap);
}

int time_parse(const char *text, size_t n, int64_t *ret_us)
{
	const char *at = text, *end = text + n;
	int year, month, day, hour, minute, second, us = 0;
	int64_t offset;

	year = digits(&at, end, 4);
	if (!take(&at, end, '-'))
		return -EINVAL;
	month = digits(&at, end, 2);
	if (!take(&at, end, '-'))
		return -EINVAL;
	day = digits(&at, end, 2);
	if (!date_exists(year, month, day) || !(take(&at, end, 'T') || take(&at, end, 't') || take(&at, end, ' ')))
		return -EINVAL;
	hour = digits(&at, end, 2);
	if (!take(&at, end, ':'))
		return -EINVAL;
	minute = digits(&at, end, 2);
	if (!take(&at, end, ':'))
		return -EINVAL;
	second = digits(&at, end, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return -EINVAL;
	if (take(&at, end, '.') && (us = fraction_us(&at, end)) < 0)
		return -EINVAL;
	if (offset_us(&at, end, &offset) || at != end)
		return -EINVAL;
	*ret_us = ((days_of(year, (unsigned)month, (unsigned)day) * 24 + hour) * 60 + minute) * 60 * SECOND_US
		+ second * SECOND_US + us - offset;
	return 0;
}

const char *time_format(int64_t us, char *to, size_t n)
{
	int64_t seconds = us / SECOND_US, rest = us % SECOND_US;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += SECOND_US;
		seconds--;
	}
	t = (time_t)seconds;
	if (us == TIME_NONE || !gmtime_r(&t, &tm)) {
		snprintf(to, n, "-");
		return to;
	}
	/* strftime's %Y does not pad years before 1000. */
	snprintf(to, n, "%04d-%02d-%02dT%02d:%02d:%02d.%0*dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, rest % 1000 ? 6 : 3, (int)(rest % 1000 ? rest : rest / 1000));
	return to;
}

static const struct {
	const char *word;
	int64_t us;
} units[] = {
	{"ms", 1000}, {"us", 1}, {"w", 7 * 24 * 3600 * SECOND_US}, {"d", 24 * 3600 * SECOND_US},
	{"h", 3600 * SECOND_US}, {"m", 60 * SECOND_US}, {"s", SECOND_US},
};

static int64_t unit_us(const char **at, const char *end)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t n = strlen(units[i].word);

		if ((size_t)(end - *at) >= n && !memcmp(*at, units[i].word, n)) {
			*at += n;
			return units[i].us;
		}
	}
	return 0;
}

int duration_parse(const char *text, size_t n, int64_t *ret_us)
{
	const char *at = text, *end = text + n;
	int64_t total = 0;

	if (at == end)
		return -EINVAL;
	while (at < end) {
		int64_t value = 0, unit;
		const char *first = at;

		for (; at < end && (unsigned)(*at - '0') <= 9; at++)
			if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value))
				return -EINVAL;
		if (at == first)
			return -EINVAL;
		unit = at == end && first == text ? SECOND_US : unit_us(&at, end);
		if (!unit || __builtin_mul_overflow(value, unit, &value) || __builtin_add_overflow(total, value, &total))
			return -EINVAL;
	}
	*ret_us = total;
	return 0;
}

const char *duration_format(int64_t us, char *to, size_t n)
{
	static const size_t order[] = {2, 3, 4, 5, 6, 0, 1};
	size_t used = 0;

	if (us == 0)
		snprintf(to, n, "0s");
	for (size_t i = 0; i < sizeof order / sizeof *order && us && used < n; i++) {
		int64_t unit = units[order[i]].us;

		/* "30d" stays "30d": weeks only where they are whole. */
		if (i == 0 && us % unit)
			continue;
		if (us / unit)
			used += (size_t)snprintf(to + used, n - used, "%lld%s", (long long)(us / unit), units[order[i]].word);
		us %= unit;
	}
	return to;
}
