/* SPDX-License-Identifier: Apache-2.0
 * Room for what scoring makes of a batch, kept from batch to batch. */
#include "model/scored.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void scored_init(struct scored *s)
{
	*s = (struct scored){0};
}

void scored_done(struct scored *s)
{
	free(s->score);
	free(s->p);
	free(s->fused);
	free(s->flagged);
	free(s->faulty);
	free(s->bin);
	free(s->term);
	free(s->sum_at);
	free(s->unseen);
	free(s->slice);
	free(s->stretch_at);
	free(s->stretch_n);
	free(s->slot);
	free(s->slots);
	*s = (struct scored){0};
}

/* Rows and columns both set the size of a table: it grows by rows, and is made anew when the shape changes. */
void scored_room(struct scored *s, size_t n, size_t n_detectors, size_t n_measures, size_t n_sums)
{
	bool same = s->n_detectors == n_detectors && s->n_measures == n_measures && s->n_sums == n_sums;

	if (n > s->room || !same) {
		size_t room = n > s->room ? n : s->room;

		s->score = mem_grow(s->score, room * n_detectors, sizeof *s->score);
		s->p = mem_grow(s->p, room * n_detectors, sizeof *s->p);
		s->fused = mem_grow(s->fused, room, sizeof *s->fused);
		s->flagged = mem_grow(s->flagged, room, sizeof *s->flagged);
		s->faulty = mem_grow(s->faulty, room, sizeof *s->faulty);
		s->bin = mem_grow(s->bin, room * n_measures, sizeof *s->bin);
		s->term = mem_grow(s->term, room * n_sums, sizeof *s->term);
		s->sum_at = mem_grow(s->sum_at, n_sums, sizeof *s->sum_at);
		s->room = room;
	}
	s->n = n;
	s->n_unseen = 0;
	s->n_detectors = n_detectors;
	s->n_measures = n_measures;
	s->n_sums = n_sums;
}

void scored_unseen_add(struct scored *s, struct scored_unseen u)
{
	if (s->n_unseen == s->room_unseen) {
		s->room_unseen = s->room_unseen ? 2 * s->room_unseen : 64;
		s->unseen = mem_grow(s->unseen, s->room_unseen, sizeof *s->unseen);
	}
	s->unseen[s->n_unseen++] = u;
}

void scored_room_statistics(struct scored *s, size_t n_statistics)
{
	s->n_slots = 0;
	s->n_statistics = n_statistics;
	if (n_statistics == 0)
		return;
	if (s->room * n_statistics > s->room_statistics) {
		s->room_statistics = s->room * n_statistics;
		s->slot = mem_grow(s->slot, s->room_statistics, sizeof *s->slot);
	}
	s->stretch_at = mem_grow(s->stretch_at, n_statistics, sizeof *s->stretch_at);
	s->stretch_n = mem_grow(s->stretch_n, n_statistics, sizeof *s->stretch_n);
	if (s->n > 0)
		memset(s->slot, 0xff, s->n * n_statistics * sizeof *s->slot); /* SCORED_NO_SLOT */
}

int64_t *scored_slot(struct scored *s, size_t width)
{
	if (s->n_slots + width > s->room_slots) {
		s->room_slots = 2 * s->room_slots + width;
		s->slots = mem_grow(s->slots, s->room_slots, sizeof *s->slots);
	}
	return memset(s->slots + s->n_slots, 0, width * sizeof *s->slots);
}

void scored_slot_take(struct scored *s, size_t row, size_t k, size_t width)
{
	s->slot[row * s->n_statistics + k] = s->n_slots;
	s->n_slots += width;
}

void scored_slot_add(const struct scored *s, size_t row, size_t k, int64_t *to)
{
	size_t slot = s->slot[row * s->n_statistics + k];

	if (slot == SCORED_NO_SLOT)
		return;
	to[0]++;
	for (size_t i = 0; i < s->stretch_n[k]; i++)
		to[1 + i] += s->slots[slot + i];
}
