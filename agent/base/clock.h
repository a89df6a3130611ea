/* SPDX-License-Identifier: Apache-2.0
 * Times are int64 microseconds since 1970 UTC; durations are int64 microseconds. The clock is a parameter: run uses the
 * system's, replay and tests set one. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define TIME_NONE INT64_MIN
#define SECOND_US INT64_C(1000000)

struct clock {
	int64_t set_us; /* TIME_NONE: the system's clock, else this very time */
};

int64_t clock_now(const struct clock *c); /* NULL: the system's */
int64_t clock_monotonic_us(void);         /* for measuring durations only */

/* RFC 3339 with offset or Z, a blank instead of T allowed, 0 to 9 digits of fraction: 0 or -EINVAL. Years 1 to 9999. */
int time_parse(const char *text, size_t n, int64_t *ret_us);
/* "2026-11-21T17:32:01.123Z" into at least 32 bytes; milliseconds, microseconds only when needed. */
const char *time_format(int64_t us, char *to, size_t n);
/* "90s", "5m", "1h30m", "30d", "1w", "250ms", or a bare number of seconds: 0 or -EINVAL. */
int duration_parse(const char *text, size_t n, int64_t *ret_us);
const char *duration_format(int64_t us, char *to, size_t n);

#endif
