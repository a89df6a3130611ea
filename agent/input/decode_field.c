/* SPDX-License-Identifier: Apache-2.0
 * Scalar fields of a record: what may stand for a time, a confidence, a text, whatever format it was read from. */
#include "input/decode_row.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define TIME_LEAST_US (INT64_C(-62135596800) * SECOND_US) /* 0001-01-01 */
#define TIME_MOST_US (INT64_C(253402300800) * SECOND_US - 1)

/* Text that is a JSON number from end to end. */
static bool number_of_text(const struct row_text *t, struct row_value *ret)
{
	char line[64 + 32] = {0};
	struct json j = {.begin = line, .deepest = 1};
	const char *end;

	if (t->how == TEXT_ESCAPED || !t->n || t->n > 63 || json_kinds[(unsigned char)*t->at] != JSON_NUMBER)
		return false;
	memcpy(line, t->at, t->n);
	line[t->n] = '\n';
	end = json_number(&j, line, &ret->number);
	if (end != line + t->n)
		return false;
	ret->kind = VALUE_NUMBER;
	ret->text = *t;
	ret->whole = row_whole(t->at, t->n, &ret->integer);
	return true;
}

bool row_whole(const char *at, size_t n, int64_t *ret)
{
	bool negative = n && *at == '-';
	int64_t x = 0;

	at += negative;
	n -= negative;
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, at[i] - '0', &x))
			return false;
	}
	*ret = negative ? -x : x;
	return true;
}

static int two(const char *p)
{
	unsigned tens = (unsigned)(p[0] - '0'), ones = (unsigned)(p[1] - '0');

	return tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
}

/* Times of one log share their date: "....-..-..THH:MM:SS[.fraction]Z" behind a date seen before. */
static bool time_same_date(const struct row *r, const char *at, size_t n, int64_t *ret)
{
	int64_t fraction = 0, unit = SECOND_US;
	int hour, minute, second;

	if (n < 20 || n > 30 || memcmp(at, r->date, sizeof r->date) || (at[10] != 'T' && at[10] != ' ') || at[n - 1] != 'Z')
		return false;
	hour = two(at + 11);
	minute = two(at + 14);
	second = two(at + 17);
	if (at[13] != ':' || at[16] != ':' || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	if (n > 20 && (at[19] != '.' || n == 21))
		return false;
	for (size_t i = 20; i < n - 1; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		unit /= 10; /* 0 behind the sixth digit: cut, not rounded, as time_parse does */
		fraction += (at[i] - '0') * unit;
	}
	*ret = r->date_us + ((hour * 60 + minute) * INT64_C(60) + second) * SECOND_US + fraction;
	return true;
}

static bool time_of_text(struct row *r, const struct row_text *t, int64_t *ret)
{
	char day[] = "0000-00-00T00:00:00Z";

	if (t->how == TEXT_ESCAPED)
		return false;
	if (time_parse(t->at, t->n, ret))
		return false;
	memcpy(day, t->at, sizeof r->date);
	if (!time_parse(day, sizeof day - 1, &r->date_us))
		memcpy(r->date, day, sizeof r->date);
	return true;
}

/* Since 1970; the unit shows by the size: 1e11 seconds are in the year 5138, 1e11 milliseconds in 1973. */
static bool time_of_number(const struct row_value *v, int64_t *ret)
{
	double size = fabs(v->number), us;

	if (!(size < 1e19))
		return false;
	us = size < 1e11 ? v->number * 1e6 : size < 1e14 ? v->number * 1e3 : size < 1e17 ? v->number : v->number / 1e3;
	if (us < (double)TIME_LEAST_US || us > (double)TIME_MOST_US)
		return false;
	if (v->whole)
		*ret = size < 1e11 ? v->integer * 1000000 : size < 1e14 ? v->integer * 1000 : size < 1e17 ? v->integer : v->integer / 1000;
	else
		*ret = llround(us);
	return true;
}

static void field_time(struct row *r, const struct row_value *v)
{
	struct row_value number;
	int64_t us;

	r->time_met = true;
	if (v->kind == VALUE_TEXT && v->text.how != TEXT_ESCAPED && time_same_date(r, v->text.at, v->text.n, &r->time_us))
		return;
	if (v->kind == VALUE_TEXT && number_of_text(&v->text, &number))
		v = &number;
	if (v->kind == VALUE_TEXT ? time_of_text(r, &v->text, &us) : v->kind == VALUE_NUMBER && time_of_number(v, &us))
		r->time_us = us;
	else if (v->kind == VALUE_TIME && v->integer >= TIME_LEAST_US && v->integer <= TIME_MOST_US)
		r->time_us = v->integer;
	else if (v->kind == VALUE_NULL)
		r->time_us = TIME_NONE;
	else if (v->kind == VALUE_TEXT)
		row_fault(r, REJECT_NO_TIME, "\"%.*s\" is not a time", (int)(v->text.n < 40 ? v->text.n : 40), v->text.at);
	else
		row_fault(r, REJECT_NO_TIME, "time is neither RFC 3339 text nor a number since 1970");
}

static void field_confidence(struct row *r, const struct row_value *v)
{
	struct row_value number;

	if (v->kind == VALUE_TEXT && number_of_text(&v->text, &number))
		v = &number;
	if (v->kind == VALUE_NUMBER)
		r->confidence = isfinite(v->number) ? v->number : (double)NAN;
	else if (v->kind == VALUE_NULL)
		r->confidence = NAN;
	else
		row_fault(r, REJECT_WRONG_TYPE, "confidence is not a number");
}

static void made_text(struct row *r, enum field field, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void made_text(struct row *r, enum field field, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(r->made[field], sizeof r->made[field], format, args);
	va_end(args);
	assert(n >= 0 && (size_t)n < sizeof r->made[field]);
	r->text[field] = (struct row_text){r->made[field], (size_t)n, TEXT_MADE};
}

static void field_number_text(struct row *r, enum field field, const struct row_value *v)
{
	struct buf number = BUF_EMPTY;

	if (v->text.at) {
		r->text[field] = v->text;
	} else if (v->whole) {
		made_text(r, field, "%lld", (long long)v->integer);
	} else {
		buf_json_number(&number, v->number);
		made_text(r, field, "%.*s", (int)number.n, number.at);
		buf_done(&number);
	}
}

static void field_text(struct row *r, enum field field, const struct row_value *v)
{
	if (v->kind == VALUE_TEXT)
		r->text[field] = v->text;
	else if (v->kind == VALUE_NUMBER && isfinite(v->number))
		field_number_text(r, field, v);
	else if (v->kind == VALUE_BOOL)
		made_text(r, field, "%s", v->number != 0 ? "true" : "false");
	else if (v->kind == VALUE_OTHER)
		row_fault(r, REJECT_WRONG_TYPE, "%s is an array or an object", field_words[field]);
	else
		r->text[field].at = NULL;
}

void row_field(struct row *r, enum field field, const struct row_value *v)
{
	if (field == FIELD_TIME)
		field_time(r, v);
	else if (field == FIELD_CONFIDENCE)
		field_confidence(r, v);
	else
		field_text(r, field, v);
}
