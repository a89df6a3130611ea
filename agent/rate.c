/* SPDX-License-Identifier: Apache-2.0
 * Rates of false alarms for people: a bare zero says nothing without how long was looked. */
#include "rate.h"

#include "base/clock.h"
#include "stats/interval.h"

#include <math.h>
#include <stdio.h>

#define TAIL .025
#define ONE_SIDED .05

static double windows_per_alarm(const struct rate_budget *b)
{
	return fmax((double)b->per_us / (double)b->window_us / b->false_alarms, exp(b->log_budget));
}

void rate_of(size_t alarms, size_t windows, double effect, const struct rate_budget *b, struct rate *ret)
{
	double k = (double)alarms / effect, periods = (double)windows * (double)b->window_us / (double)b->per_us;

	*ret = (struct rate){.alarms = alarms, .windows = windows, .allowed = (double)windows / windows_per_alarm(b),
		.upper = effect * interval_count_high(k, ONE_SIDED), .lower = effect * interval_count_low(k, ONE_SIDED),
		.low = effect * interval_count_low(k, TAIL), .high = effect * interval_count_high(k, TAIL),
		.per_period = windows ? (double)alarms / periods : (double)NAN};
	ret->upper_per_period = windows ? ret->upper / periods : (double)NAN;
	ret->low_per_period = windows ? ret->low / periods : (double)NAN;
	ret->high_per_period = windows ? ret->high / periods : (double)NAN;
}

int rate_broken(const struct rate *r)
{
	return r->lower > r->allowed;
}

const char *rate_verdict(const struct rate *r)
{
	if (!r->windows)
		return "not tried";
	if (rate_broken(r))
		return "BROKEN";
	return r->upper <= r->allowed ? "kept" : "not broken";
}

static double dispersion(const struct rate_pair *w, size_t n_windows, double share)
{
	double chi2 = 0;
	size_t filled = 0;

	for (size_t i = 0; i < n_windows; i++) {
		double expected = (double)w[i].n * share;

		if (!w[i].n)
			continue;
		chi2 += ((double)w[i].k - expected) * ((double)w[i].k - expected) / (expected * (1 - share));
		filled++;
	}
	return filled > 1 ? fmax(chi2 / (double)(filled - 1), 1) : 1;
}

void rate_share_of(const struct rate_pair *windows, size_t n_windows, struct rate_share *ret)
{
	*ret = (struct rate_share){.share = NAN, .low = 0, .high = 1, .effect = 1};
	for (size_t i = 0; i < n_windows; i++) {
		ret->k += windows[i].k;
		ret->n += windows[i].n;
	}
	if (!ret->n)
		return;
	ret->share = (double)ret->k / (double)ret->n;
	if (ret->k && ret->k < ret->n)
		ret->effect = dispersion(windows, n_windows, ret->share);
	ret->low = interval_share_low((double)ret->k / ret->effect, (double)ret->n / ret->effect, TAIL);
	ret->high = interval_share_high((double)ret->k / ret->effect, (double)ret->n / ret->effect, TAIL);
}

const char *rate_duration(double seconds, char *to, size_t n)
{
	static const struct {
		double seconds;
		const char *word;
	} units[] = {{86400, "days"}, {3600, "h"}, {60, "min"}, {0, "s"}};
	size_t i = 0;

	while (units[i].seconds > 0 && seconds < 2 * units[i].seconds)
		i++;
	seconds /= units[i].seconds > 0 ? units[i].seconds : 1;
	snprintf(to, n, seconds < 10 && floor(seconds) != seconds ? "%.1f %s" : "%.0f %s", seconds, units[i].word);
	return to;
}

void rate_text(const struct rate *r, const struct rate_budget *b, struct buf *to)
{
	double seconds = (double)r->windows * (double)b->window_us / SECOND_US;
	char looked[32], bound[32], period[32];

	if (!r->windows) {
		buf_text(to, "no window that could be judged");
		return;
	}
	buf_format(to, "%zu alarm%s in %zu windows (%s)", r->alarms, r->alarms == 1 ? "" : "s", r->windows,
		rate_duration(seconds, looked, sizeof looked));
	if (r->alarms)
		buf_format(to, ", %.3g per %s", r->per_period, rate_duration((double)b->per_us / SECOND_US, period, sizeof period));
	buf_format(to, "; the budget allows %.3g; upper 95 %% bound 1 per %s", r->allowed,
		rate_duration(seconds / r->upper, bound, sizeof bound));
	if (rate_broken(r))
		buf_text(to, ": MORE THAN THE BUDGET");
	else if (r->upper > 2 * r->allowed && r->allowed < 3)
		buf_text(to, " (too short a time to show that it is kept)");
}

static void put(struct buf *to, const char *key, double x)
{
	buf_format(to, ",\"%s\":", key);
	buf_json_number(to, x);
}

void rate_json(const struct rate *r, const struct rate_budget *b, struct buf *to)
{
	buf_format(to, "\"alarms\":%zu,\"windows\":%zu", r->alarms, r->windows);
	put(to, "allowed", r->allowed);
	put(to, "upper95", r->upper);
	buf_text(to, ",\"interval\":[");
	buf_json_number(to, r->low);
	buf_text(to, ",");
	buf_json_number(to, r->high);
	buf_text(to, "]");
	put(to, "per_period", r->per_period);
	put(to, "upper95_per_period", r->upper_per_period);
	buf_text(to, ",\"interval_per_period\":[");
	buf_json_number(to, r->low_per_period);
	buf_text(to, ",");
	buf_json_number(to, r->high_per_period);
	buf_text(to, "]");
	put(to, "period_s", (double)b->per_us / SECOND_US);
	buf_format(to, ",\"within_budget\":%s", !r->windows ? "null" : rate_broken(r) ? "false" : "true");
}
