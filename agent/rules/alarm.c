/* SPDX-License-Identifier: Apache-2.0
 * The state machine of one alarm; see the drawing in the header. */
#include "rules/alarm.h"

#include "base/clock.h"

#include <assert.h>

static enum alarm_step fire_when_due(
	struct alarm *a, const struct alarm_times *t, enum alarm_step otherwise)
{
	if (a->at_us - a->hot_us < t->pending_us)
		return otherwise;
	a->state = ALARM_FIRING;
	a->clear_us = TIME_NONE;
	return ALARM_FIRES;
}

static enum alarm_step from_idle(
	struct alarm *a, const struct alarm_times *t, bool hot, int64_t start_us)
{
	if (!hot)
		return ALARM_STAYS;
	a->state = ALARM_PENDING;
	a->start_us = start_us;
	a->hot_us = a->at_us;
	return fire_when_due(a, t, ALARM_BEGINS);
}

static enum alarm_step from_pending(struct alarm *a, const struct alarm_times *t, bool hot)
{
	if (hot)
		return fire_when_due(a, t, ALARM_STAYS);
	a->state = ALARM_IDLE;
	return ALARM_ENDS;
}

static enum alarm_step from_firing(
	struct alarm *a, const struct alarm_times *t, bool hot, bool clear)
{
	if (hot || !clear) {
		a->clear_us = TIME_NONE;
		return ALARM_STAYS;
	}
	if (a->clear_us == TIME_NONE)
		a->clear_us = a->at_us;
	if (a->at_us - a->clear_us < t->keep_us)
		return ALARM_STAYS;
	a->state = ALARM_IDLE;
	return ALARM_RESOLVES;
}

enum alarm_step alarm_step(struct alarm *a, const struct alarm_times *t, bool hot, bool clear,
	int64_t start_us, int64_t end_us)
{
	assert(a->at_us == TIME_NONE || end_us > a->at_us);
	a->at_us = end_us;
	switch (a->state) {
	case ALARM_IDLE:
		return from_idle(a, t, hot, start_us);
	case ALARM_PENDING:
		return from_pending(a, t, hot);
	default:
		return from_firing(a, t, hot, clear);
	}
}
