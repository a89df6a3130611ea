/* SPDX-License-Identifier: Apache-2.0
 * What the rules remember, as one msgpack value: { "format": 1, "series": [ {...}, ... ] }. How
 * often a rule failed is not in it: a rule that was just loaded gets another chance. */
#include "rules/rule.h"

#include "base/clock.h"
#include "model/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };
#define MOST_TIME (INT64_C(1) << 58) /* beyond the year 9999 */

static const struct {
	const char *name;
	size_t at;
} texts[] =
	{
		{"file", offsetof(struct series, file)},
		{"rule", offsetof(struct series, rule)},
		{"model", offsetof(struct series, model)},
		{"version", offsetof(struct series, version)},
},
  integers[] = {
	  {"start", offsetof(struct series, alarm.start_us)},
	  {"hot", offsetof(struct series, alarm.hot_us)},
	  {"clear", offsetof(struct series, alarm.clear_us)},
	  {"at", offsetof(struct series, alarm.at_us)},
	  {"seen", offsetof(struct series, seen_us)},
};
enum { N_TEXTS = sizeof texts / sizeof *texts, N_INTEGERS = sizeof integers / sizeof *integers };

static void pack_alert(struct buf *to, const char *name, const struct alert *a)
{
	pack_text(to, name);
	if (a->name)
		alert_pack(a, to);
	else
		pack_text(to, NULL);
}

static void pack_series(const struct series *s, struct buf *to)
{
	pack_map(to, N_TEXTS + N_INTEGERS + 5);
	for (size_t i = 0; i < N_TEXTS; i++) {
		pack_text(to, texts[i].name);
		pack_text(to, *(char *const *)((const char *)s + texts[i].at));
	}
	for (size_t i = 0; i < N_INTEGERS; i++) {
		pack_text(to, integers[i].name);
		pack_int(to, *(const int64_t *)((const char *)s + integers[i].at));
	}
	pack_text(to, "state");
	pack_int(to, s->alarm.state);
	pack_text(to, "told");
	pack_int(to, s->told);
	pack_alert(to, "alert", &s->alert);
	pack_alert(to, "trouble", &s->trouble);
	pack_text(to, "memory");
	if (s->memory.n)
		buf_put(to, s->memory.at, s->memory.n); /* a msgpack value itself */
	else
		pack_text(to, NULL);
}

void rules_pack(const struct rules *r, struct buf *to)
{
	pack_map(to, 2);
	pack_text(to, "format");
	pack_int(to, FORMAT);
	pack_text(to, "series");
	pack_array(to, r->n_series);
	for (size_t i = 0; i < r->n_series; i++)
		pack_series(&r->series[i], to);
}

static bool read_alert(const struct msgpack_object *o, struct alert *ret)
{
	return !unpack_field(o, "name") || alert_read(o, ret, NULL) == 0;
}

/* The value once more as bytes: it is kept so until a rule wants it. */
static void copy_memory(const struct msgpack_object *o, struct buf *to)
{
	const char *text;
	int64_t whole;
	double real;
	bool yes;
	size_t n;

	if (unpack_bool(o, &yes)) {
		pack_bool(to, yes);
	} else if (unpack_int(o, INT64_MIN, INT64_MAX, &whole)) {
		pack_int(to, whole);
	} else if (unpack_real(o, &real)) {
		pack_real(to, real);
	} else if (unpack_text(o, &text, &n)) {
		char *copy = mem_copy_span(text, n);

		pack_text(to, copy);
		free(copy);
	} else if (unpack_length(o)) {
		pack_array(to, unpack_length(o));
		for (size_t i = 0; i < unpack_length(o); i++)
			copy_memory(unpack_item(o, i), to);
	} else {
		pack_text(to, NULL);
	}
}

static bool is_time(int64_t us)
{
	return us == TIME_NONE || (us > -MOST_TIME && us < MOST_TIME);
}

/* What alarm_step relies on. */
static bool alarm_holds(const struct series *s)
{
	const struct alarm *a = &s->alarm;

	if (!is_time(a->start_us) || !is_time(a->hot_us) || !is_time(a->clear_us) ||
		!is_time(a->at_us) || !is_time(s->seen_us) || a->at_us > s->seen_us)
		return false;
	if (a->state == ALARM_IDLE)
		return !s->alert.name;
	return s->alert.name && a->start_us != TIME_NONE && a->start_us <= a->hot_us &&
	       a->hot_us <= a->at_us && a->clear_us <= a->at_us &&
	       s->alert.state == (a->state == ALARM_FIRING ? ALERT_FIRING : ALERT_PENDING);
}

static bool read_series(const struct msgpack_object *o, struct series *s)
{
	const char *text;
	int64_t state;
	size_t n;

	for (size_t i = 0; i < N_TEXTS; i++) {
		if (!unpack_text(unpack_field(o, texts[i].name), &text, &n))
			return false;
		*(char **)((char *)s + texts[i].at) = mem_copy_span(text, n);
	}
	for (size_t i = 0; i < N_INTEGERS; i++)
		if (!unpack_int(unpack_field(o, integers[i].name), INT64_MIN, INT64_MAX,
			    (int64_t *)((char *)s + integers[i].at)))
			return false;
	if (!unpack_int(unpack_field(o, "state"), ALARM_IDLE, ALARM_FIRING, &state))
		return false;
	s->alarm.state = (enum alarm_state)state;
	if (!unpack_int(unpack_field(o, "told"), INT64_MIN, INT64_MAX, &s->told))
		s->told = 0; /* of an older oodd */
	if (unpack_length(unpack_field(o, "memory")))
		copy_memory(unpack_field(o, "memory"), &s->memory);
	return read_alert(unpack_field(o, "alert"), &s->alert) &&
	       read_alert(unpack_field(o, "trouble"), &s->trouble) && alarm_holds(s);
}

static bool has_rule(const struct rules *r, const struct series *s)
{
	for (size_t i = 0; i < r->n_files; i++)
		for (size_t j = 0; j < r->files[i].n_rules; j++)
			if (strcmp(r->files[i].base, s->file) == 0 &&
				strcmp(r->files[i].rules[j].name, s->rule) == 0)
				return true;
	return false;
}

static void free_all(struct series *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		series_done(&list[i]);
	free(list);
}

static int read_all(struct rules *r, const struct msgpack_object *root, struct error *e)
{
	const struct msgpack_object *list = unpack_field(root, "series");
	size_t n = unpack_length(list);
	struct series *series;
	int64_t format;

	if (!unpack_int(unpack_field(root, "format"), 0, INT64_MAX, &format))
		return error_set(e, -EINVAL, "the state of the rules is not what oodd stores");
	if (format != FORMAT)
		return error_set(e, -EPROTO,
			"the state of the rules has format %lld, and this oodd knows %d",
			(long long)format, FORMAT);
	series = mem_zero(n + 1, sizeof *series);
	for (size_t i = 0; i < n; i++) {
		if (!read_series(unpack_item(list, i), &series[i])) {
			free_all(series, i + 1);
			return error_set(
				e, -EINVAL, "the state of the rules is damaged at series %zu", i);
		}
		series[i].owned = has_rule(r, &series[i]);
	}
	free_all(r->series, r->n_series);
	r->series = series;
	r->n_series = n;
	r->room = n + 1;
	series_moved(r);
	return 0;
}

int rules_unpack(struct rules *r, const void *at, size_t n, struct error *e)
{
	struct unpacked *u = unpack_open(at, n);
	int rc = read_all(r, unpack_root(u), e);

	unpack_close(u);
	return rc;
}
