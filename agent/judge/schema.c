/* SPDX-License-Identifier: Apache-2.0
 * From special bins, names and ends to remarks. A remark of a measure that has moved stands when chance explains its bin less
 * than once in a hundred, by the measure's own kappa; whether there is an alarm at all was decided by evidence before. */
#include "judge/schema.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "judge/null.h"
#include "judge/unit.h"
#include "model/pack.h"
#include "stats/evidence.h"

#define LEAST_LOG 4.6
#define VALUES_NAMED 8
#define FIELDS_NAMED 3
#define LEAST_RECORDS 20 /* in one value, before it is called constant */

/* ---- words ---- */

static void words_add(char *to, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void words_add(char *to, size_t n, const char *format, ...)
{
	size_t used = strlen(to);
	va_list args;

	va_start(args, format);
	vsnprintf(to + used, n - used, format, args);
	va_end(args);
}

static const char *percent(double share, char to[16])
{
	double x = 100 * share;

	/* Less than that is how a reference says never. */
	snprintf(to, 16, x >= 9.95 || x < .05 ? "%.0f %%" : "%.1f %%", x);
	return to;
}

static struct schema_remark *remark(struct schema *to, enum schema_kind kind, const char *field, double records, const struct finding *of)
{
	struct schema_remark *r;

	for (size_t i = 0; i < to->n; i++)
		if (to->at[i].kind == kind && !strcmp(to->at[i].field, field))
			return NULL;
	to->at = mem_grow(to->at, to->n + 1, sizeof *to->at);
	r = &to->at[to->n++];
	*r = (struct schema_remark){.kind = kind, .field = mem_copy_text(field), .first_us = TIME_NONE, .records = llround(records),
		.moved = of->moved, .latched = of->moved && of->latched};
	return r;
}

/* What the finding says beside its bins. */
static void change_add(struct finding *f, const char *words)
{
	words_add(f->change, sizeof f->change, ": %s", words);
}

/* ---- one bin ---- */

struct look {
	const struct reference *r;
	const struct measure *m; /* as is usual now */
	double centre;
	size_t index;
	const struct window *w;
	const double *q;
	double n; /* records of the measure */
	const struct unseen_set *unseen;
	struct finding *f;
	struct schema *to;
};

static double records_of(const struct measure *m, const struct window *w)
{
	double n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += (double)w->v[m->first + i];
	return n;
}

/* A bin that holds more than chance would put there. */
static bool swollen_share(const struct measure *m, double n, double usual, double after)
{
	double two[2] = {after, 1 - after}, before[2] = {usual, 1 - usual};

	return after > usual && null_independent(m->kappa, n) * evidence_kl(two, before, 2) > LEAST_LOG;
}

static bool swollen(const struct measure *m, double n, size_t bin, double after)
{
	return swollen_share(m, n, m->mean[bin], after);
}

static bool bin_swollen(const struct look *l, size_t bin)
{
	return bin != MEASURE_NO_BIN && l->m->mean && swollen(l->m, l->n, bin, l->q[bin]);
}

/* ---- values by name ---- */

static bool is_number(const char *text)
{
	char *end;

	return *text && (strtod(text, &end), *end == '\0') && !isalpha((unsigned char)text[0]);
}

static bool all_numbers(char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], MEASURE_RARE_WORD) && !is_number(words[i]))
			return false;
	return n > 0;
}

/* Most of them, by records. */
static bool unseen_numbers(const struct unseen_set *s)
{
	double numbers = 0, all = 0;

	for (size_t i = 0; i < s->n; i++) {
		all += unseen_count(s, &s->at[i]);
		numbers += is_number(s->at[i].text) ? unseen_count(s, &s->at[i]) : 0;
	}
	return numbers > .9 * all;
}

/* Alike but for case, blanks, and marks. */
static bool alike(const char *a, const char *b)
{
	for (;;) {
		while (*a && !isalnum((unsigned char)*a) && (unsigned char)*a < 0x80)
			a++;
		while (*b && !isalnum((unsigned char)*b) && (unsigned char)*b < 0x80)
			b++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++, b++;
	}
}

static const char *known_alike(const struct measure *m, const char *text)
{
	for (size_t i = 0; i < m->n_words; i++)
		if (strcmp(m->words[i], MEASURE_RARE_WORD) && alike(m->words[i], text))
			return m->words[i];
	return NULL;
}

/* "private 20 % (known: Private), Gig-economy 0.4 %, and 12 more". wanted: which of them, NULL: all. */
static void names_words(const struct look *l, bool (*wanted)(const struct measure *m, const char *text), char *to, size_t n)
{
	size_t order[UNSEEN_VALUES], named = 0, left = 0;

	unseen_order(l->unseen, order);
	for (size_t i = 0; i < l->unseen->n; i++) {
		const struct unseen_value *v = &l->unseen->at[order[i]];
		const char *known = known_alike(l->m, v->text);
		char share[16];

		if (wanted && !wanted(l->m, v->text))
			continue;
		if (named == VALUES_NAMED || n - strlen(to) < UNSEEN_BYTES + 60) {
			left++;
			continue;
		}
		words_add(to, n, "%s%s %s", named++ ? ", " : "", *v->text ? v->text : "\"\"", percent(fmin(1, unseen_count(l->unseen, v) / l->n), share));
		if (known && !measure_counts_fields(l->m))
			words_add(to, n, " (known: %s)", known);
	}
	if (left > 0)
		words_add(to, n, l->unseen->level > 0 ? ", and many more" : ", and %zu more", left);
}

static int64_t first_of(const struct unseen_set *s)
{
	int64_t first = TIME_NONE;

	for (size_t i = 0; i < s->n; i++)
		if (first == TIME_NONE || s->at[i].first_us < first)
			first = s->at[i].first_us;
	return first;
}

/* ---- remarks ---- */

/* Fields, each by its name; told even where nobody is alarmed by it. */
static void look_fields(const struct look *l)
{
	size_t order[UNSEEN_VALUES];
	char names[200] = "";

	if (!l->unseen)
		return;
	unseen_order(l->unseen, order);
	for (size_t i = 0; i < l->unseen->n; i++) {
		const struct unseen_value *v = &l->unseen->at[order[i]];
		double n = unseen_count(l->unseen, v);
		struct schema_remark *r = remark(l->to, SCHEMA_NEW_FIELD, v->text, n, l->f);
		char share[16];

		if (!r)
			continue;
		snprintf(r->detail, sizeof r->detail, "a field that the reference never had, in %s of records", percent(fmin(1, n / l->n), share));
		r->first_us = v->first_us;
	}
	names_words(l, NULL, names, sizeof names);
	if (l->f->moved)
		change_add(l->f, names);
}

static void missing_remark(const struct look *l, const struct measure *m, double n, double after)
{
	bool gone = after == 1;
	struct schema_remark *r = remark(l->to, gone ? SCHEMA_VANISHED : SCHEMA_MISSING, m->name, n * after, l->f);
	char before[16], now[16];

	if (!r)
		return;
	percent(m->mean[m->missing], before);
	if (gone)
		snprintf(r->detail, sizeof r->detail, "no record has it any more (missing in %s before)", before);
	else
		snprintf(r->detail, sizeof r->detail, "missing in %s of records (%s before)", percent(after, now), before);
}

/* Of the reference's records, so few lack something: then what is missing now is what is new. */
#define USUALLY_WHOLE .05

/* A value of another type is lacking too. */
static bool some_mistyped(const struct look *l)
{
	for (size_t i = 0; i < l->r->n_measures; i++) {
		const struct measure *m = &l->r->measures[i];
		double n = records_of(m, l->w);

		if (m->mistyped != MEASURE_NO_BIN && m->mean && n > 0 && !m->slice &&
			swollen(m, n, m->mistyped, (double)l->w->v[m->first + m->mistyped] / n))
			return true;
	}
	return false;
}

/* What has no bins of its own: where no field says what is missing, it is a vector. */
static bool missing_vector(const struct look *l, char *words, size_t n)
{
	const char *name = l->r->n_logits && l->r->n_embedding ? "logits or embedding" : l->r->n_logits ? "logits" : "embedding";
	double before = 1 - l->m->mean[0], after = 1 - l->q[0];
	char then[16], now[16];
	struct schema_remark *r;

	if (l->r->n_logits + l->r->n_embedding == 0 || before > USUALLY_WHOLE || some_mistyped(l) || !swollen_share(l->m, l->n, before, after))
		return false;
	snprintf(words, n, "%s %s -> %s", name, percent(before, then), percent(after, now));
	r = remark(l->to, SCHEMA_MISSING, name, after * l->n, l->f);
	if (r)
		snprintf(r->detail, sizeof r->detail, l->r->n_embedding ? "missing, or all zeros, in %s of records (%s before)" :
			"missing in %s of records (%s before)", now, then);
	return true;
}

/* Records lack more than they did: what do they lack? */
static void look_missing(const struct look *l)
{
	size_t named = 0, left = 0;
	char fields[300] = "";

	for (size_t i = 0; i < l->r->n_measures; i++) {
		const struct measure *m = &l->r->measures[i];
		double n = records_of(m, l->w), after;
		char before[16], now[16];

		if (m->missing == MEASURE_NO_BIN || m->kind == MEASURE_P_VALUE || !m->mean || n == 0 || m->slice)
			continue;
		after = (double)l->w->v[m->first + m->missing] / n;
		if (!swollen(m, n, m->missing, after))
			continue;
		missing_remark(l, m, n, after);
		if (named == FIELDS_NAMED) {
			left++;
			continue;
		}
		words_add(fields, sizeof fields, "%s%s %s -> %s", named++ ? ", " : "", m->name, percent(m->mean[m->missing], before), percent(after, now));
	}
	if (left)
		words_add(fields, sizeof fields, " and %zu more fields", left);
	if (named || missing_vector(l, fields, sizeof fields))
		change_add(l->f, fields);
}

static bool is_mistyped(const struct measure *m, const char *text)
{
	(void)m;
	return !is_number(text);
}

static void look_mistyped(const struct look *l)
{
	struct schema_remark *r;
	char names[160] = "", share[16];

	if (!bin_swollen(l, l->m->mistyped))
		return;
	r = remark(l->to, SCHEMA_RETYPED, l->m->name, l->n * l->q[l->m->mistyped], l->f);
	if (!r)
		return;
	percent(l->q[l->m->mistyped], share);
	if (l->unseen && measure_counts_numbers(l->m))
		names_words(l, is_mistyped, names, sizeof names);
	snprintf(r->detail, sizeof r->detail, "%s in %s of records%s%s", measure_counts_numbers(l->m) ? "text where numbers were" :
		"neither text nor number, where words were", share, *names ? ": " : "", names);
	change_add(l->f, r->detail);
}

static void look_other(const struct look *l)
{
	struct schema_remark *r;
	bool numbers;
	char names[180] = "", share[16];

	if (!l->unseen || !bin_swollen(l, l->m->other) || l->m->n_words == 1) /* then it was constant */
		return;
	numbers = unseen_numbers(l->unseen) && !all_numbers(l->m->words, l->m->n_words);
	r = remark(l->to, numbers ? SCHEMA_RETYPED : SCHEMA_NEW_VALUES, l->m->name, l->n * l->q[l->m->other], l->f);
	if (!r)
		return;
	names_words(l, NULL, names, sizeof names);
	snprintf(r->detail, sizeof r->detail, "%s in %s of records: %s", numbers ? "numbers where words were" : "values never seen before",
		percent(l->q[l->m->other], share), names);
	r->first_us = first_of(l->unseen);
	if (numbers)
		change_add(l->f, r->detail);
	else
		change_add(l->f, names);
}

static void look_unit(const struct look *l)
{
	struct unit unit;
	struct schema_remark *r;
	char share[16];

	if (!measure_counts_numbers(l->m) || !unit_guess(l->m, l->centre, l->w->v + l->m->first, l->unseen, &unit))
		return;
	r = remark(l->to, SCHEMA_UNIT, l->m->name, unit.share * l->n, l->f);
	if (!r)
		return;
	snprintf(r->detail, sizeof r->detail, "looks like %s%s%s%s in %s of records", unit.sign, *unit.words ? " (" : "", unit.words,
		*unit.words ? ")" : "", percent(unit.share, share));
	change_add(l->f, r->detail);
}

/* Which of the window's sums is the measure's; SIZE_MAX: none. */
static size_t sum_of(const struct look *l)
{
	size_t k = 0;

	for (size_t i = 0; i < l->index; i++)
		k += l->r->measures[i].sums != MEASURE_NO_BIN;
	return l->m->sums == MEASURE_NO_BIN || k >= l->w->n_ends ? SIZE_MAX : k;
}

/* The one number that every record of the window holds. */
static bool constant_number(const struct look *l, double *ret)
{
	size_t k = sum_of(l);
	const int64_t *ends = k == SIZE_MAX ? NULL : l->w->ends + 2 * k;

	if (!ends || ends[0] != ends[1] || l->w->v[l->m->sums + 1] < LEAST_RECORDS || !(l->m->most > l->m->least))
		return false;
	*ret = measure_rounded(l->m, l->m->centre + l->m->scale * (double)ends[0] / 0x1p20);
	return true;
}

/* The one word. */
static const char *constant_word(const struct look *l)
{
	for (size_t i = 0; i < l->m->n_words && l->m->n_words > 1 && l->n >= LEAST_RECORDS; i++)
		if ((double)l->w->v[l->m->first + i] == l->n && strcmp(l->m->words[i], MEASURE_RARE_WORD))
			return l->m->words[i];
	return NULL;
}

static void look_constant(const struct look *l)
{
	const char *word = constant_word(l);
	struct schema_remark *r;
	double number = 0;

	if (!word && !constant_number(l, &number))
		return;
	r = remark(l->to, SCHEMA_CONSTANT, l->m->name, word ? l->n : (double)l->w->v[l->m->sums + 1], l->f);
	if (!r)
		return;
	if (word)
		snprintf(r->detail, sizeof r->detail, "it varied, now every record has %s", word);
	else
		snprintf(r->detail, sizeof r->detail, "it varied, now every record has %.6g", number);
	change_add(l->f, r->detail);
}

/* A few values by name, many by where they lie. */
static void range_words(const struct look *l, char *to, size_t n)
{
	size_t k = sum_of(l);
	const int64_t *ends = k == SIZE_MAX ? NULL : l->w->ends + 2 * k;

	if (!ends || ends[0] >= ends[1] || l->unseen->n <= FIELDS_NAMED)
		names_words(l, NULL, to, n);
	else
		snprintf(to, n, "%.4g to %.4g", l->m->centre + l->m->scale * (double)ends[0] / 0x1p20,
			l->m->centre + l->m->scale * (double)ends[1] / 0x1p20);
}

static void look_not_constant(const struct look *l)
{
	bool number = measure_counts_numbers(l->m) && l->m->least == l->m->most;
	bool word = l->m->kind == MEASURE_CATEGORY && l->m->n_words == 1;
	double others = l->n - (double)l->w->v[l->m->first];
	char always[32], now[160] = "", share[16];
	struct schema_remark *r;

	if ((!number && !word) || !l->unseen)
		return;
	r = remark(l->to, SCHEMA_NOT_CONSTANT, l->m->name, others, l->f);
	if (!r)
		return;
	range_words(l, now, sizeof now);
	snprintf(always, sizeof always, "%.6g", l->m->least);
	snprintf(r->detail, sizeof r->detail, "it was always %s, in %s of records it is not: %s", word ? l->m->words[0] : always,
		percent(others / l->n, share), now);
	r->first_us = first_of(l->unseen);
	change_add(l->f, r->detail);
}

static void look_missing_bin(const struct look *l)
{
	if (bin_swollen(l, l->m->missing))
		missing_remark(l, l->m, l->n, l->q[l->m->missing]);
}

static void (*const looks[])(const struct look *) = {look_unit, look_constant, look_not_constant, look_other, look_mistyped, look_missing_bin};

void schema_look(const struct reference *r, size_t i, const struct measure *now, double centre, const struct window *w, const double *q,
	struct finding *f, struct schema *to)
{
	struct look l = {.r = r, .m = now, .centre = centre, .index = i, .w = w, .q = q, .n = records_of(now, w), .unseen = unseen_find(&w->unseen, i), .f = f, .to = to};

	if (l.n == 0)
		return;
	if (now->kind == MEASURE_FIELDS)
		look_fields(&l);
	else if (f->moved && now->kind == MEASURE_MISSING)
		look_missing(&l);
	else if (f->moved && now->kind != MEASURE_P_VALUE && now->kind != MEASURE_ACCURACY && now->kind != MEASURE_LABEL)
		for (size_t k = 0; k < sizeof looks / sizeof *looks; k++)
			looks[k](&l);
}

/* ---- since when ---- */

#define MOST_KNOWN 256
/* After so many windows without it, it is new when it comes again. */
#define FORGET_WINDOWS 24

static void known_drop(struct schema_past *p, size_t i)
{
	free(p->at[i].field);
	memmove(p->at + i, p->at + i + 1, (p->n - i - 1) * sizeof *p->at);
	p->n--;
}

static struct schema_known *known_of(struct schema_past *p, const struct schema_remark *r, int64_t start_us)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i].kind == r->kind && !strcmp(p->at[i].field, r->field))
			return &p->at[i];
	if (p->n == MOST_KNOWN)
		known_drop(p, 0);
	p->at = mem_grow(p->at, p->n + 1, sizeof *p->at);
	p->at[p->n] = (struct schema_known){.kind = r->kind, .field = mem_copy_text(r->field), .first_us = r->first_us == TIME_NONE ? start_us : r->first_us};
	return &p->at[p->n++];
}

static int order(const void *a, const void *b)
{
	const struct schema_remark *p = a, *q = b;

	if (p->moved != q->moved)
		return q->moved - p->moved;
	if (p->latched != q->latched)
		return p->latched - q->latched;
	if (p->records != q->records)
		return (p->records < q->records) - (p->records > q->records);
	return p->kind != q->kind ? (int)p->kind - (int)q->kind : strcmp(p->field, q->field);
}

void schema_settle(struct schema_past *p, const struct window *w, struct schema *to)
{
	for (size_t i = 0; i < p->n; i++)
		p->at[i].silent++;
	if (to->n > 1)
		qsort(to->at, to->n, sizeof *to->at, order);
	for (size_t i = 0; i < to->n; i++) {
		struct schema_known *k = known_of(p, &to->at[i], w->start_us);

		k->silent = 0;
		k->records += to->at[i].records;
		to->at[i].records = k->records;
		to->at[i].first_us = k->first_us;
	}
	for (size_t i = p->n; i-- > 0;)
		if (p->at[i].silent > FORGET_WINDOWS)
			known_drop(p, i);
}

void schema_past_done(struct schema_past *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->at[i].field);
	free(p->at);
	*p = (struct schema_past){0};
}

void schema_past_pack(const struct schema_past *p, struct buf *to)
{
	pack_array(to, p->n);
	for (size_t i = 0; i < p->n; i++) {
		pack_array(to, 5);
		pack_int(to, (int64_t)p->at[i].kind);
		pack_text(to, p->at[i].field);
		pack_int(to, p->at[i].first_us);
		pack_int(to, p->at[i].records);
		pack_int(to, p->at[i].silent);
	}
}

static bool known_read(const struct msgpack_object *o, struct schema_known *to)
{
	const char *field;
	int64_t kind;
	size_t n;

	if (!unpack_int(unpack_item(o, 0), 0, SCHEMA_KINDS - 1, &kind) || !unpack_text(unpack_item(o, 1), &field, &n) ||
		!unpack_int(unpack_item(o, 2), INT64_MIN, INT64_MAX, &to->first_us) || !unpack_int(unpack_item(o, 3), 0, INT64_MAX / 2, &to->records) ||
		!unpack_int(unpack_item(o, 4), 0, FORGET_WINDOWS, &to->silent))
		return false;
	to->kind = (enum schema_kind)kind;
	to->field = mem_copy_span(field, n);
	return true;
}

bool schema_past_read(const struct msgpack_object *o, struct schema_past *ret)
{
	struct schema_past p = {0};
	size_t n = unpack_length(o);

	p.at = mem_zero((n < MOST_KNOWN ? n : MOST_KNOWN) + 1, sizeof *p.at);
	while (p.n < n && p.n < MOST_KNOWN && known_read(unpack_item(o, p.n), &p.at[p.n]))
		p.n++;
	if (p.n < n)
		schema_past_done(&p);
	*ret = p;
	return p.n == n;
}
