/* SPDX-License-Identifier: Apache-2.0
 * The state machine on virtual time: one character is one window of a minute.
 *   shown:  h hot   . clear   ~ neither (hysteresis)   ? not judged, so not shown
 *   steps:  . stays B begins F fires E ends R resolves, blank where nothing was shown */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rules/alarm.h"

/* clang-format off */
static const struct {
	const char *what;
	int pending, keep; /* minutes */
	const char *shown, *steps;
} stories[] = {
	{"at once, and over at once", 0, 0, ".h.h", ".FRF"},
	{"stays while hot", 0, 0, "hhhh.", "F...R"},
	{"pending: from the end of the first hot window", 2, 0, "hhhh", "B.F."},
	{"pending that ends unheard", 2, 0, "hh.hh.", "B.EB.E"},
	{"pending a single long step", 3, 0, "h???h", "B   F"},
	{"a window not judged neither starts, stops nor resets", 2, 0, "h?h", "B F"},
	{"not judged while firing holds", 0, 0, "h????.", "F    R"},
	{"kept after it was over", 0, 2, "h...", "F..R"},
	{"kept, and hot again: the wait begins anew", 0, 2, "h..h...", "F.....R"},
	{"neither hot nor clear keeps firing", 0, 0, "h~~~.", "F...R"},
	{"neither, inside the wait, begins it anew", 0, 2, "h.~...", "F....R"},
	{"neither does not start anything", 0, 0, "~~h", "..F"},
	{"neither ends what is pending: it was not hot", 2, 0, "h~h", "BEB"},
	{"pending and kept", 1, 1, "hh..h", "BF.RB"},
	{"exactly the time", 5, 0, "hhhhhh", "B....F"},
	{"resolves once", 0, 0, "h..", "FR."},
};
/* clang-format on */

static void tell(size_t story)
{
	const int64_t minute = 60 * SECOND_US;
	struct alarm_times times = {stories[story].pending * minute, stories[story].keep * minute};
	struct alarm a = ALARM_NONE;

	for (size_t i = 0; stories[story].shown[i]; i++) {
		char shown = stories[story].shown[i], expected = stories[story].steps[i];
		int64_t start = (int64_t)i * minute;
		enum alarm_step step;

		if (shown == '?')
			continue;
		step = alarm_step(&a, &times, shown == 'h', shown == '.', start, start + minute);
		if (".BFER"[step] != expected)
			fail_msg("%s: window %zu: %c instead of %c", stories[story].what, i,
				".BFER"[step], expected);
		if (step == ALARM_BEGINS)
			assert_int_equal(a.start_us, start);
	}
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
		assert_int_equal(strlen(stories[i].shown), strlen(stories[i].steps));
		tell(i);
	}
}

/* The start of an incident is that of the window that began it, however long it was pending. */
static void test_start(void **state)
{
	struct alarm_times times = {2 * SECOND_US, 0};
	struct alarm a = ALARM_NONE;

	(void)state;
	assert_int_equal(
		alarm_step(&a, &times, true, false, 10 * SECOND_US, 11 * SECOND_US), ALARM_BEGINS);
	assert_int_equal(
		alarm_step(&a, &times, true, false, 12 * SECOND_US, 13 * SECOND_US), ALARM_FIRES);
	assert_int_equal(a.start_us, 10 * SECOND_US);
	assert_int_equal(alarm_step(&a, &times, false, true, 14 * SECOND_US, 15 * SECOND_US),
		ALARM_RESOLVES);
	assert_int_equal(
		alarm_step(&a, &times, true, false, 16 * SECOND_US, 17 * SECOND_US), ALARM_BEGINS);
	assert_int_equal(a.start_us, 16 * SECOND_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories), cmocka_unit_test(test_start)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
