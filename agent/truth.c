/* SPDX-License-Identifier: Apache-2.0
 * Predictions in a ring, found by id; labels into the vectors of the windows in which they came; those to a judge of their own,
 * whose reference is what labels looked like when the reference was made. */
#include "truth_parts.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "judge/performance_slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A label is likelier wrong than the prediction only where the record is not odd itself (research: 5 % of labels flipped). */
#define MISLABELLED_LEAST_P .2

static bool judged(const struct reference *r)
{
	return r->performance.truth != NULL;
}

struct judge_options truth_leaves(const struct reference *r, const struct judge_options *o)
{
	struct judge_options left = *o;

	if (judged(r)) {
		left.false_alarms *= 1 - TRUTH_BUDGET;
		left.least_budget /= 1 - TRUTH_BUDGET;
	}
	return left;
}

struct judge_options truth_takes(const struct judge_options *o)
{
	struct judge_options part = *o;

	part.false_alarms *= TRUTH_BUDGET;
	part.least_budget /= TRUTH_BUDGET;
	return part;
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct class_hash *)a)->hash, y = ((const struct class_hash *)b)->hash;

	return (x > y) - (x < y);
}

static void classes_learn(struct truth_book *t)
{
	t->classes = mem_zero(t->r->n_classes + 1, sizeof *t->classes);
	for (size_t i = 0; i < t->r->n_classes; i++)
		if (t->r->classes[i][0])
			t->classes[t->n_classes++] =
				(struct class_hash){hash_bytes(t->r->classes[i], strlen(t->r->classes[i]), 0), (int32_t)i};
	qsort(t->classes, t->n_classes, sizeof *t->classes, by_hash);
}

struct truth_book *truth_open(const struct reference *r, const struct truth_options *options)
{
	struct truth_book *t = mem_zero(1, sizeof *t);
	struct judge_options o = truth_takes(&options->judge);

	t->r = r;
	t->o = *options;
	t->closed_us = TIME_NONE;
	t->atc = SIZE_MAX;
	if (judged(r))
		t->judge = judge_open(r->performance.truth, &o);
	classes_learn(t);
	if (r->performance.n_opportunity > 0)
		t->period = mem_zero(r->performance.n_opportunity, sizeof *t->period);
	return t;
}

void truth_clear(struct truth_book *t)
{
	for (size_t i = 0; i < t->n_open; i++) {
		free(t->open[i].v);
		free(t->open[i].opportunity);
	}
	free(t->open);
	free(t->ring);
	free(t->heads);
	free(t->chain);
	t->open = NULL;
	t->ring = NULL;
	t->heads = t->chain = NULL;
	t->n_open = t->room = t->n_heads = t->n_past = 0;
	t->first = t->next = 0;
	t->closed_us = TIME_NONE;
	t->period_windows = 0;
	t->n_beside = 0;
	if (t->period)
		memset(t->period, 0, t->r->performance.n_opportunity * sizeof *t->period);
}

void truth_close(struct truth_book *t)
{
	if (!t)
		return;
	truth_clear(t);
	judge_close(t->judge);
	free(t->period);
	free(t->classes);
	free(t->stale);
	free(t->gone);
	free(t);
}

/* The ring. */

static void number_add(uint64_t **at, size_t *n, size_t *room, uint64_t number)
{
	if (*n == *room) {
		*room = *room ? 2 * *room : 16;
		*at = mem_grow(*at, *room, sizeof **at);
	}
	(*at)[(*n)++] = number;
}

static void changed(struct truth_book *t, uint64_t number)
{
	uint64_t segment = number / TRUTH_SEGMENT;

	t->moved = true;
	for (size_t i = t->n_stale; i > 0; i--) /* the last ones, nearly always */
		if (t->stale[i - 1] == segment)
			return;
	number_add(&t->stale, &t->n_stale, &t->stale_room, segment);
}

static uint32_t *head_of(struct truth_book *t, uint64_t id)
{
	return &t->heads[id & (t->n_heads - 1)];
}

void truth_index(struct truth_book *t, uint64_t number)
{
	size_t slot = number % t->room;
	uint32_t *head = head_of(t, t->ring[slot].id);

	t->chain[slot] = *head;
	*head = (uint32_t)slot + 1;
}

static void index_drop(struct truth_book *t, size_t slot)
{
	uint32_t *at = head_of(t, t->ring[slot].id);

	while (*at && *at != slot + 1)
		at = &t->chain[*at - 1];
	if (*at)
		*at = t->chain[slot];
}

void truth_room(struct truth_book *t)
{
	size_t room = t->room ? 2 * t->room : 4 * TRUTH_SEGMENT;
	struct kept *ring;

	if (t->next - t->first < t->room)
		return;
	while (room < t->next - t->first + 1)
		room *= 2;
	ring = mem_zero(room, sizeof *ring);
	for (uint64_t i = t->first; i < t->next && t->room; i++)
		ring[i % room] = t->ring[i % t->room];
	free(t->ring);
	free(t->heads);
	free(t->chain);
	t->ring = ring;
	t->room = t->n_heads = room; /* both powers of two times TRUTH_SEGMENT, itself one */
	t->heads = mem_zero(room, sizeof *t->heads);
	t->chain = mem_zero(room, sizeof *t->chain);
	for (uint64_t i = t->first; i < t->next; i++)
		truth_index(t, i);
}

static void forget_first(struct truth_book *t)
{
	index_drop(t, t->first % t->room);
	t->first++;
	t->moved = true;
	if (t->first % TRUTH_SEGMENT == 0)
		number_add(&t->gone, &t->n_gone, &t->gone_room, t->first / TRUTH_SEGMENT - 1);
}

static int32_t class_of(const struct truth_book *t, uint64_t hash)
{
	struct class_hash key = {.hash = hash}, *found = bsearch(&key, t->classes, t->n_classes, sizeof key, by_hash);

	return found ? found->class : -1;
}

static int32_t largest(const struct batch *b, size_t row)
{
	const float *z = b->logits + row * b->n_logits;
	size_t best = 0;

	for (size_t i = 1; i < b->n_logits; i++)
		best = z[i] > z[best] ? i : best;
	return b->n_logits == 0 || isnan(z[best]) ? -1 : (int32_t)best;
}

/* What was predicted: as logged, else by the logits. */
static void said(const struct truth_book *t, const struct batch *b, size_t row, struct kept *to)
{
	const char *name;

	if (b->prediction[row].at) {
		to->said = hash_bytes(b->prediction[row].at, b->prediction[row].n, 0);
		to->class = class_of(t, to->said);
		return;
	}
	to->class = b->n_logits == t->r->n_logits ? largest(b, row) : -1;
	name = to->class >= 0 ? t->r->classes[to->class] : "";
	to->said = hash_bytes(name, strlen(name), 0);
}

/* By ATC, as the window counts it. */
static uint8_t sure(struct truth_book *t, const struct scored *s, size_t row)
{
	const struct performance *p = &t->r->performance;
	int64_t term;

	for (size_t i = 0; t->atc == SIZE_MAX && p->width > 0 && i < s->n_sums; i++)
		if (s->sum_at[i] == p->first + 2 * PERFORMANCE_ATC)
			t->atc = i;
	if (t->atc >= s->n_sums)
		return 0;
	term = s->term[row * s->n_sums + t->atc];
	return term == INT64_MIN ? 0 : term > 0 ? 2 : 1;
}

/* By the windows that are closed: how far records were read ahead of labels is of no account. */
static bool too_old(const struct truth_book *t, const struct kept *k)
{
	return t->closed_us != TIME_NONE && k->time_us < t->closed_us - t->o.keep_us;
}

void truth_predicted(struct truth_book *t, const struct batch *b, const struct scored *s, size_t row)
{
	struct kept k = {.id = b->hash[row], .time_us = b->time_us[row], .confidence = (float)b->confidence[row], .p = (float)s->fused[row]};

	if (!b->id[row].at)
		return;
	said(t, b, row, &k);
	k.sure = sure(t, s, row);
	for (size_t i = 0; s->slices && i < s->slices->n_tags && i < SLICE_MOST_TAGS; i++)
		k.slice[i] = (int8_t)s->slice[row * s->slices->n_tags + i];
	while (t->first < t->next &&
		(t->next - t->first >= t->o.most || too_old(t, &t->ring[t->first % t->room])))
		forget_first(t);
	truth_room(t);
	t->ring[t->next % t->room] = k;
	truth_index(t, t->next);
	changed(t, t->next++);
}

void truth_adopt(struct truth_book *t, struct truth_book *from)
{
	for (uint64_t i = from->first; i < from->next; i++) {
		struct kept k = from->ring[i % from->room];

		k.class = class_of(t, k.said);
		memset(k.slice, -1, sizeof k.slice); /* the new reference may have others */
		k.sure = 0;
		truth_room(t);
		t->ring[t->next % t->room] = k;
		truth_index(t, t->next);
		changed(t, t->next++);
	}
	memcpy(t->past, from->past, sizeof t->past);
	t->n_past = from->n_past;
	t->closed_us = from->closed_us;
	truth_clear(from);
}

/* Labels. */

static int64_t start_of(const struct truth_book *t, int64_t time_us)
{
	int64_t window = t->r->window_us, rest = time_us % window;

	return time_us - rest - (rest < 0 ? window : 0);
}

/* Oldest first. One that would be too many joins the newest. */
struct labelled *truth_open_at(struct truth_book *t, int64_t start_us)
{
	size_t i = t->n_open;

	while (i > 0 && t->open[i - 1].start_us > start_us)
		i--;
	if (i > 0 && t->open[i - 1].start_us == start_us)
		return &t->open[i - 1];
	if (t->n_open == TRUTH_MOST_OPEN)
		return &t->open[t->n_open - 1];
	t->open = mem_grow(t->open, t->n_open + 1, sizeof *t->open);
	memmove(t->open + i + 1, t->open + i, (t->n_open - i) * sizeof *t->open);
	t->open[i] = (struct labelled){.start_us = start_us, .v = judged(t->r) ? mem_zero(t->r->performance.truth->width + 1, sizeof(int64_t)) : NULL,
		.opportunity = t->period ? mem_zero(t->r->performance.n_opportunity, sizeof(int64_t)) : NULL};
	t->n_open++;
	return &t->open[i];
}

static struct truth_window *past_at(struct truth_book *t, int64_t start_us)
{
	size_t i = t->n_past;

	while (i > 0 && t->past[i - 1].start_us > start_us)
		i--;
	if (i > 0 && t->past[i - 1].start_us == start_us)
		return &t->past[i - 1];
	if (t->n_past == TRUTH_PAST) {
		if (i == 0)
			return NULL; /* older than all that are remembered */
		memmove(t->past, t->past + 1, --i * sizeof *t->past);
		t->n_past--;
	} else
		memmove(t->past + i + 1, t->past + i, (t->n_past - i) * sizeof *t->past);
	t->past[i] = (struct truth_window){.start_us = start_us, .atc = NAN, .cbpe = NAN};
	t->n_past++;
	return &t->past[i];
}

static bool mislabelled(const struct performance *p, const struct kept *k)
{
	double least = k->class >= 0 && (size_t)k->class < p->n_sure ? p->sure[k->class] : NAN;

	return (double)k->confidence >= least && !((double)k->p <= MISLABELLED_LEAST_P);
}

static void label_count(struct truth_book *t, const struct truth_label *label, const struct kept *k)
{
	int64_t start = start_of(t, label->time_us);
	/* It came after its window was closed: it counts in the next. */
	struct labelled *to = truth_open_at(t, start < t->closed_us ? t->closed_us : start);
	struct truth_window *past = past_at(t, start_of(t, label->predicted_us));

	to->n++;
	to->n_right += label->right;
	to->n_mislabelled += label->mislabelled;
	to->beside.n += k->sure > 0;
	to->beside.n_sure += k->sure > 1;
	to->beside.n_right += k->sure > 0 && label->right;
	if (to->v)
		truth_count(t->r->performance.truth, label->class, label->n_class, label->predicted, label->right, to->v);
	if (to->opportunity)
		performance_opportunity_count(t->r, class_of(t, hash_bytes(label->class, label->n_class, 0)), label->right, k->slice, to->opportunity);
	if (!past)
		return;
	past->n_labels++;
	past->n_right += label->right;
	past->amended = true;
}

enum truth_met truth_label(struct truth_book *t, struct truth_label *label)
{
	uint32_t at = t->n_heads ? *head_of(t, label->id) : 0;
	struct kept *k;

	while (at && t->ring[at - 1].id != label->id)
		at = t->chain[at - 1];
	if (!at)
		return TRUTH_UNKNOWN;
	k = &t->ring[at - 1];
	if (k->met)
		return TRUTH_REPEATED;
	k->met = 1;
	changed(t, t->first + (at - 1 + t->room - t->first % t->room) % t->room);
	label->predicted_us = k->time_us;
	label->predicted = k->class >= 0 ? t->r->classes[k->class] : NULL;
	label->right = hash_bytes(label->class, label->n_class, 0) == k->said;
	label->mislabelled = !label->right && mislabelled(&t->r->performance, k);
	label_count(t, label, k);
	return TRUTH_MET;
}

/* A window closes. */

static void remember(struct truth_book *t, const struct window *w, const struct signal *signal)
{
	struct truth_window *past = past_at(t, w->start_us);

	if (!past)
		return;
	past->n = w->n;
	past->atc = signal->performance.atc.at;
	past->cbpe = signal->performance.cbpe.at;
}

/* Everything that came up to its end, as one. */
static struct labelled gather(struct truth_book *t, const struct window *w)
{
	size_t n = 0, width = judged(t->r) ? t->r->performance.truth->width : 0;
	struct labelled sum = {.start_us = w->start_us, .v = mem_zero(width + 1, sizeof(int64_t))};

	while (n < t->n_open && t->open[n].start_us < w->end_us) {
		const struct labelled *l = &t->open[n++];

		sum.n += l->n;
		sum.n_right += l->n_right;
		sum.n_mislabelled += l->n_mislabelled;
		sum.beside.n += l->beside.n;
		sum.beside.n_sure += l->beside.n_sure;
		sum.beside.n_right += l->beside.n_right;
		for (size_t i = 0; i < width; i++)
			sum.v[i] += l->v[i];
		for (size_t i = 0; t->period && i < t->r->performance.n_opportunity; i++)
			t->period[i] += l->opportunity[i];
		t->period_windows++;
		free(l->v);
		free(l->opportunity);
	}
	t->n_open -= n;
	if (n > 0)
		memmove(t->open, t->open + n, t->n_open * sizeof *t->open);
	return sum;
}

/* With the window that ends a period slices are compared by what labels came in it. */
static void period_close(struct truth_book *t, const struct window *w, struct signal *signal)
{
	int64_t period = t->o.judge.slice_period_us;

	if (!t->period || period <= 0 || (w->start_us >= 0 ? w->start_us / period == w->end_us / period : w->end_us % period != 0))
		return;
	performance_slices_find(t->r, t->period, t->period_windows, &signal->slices.opportunity);
	memset(t->period, 0, t->r->performance.n_opportunity * sizeof *t->period);
	t->period_windows = 0;
}

static bool heavier(const struct finding *a, const struct finding *b)
{
	return a->log_m > b->log_m;
}

/* What labels found stands among what the records did, heaviest first. */
static void findings_join(struct signal *to, const struct signal *of)
{
	size_t n = to->n_findings;

	to->findings = mem_grow(to->findings, n + of->n_findings + 1, sizeof *to->findings);
	for (size_t i = 0; i < of->n_findings; i++) {
		size_t at = n + i;

		while (at > 0 && heavier(&of->findings[i], &to->findings[at - 1]))
			at--;
		memmove(to->findings + at + 1, to->findings + at, (n + i - at) * sizeof *to->findings);
		to->findings[at] = of->findings[i];
	}
	to->n_findings = n + of->n_findings;
}

static enum signal_state states_join(enum signal_state records, enum signal_state labels, bool alarm)
{
	if (records == SIGNAL_ALARM || labels == SIGNAL_ALARM)
		return SIGNAL_ALARM;
	if (alarm)
		return SIGNAL_ONGOING;
	if (records == SIGNAL_RESOLVED || labels == SIGNAL_RESOLVED)
		return SIGNAL_RESOLVED;
	return records; /* too few labels are no reason not to judge records */
}

static void signals_join(struct signal *to, const struct signal *of)
{
	to->alarm |= of->alarm;
	to->fresh |= of->fresh;
	to->state = states_join(to->state, of->state, to->alarm);
	if (of->severity > to->severity)
		to->severity = of->severity;
	if (of->since_us != TIME_NONE && (to->since_us == TIME_NONE || of->since_us < to->since_us))
		to->since_us = of->since_us;
	if (of->log_m - of->log_budget > to->log_m - to->log_budget) {
		to->log_m = of->log_m;
		to->log_budget = of->log_budget;
	}
	findings_join(to, of);
}

static void realised_fill(const struct labelled *l, const struct window *w, struct performance_signal *to)
{
	to->n_labels = l->n;
	to->n_right = l->n_right;
	to->n_mislabelled = l->n_mislabelled;
	to->realised = performance_share(l->n ? (double)l->n_right / (double)l->n : NAN, (double)l->n);
	to->realised_start_us = l->n ? w->start_us : TIME_NONE;
	to->realised_end_us = l->n ? w->end_us : TIME_NONE;
}

static void beside_remember(struct truth_book *t, const struct performance_beside *b)
{
	if (b->n == 0)
		return;
	if (t->n_beside == PERFORMANCE_BESIDE)
		memmove(t->beside, t->beside + 1, --t->n_beside * sizeof *t->beside);
	t->beside[t->n_beside++] = *b;
}

void truth_window_closed(struct truth_book *t, const struct window *w, struct signal *signal)
{
	struct labelled l = gather(t, w);

	remember(t, w, signal);
	if (w->end_us > t->closed_us)
		t->closed_us = w->end_us;
	t->moved = true;
	realised_fill(&l, w, &signal->performance);
	beside_remember(t, &l.beside);
	performance_of_labels(&t->r->performance, t->beside, t->n_beside, &signal->performance);
	period_close(t, w, signal);
	if (t->judge) {
		struct window labels = {.start_us = w->start_us, .end_us = w->end_us, .n = l.n, .cut = w->cut,
			.width = t->r->performance.truth->width, .v = l.v};
		struct signal of;

		judge_window(t->judge, &labels, &of);
		signals_join(signal, &of);
		signal_done(&of);
	}
	free(l.v);
}

void truth_each_amended(struct truth_book *t, void (*fn)(void *context, const struct truth_window *w), void *context)
{
	for (size_t i = 0; i < t->n_past; i++)
		if (t->past[i].amended && t->past[i].n > 0) {
			fn(context, &t->past[i]);
			t->past[i].amended = false;
		}
}

bool truth_moved(const struct truth_book *t)
{
	return t->moved;
}
