/* SPDX-License-Identifier: Apache-2.0
 * Which series a rule has on a stream: found by a hash of its names, so that a hundred rules on a hundred streams cost a window a
 * hundred look-ups and not a million comparisons. The table is only positions; it is made anew after a series went away. */
#include "rules/rule.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_SERIES = 20000, LEAST_SLOTS = 64 };

void series_done(struct series *s)
{
	free(s->file);
	free(s->rule);
	free(s->model);
	free(s->version);
	alert_done(&s->alert);
	alert_done(&s->trouble);
	buf_done(&s->memory);
}

static uint64_t hash_of(const char *file, const char *rule, const char *model, const char *version)
{
	const char *const names[] = {file, rule, model, version};
	uint64_t hash = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		hash = hash_bytes(names[i], strlen(names[i]), hash);
	return hash;
}

static bool is_series(const struct series *s, const char *file, const char *rule, const char *model, const char *version)
{
	return strcmp(s->rule, rule) == 0 && strcmp(s->model, model) == 0 && strcmp(s->version, version) == 0 && strcmp(s->file, file) == 0;
}

static void slot_fill(struct rules *r, size_t i)
{
	const struct series *s = &r->series[i];
	size_t at = hash_of(s->file, s->rule, s->model, s->version) & (r->n_slots - 1);

	while (r->slots[at])
		at = (at + 1) & (r->n_slots - 1);
	r->slots[at] = (uint32_t)i + 1;
}

/* At most half of the slots are taken. */
static void slots_make(struct rules *r)
{
	series_moved(r);
	for (r->n_slots = LEAST_SLOTS; r->n_slots < 4 * r->n_series;)
		r->n_slots *= 2;
	r->slots = mem_zero(r->n_slots, sizeof *r->slots);
	for (size_t i = 0; i < r->n_series; i++)
		slot_fill(r, i);
}

void series_moved(struct rules *r)
{
	free(r->slots);
	r->slots = NULL;
	r->n_slots = 0;
}

/* An empty one; NULL when there are too many. */
static struct series *series_add(struct rules *r, const char *file, const char *rule, const char *model, const char *version)
{
	if (r->n_series == MOST_SERIES) {
		if (!r->full)
			log_error("rules", "too many streams times alerts; further ones are not watched", "most", log_n(MOST_SERIES));
		r->full = true;
		return NULL;
	}
	if (r->n_series == r->room) {
		r->room = r->room ? 2 * r->room : 16;
		r->series = mem_grow(r->series, r->room, sizeof *r->series);
	}
	r->series[r->n_series] = (struct series){.file = mem_copy_text(file),
		.rule = mem_copy_text(rule),
		.model = mem_copy_text(model),
		.version = mem_copy_text(version),
		.alarm = ALARM_NONE,
		.seen_us = TIME_NONE,
		.owned = true};
	if (2 * ++r->n_series > r->n_slots)
		slots_make(r);
	else
		slot_fill(r, r->n_series - 1);
	return &r->series[r->n_series - 1];
}

struct series *series_of(struct rules *r, const char *file, const char *rule, const char *model, const char *version)
{
	if (!r->slots)
		slots_make(r);
	for (size_t at = hash_of(file, rule, model, version) & (r->n_slots - 1); r->slots[at]; at = (at + 1) & (r->n_slots - 1)) {
		struct series *s = &r->series[r->slots[at] - 1];

		if (is_series(s, file, rule, model, version))
			return s;
	}
	return series_add(r, file, rule, model, version);
}
