/* SPDX-License-Identifier: Apache-2.0
 * When a condition becomes an alert, and when it stops being one. Event time only: no clock.
 *
 *              hot                  hot for pending_us
 *     idle ----------> pending ------------------------> firing
 *       ^                 | not hot                        | clear for keep_us
 *       +-----------------+--------------------------------+
 *
 * `hot`: the condition holds in this window. `clear`: it may end; with hysteresis a window can be
 * neither. A window that cannot be judged is not shown to the alarm at all: it neither starts nor
 * stops anything. */
#ifndef RULES_ALARM_H
#define RULES_ALARM_H

#include <stdbool.h>
#include <stdint.h>

enum alarm_state { ALARM_IDLE, ALARM_PENDING, ALARM_FIRING };

struct alarm {
	enum alarm_state state;
	int64_t start_us; /* start of the window that began the incident */
	int64_t hot_us;   /* end of that window: pending is measured from here, as Prometheus does
			     from its evaluation */
	int64_t clear_us; /* end of the first window of a row that were clear, TIME_NONE */
	int64_t at_us;    /* end of the last window seen, TIME_NONE at first */
};
#define ALARM_NONE                                                                                 \
	((struct alarm){.state = ALARM_IDLE,                                                       \
		.start_us = INT64_MIN,                                                             \
		.hot_us = INT64_MIN,                                                               \
		.clear_us = INT64_MIN,                                                             \
		.at_us = INT64_MIN})

enum alarm_step {
	ALARM_STAYS,
	ALARM_BEGINS,   /* idle to pending */
	ALARM_FIRES,    /* idle or pending to firing */
	ALARM_ENDS,     /* pending to idle: nobody heard of it */
	ALARM_RESOLVES, /* firing to idle */
};

struct alarm_times {
	int64_t pending_us, keep_us; /* >= 0 */
};

/* One window, later than the last (others must not be shown). */
enum alarm_step alarm_step(struct alarm *a, const struct alarm_times *t, bool hot, bool clear,
	int64_t start_us, int64_t end_us);

#endif
