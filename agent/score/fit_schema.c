/* SPDX-License-Identifier: Apache-2.0
 * What a stream's records look like, learned from all of them: which features are numbers and which
 * are words, which words, which classes. Nobody declares a schema; the log is one.
 *
 * A feature is numeric when more than half of its values are numbers (or text that reads as one),
 * else words; true and false are words, since their shares say all there is. Left out, with a note:
 * a feature that is mostly arrays, one that never has a value, and one whose words hardly repeat
 * (an identifier), since "never seen" would be true of every record. */
#include "score/fit_work.h"

#include "base/mem.h"
#include "model/metric.h"
#include "score/lookup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORDS (1 << 18) /* of a feature; what lies beyond is as good as never seen */
#define IDENTIFIER_LEAST 200 /* values before a feature can be found to be an identifier */
#define COUNTER_BACK .01     /* of all it moves, it moves back */
#define MOST_CLASSES_NAMED 10000
#define NUMBERS_LEAST 20 /* fewer different numbers may well be classes */

/* Words of one feature, with how many records hold each. */
struct tally_word {
	struct text text;
	size_t n;
	int32_t class; /* for votes */
};

struct words_seen {
	struct tally_word *at;
	size_t n, room;
};

static void seen_put(struct words_seen *w, struct text t, int32_t class)
{
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		w->at = mem_grow(w->at, w->room, sizeof *w->at);
	}
	w->at[w->n++] = (struct tally_word){t, 1, class};
}

static int text_compare(struct text a, struct text b)
{
	int order = memcmp(a.at, b.at, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int order_by_word(const void *a, const void *b)
{
	const struct tally_word *p = a, *q = b;

	return p->class != q->class ? (p->class > q->class) - (p->class < q->class)
				    : text_compare(p->text, q->text);
}

static int order_by_count(const void *a, const void *b)
{
	const struct tally_word *p = a, *q = b;

	return p->n != q->n ? (p->n < q->n) - (p->n > q->n) : order_by_word(a, b);
}

/* Equal words become one; commonest first, of equal count by their bytes. */
static void seen_settle(struct words_seen *w)
{
	size_t kept = 0;

	if (w->n == 0)
		return;
	qsort(w->at, w->n, sizeof *w->at, order_by_word);
	for (size_t i = 1; i < w->n; i++)
		if (order_by_word(&w->at[kept], &w->at[i]) == 0)
			w->at[kept].n++;
		else
			w->at[++kept] = w->at[i];
	w->n = kept + 1;
	qsort(w->at, w->n, sizeof *w->at, order_by_count);
}

/* Features. */

struct cells {
	size_t numbers, texts, truths, others; /* records whose value is one */
	size_t nulls;
};

static void column_cells(const struct column *c, size_t n, struct cells *to)
{
	double x;

	for (size_t i = 0; i < n; i++)
		switch ((enum cell)c->kind[i]) {
		case CELL_NUMBER:
			to->numbers++;
			break;
		case CELL_BOOL:
			to->truths++;
			break;
		case CELL_OTHER:
			to->others++;
			break;
		case CELL_TEXT:
			text_number(c->text[i], &x) ? to->numbers++ : to->texts++;
			break;
		case CELL_NULL:
			to->nulls++;
			break;
		default:
			break;
		}
}

static struct cells feature_cells(const struct fit *f, const char *name)
{
	struct cells cells = {0};

	for (size_t b = 0; b < f->n_batches; b++) {
		const struct column *c = columns_find(&f->batches[b]->features, name);

		if (c)
			column_cells(c, f->batches[b]->n, &cells);
	}
	return cells;
}

/* Text made here lies in the batch's arena, beside its own. */
static void column_words(const struct column *c, struct batch *b, struct words_seen *to)
{
	char number[32];

	for (size_t i = 0; i < b->n; i++)
		switch ((enum cell)c->kind[i]) {
		case CELL_TEXT:
			seen_put(to, c->text[i], 0);
			break;
		case CELL_BOOL:
			seen_put(to,
				c->number[i] != 0.0 ? (struct text){"true", 4}
						    : (struct text){"false", 5},
				0);
			break;
		case CELL_NUMBER: {
			size_t n = number_text(c->number[i], number);

			seen_put(
				to, (struct text){arena_span(b->arena, number, n), (uint32_t)n}, 0);
			break;
		}
		default:
			break;
		}
}

static struct words_seen feature_words(struct fit *f, const char *name)
{
	struct words_seen words = {0};

	for (size_t b = 0; b < f->n_batches; b++) {
		const struct column *c = columns_find(&f->batches[b]->features, name);

		if (c)
			column_words(c, f->batches[b], &words);
	}
	return words;
}

static void leave_out(struct fit *f, const char *name, char *why);

/* What a feature does from record to record, in the order of time. */
struct climb {
	size_t values, moves; /* numbers; differences that are not 0 */
	double up, down;      /* sums of those */
	double first, last;
};

static double number_of(const struct column *c, size_t row)
{
	double x = (double)NAN;

	if (c && c->kind[row] == CELL_NUMBER)
		x = c->number[row];
	else if (c && c->kind[row] == CELL_TEXT && !text_number(c->text[row], &x))
		x = (double)NAN;
	return x;
}

static struct climb feature_climb(const struct fit *f, const char *name)
{
	const struct column **columns = mem_zero(f->n_batches + 1, sizeof *columns);
	struct climb c = {.last = NAN};

	for (size_t b = 0; b < f->n_batches; b++)
		columns[b] = columns_find(&f->batches[b]->features, name);
	for (size_t i = 0; i < f->n_rows; i++) {
		double x = number_of(columns[f->rows[i].batch], f->rows[i].row), step = x - c.last;

		if (isnan(x))
			continue;
		c.first = c.values++ ? c.first : x;
		c.moves += step > 0 || step < 0;
		c.up += step > 0 ? step : 0;
		c.down += step < 0 ? -step : 0;
		c.last = x;
	}
	free(columns);
	return c;
}

/* A counter or a clock goes one way and hardly repeats: tomorrow all of it lies beyond today. What comes round again (the hour)
 * falls as far as it rises. */
static bool counter_leave_out(struct fit *f, const char *name)
{
	struct climb c = feature_climb(f, name);
	double less = fmin(c.up, c.down), more = fmax(c.up, c.down);

	if (c.values < IDENTIFIER_LEAST || c.moves < c.values / 2 || !(less <= COUNTER_BACK * more))
		return false;
	leave_out(f, name, mem_format("it only ever %s, like a counter or a clock (%.10g to %.10g); it is not watched by value",
		c.up > c.down ? "rises" : "falls", c.first, c.last));
	return true;
}

static void numeric_add(struct fit *f, const char *name)
{
	struct reference *r = f->r;

	if (counter_leave_out(f, name))
		return;
	r->numeric = mem_grow(r->numeric, r->n_numeric + 1, sizeof *r->numeric);
	r->numeric[r->n_numeric++] = mem_copy_text(name);
}

/* Had one record that holds the word not been there, would it be remembered? */
static bool word_seldom(const struct words_seen *words, size_t i)
{
	struct tally_word without = words->at[i];

	without.n--;
	return without.n == 0 || (words->n > MOST_WORDS && order_by_count(&without, &words->at[MOST_WORDS]) > 0);
}

static void category_put(struct fit *f, const char *name, const struct words_seen *words)
{
	struct reference *r = f->r;
	struct reference_category *c;
	size_t n = words->n < MOST_WORDS ? words->n : MOST_WORDS;

	r->category = mem_grow(r->category, r->n_category + 1, sizeof *r->category);
	f->seldom = mem_grow(f->seldom, r->n_category + 1, sizeof *f->seldom);
	c = &r->category[r->n_category];
	*c = (struct reference_category){mem_copy_text(name), mem_zero(n + 1, sizeof *c->words), n};
	f->seldom[r->n_category] = mem_zero(n + 1, 1);
	for (size_t i = 0; i < n; i++) {
		c->words[i] = mem_copy_span(words->at[i].text.at, words->at[i].text.n);
		f->seldom[r->n_category][i] = word_seldom(words, i);
	}
	r->n_category++;
	if (n < words->n)
		fit_note(f, "feature %s: of %zu different values the commonest %zu are remembered",
			name, words->n, n);
}

/* Not watched by value; that records have it is known all the same. */
static void leave_out(struct fit *f, const char *name, char *why)
{
	struct reference *r = f->r;

	fit_note(f, "feature %s is left out: %s", name, why);
	r->left_out = mem_grow(r->left_out, r->n_left_out + 1, sizeof *r->left_out);
	r->left_out[r->n_left_out++] = (struct reference_left_out){mem_copy_text(name), why};
}

/* Words that a single record holds. */
static size_t words_once(const struct words_seen *words)
{
	size_t n = 0;

	while (n < words->n && words->at[words->n - 1 - n].n == 1)
		n++;
	return n;
}

static void category_add(struct fit *f, const char *name)
{
	struct words_seen words = feature_words(f, name);
	size_t values = words.n;

	seen_settle(&words);
	if (values >= IDENTIFIER_LEAST && words.n > values / 2)
		leave_out(f, name,
			mem_format("it looks like an identifier: %.0f %% of its %zu values occur once; it is not watched by value",
				100.0 * (double)words_once(&words) / (double)values, values));
	else
		category_put(f, name, &words);
	free(words.at);
}

static void feature_add(struct fit *f, const char *name)
{
	struct cells cells = feature_cells(f, name);
	size_t all = cells.numbers + cells.texts + cells.truths + cells.others;

	if (all + cells.nulls == 1) {
		f->lone_fields = mem_grow(f->lone_fields, f->n_lone_fields + 1, sizeof *f->lone_fields);
		f->lone_fields[f->n_lone_fields++] = mem_copy_text(name);
	}
	if (all == 0)
		leave_out(f, name, mem_format("no record has a value"));
	else if (2 * cells.others > all)
		leave_out(f, name, mem_format("%zu of %zu values are neither number nor text", cells.others, all));
	else if (2 * cells.numbers > all)
		numeric_add(f, name);
	else
		category_add(f, name);
}

/* Every feature name of any record, in the order met. */
static void features_learn(struct fit *f)
{
	struct batch *names = batch_open("", 0, "", 0);

	for (size_t b = 0; b < f->n_batches; b++)
		for (size_t i = 0; i < f->batches[b]->features.n; i++) {
			const char *name = f->batches[b]->features.at[i].name;

			batch_column(names, &names->features, name, strlen(name), i, SIZE_MAX);
		}
	for (size_t i = 0; i < names->features.n; i++)
		feature_add(f, names->features.at[i].name);
	batch_close(names);
}

/* Logits. */

/* NULL where the row has none. */
static const float *row_logits(const struct batch *b, size_t row)
{
	const float *z = b->n_logits > 0 ? b->logits + row * b->n_logits : NULL;

	return z && !isnan(z[0]) ? z : NULL;
}

/* log(sum(exp)) of a row of log-probabilities is 0, to the digits they were logged with. */
static bool sums_to_one(const float *z, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += exp((double)z[i]);
	return fabs(log(sum)) < 1e-3;
}

static bool logits_normalised(const struct fit *f)
{
	size_t rows = 0, ones = 0;

	for (size_t b = 0; b < f->n_batches; b++)
		for (size_t i = 0; i < f->batches[b]->n; i++) {
			const float *z = row_logits(f->batches[b], i);

			rows += z != NULL;
			ones += z && sums_to_one(z, f->n_logits);
		}
	return rows > 0 && (double)ones >= 0.99 * (double)rows;
}

/* Classes. */

static int32_t largest_of(const float *z, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		best = z[i] > z[best] ? i : best;
	return (int32_t)best;
}

/* Which words are predicted where which logit is the largest (class -1: no logits). */
static struct words_seen votes_count(const struct fit *f)
{
	struct words_seen votes = {0};

	for (size_t i = 0; i < f->n_batches; i++) {
		const struct batch *b = f->batches[i];

		for (size_t row = 0; row < b->n; row++) {
			const float *z = row_logits(b, row);
			int32_t class = z ? largest_of(z, f->n_logits) : -1;

			if (b->prediction[row].at && b->prediction[row].n > 0 &&
				(class >= 0 || f->n_logits == 0))
				seen_put(&votes, b->prediction[row], class);
		}
	}
	seen_settle(&votes);
	return votes;
}

static bool class_named(const struct reference *r, struct text t)
{
	for (size_t i = 0; i < r->n_classes; i++)
		if (r->classes[i] && strlen(r->classes[i]) == t.n &&
			memcmp(r->classes[i], t.at, t.n) == 0)
			return true;
	return false;
}

/* Strongest vote first: a class takes its word unless a stronger one has it. */
static size_t classes_name(struct reference *r, const struct words_seen *votes)
{
	size_t agreed = 0;

	for (size_t i = 0; i < votes->n; i++) {
		int32_t class = votes->at[i].class;

		if (class < 0 || r->classes[class] || class_named(r, votes->at[i].text))
			continue;
		r->classes[class] = mem_copy_span(votes->at[i].text.at, votes->at[i].text.n);
		agreed += votes->at[i].n;
	}
	return agreed;
}

static size_t votes_cast(const struct words_seen *votes)
{
	size_t cast = 0;

	for (size_t i = 0; i < votes->n; i++)
		cast += votes->at[i].n;
	return cast;
}

/* A class that was never predicted has no name; when nothing was, each has its number. */
static void classes_fill(struct reference *r, bool by_number)
{
	for (size_t i = 0; i < r->n_classes; i++)
		if (!r->classes[i])
			r->classes[i] = by_number ? mem_format("%zu", i) : mem_copy_text("");
}

static void classes_of_logits(struct fit *f, const struct words_seen *votes)
{
	struct reference *r = f->r;
	size_t cast = votes_cast(votes), agreed;

	r->n_classes = f->n_logits;
	r->classes = mem_zero(r->n_classes + 1, sizeof *r->classes);
	agreed = classes_name(r, votes);
	classes_fill(r, cast == 0);
	if (cast > 0 && (double)agreed < 0.95 * (double)cast)
		fit_note(f,
			"the prediction is the class of the largest logit in only %.1f %% of the "
			"records",
			100.0 * (double)agreed / (double)cast);
}

static int word_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A regression's: numbers that are not whole, or too many to be classes. */
static bool predictions_are_numbers(const struct words_seen *votes, size_t cast, bool classes)
{
	size_t numbers = 0, broken = 0;
	double x;

	for (size_t i = 0; i < votes->n; i++)
		if (text_number(votes->at[i].text, &x)) {
			numbers += votes->at[i].n;
			broken += x == trunc(x) ? 0 : votes->at[i].n;
		}
	return votes->n >= NUMBERS_LEAST && (double)numbers >= .95 * (double)cast && (!classes || 2 * broken > cast);
}

/* They are counted as an output metric is. */
static void predictions_as_metric(struct fit *f)
{
	for (size_t k = 0; k < f->n_batches; k++) {
		struct batch *b = f->batches[k];
		size_t at = batch_column(b, &b->metrics, METRIC_PREDICTION, strlen(METRIC_PREDICTION), b->metrics.n, SIZE_MAX);

		for (size_t row = 0; row < b->n; row++)
			if (b->prediction[row].at) {
				b->metrics.at[at].kind[row] = CELL_TEXT;
				batch_text_put(b, &b->metrics.at[at], row, b->prediction[row]);
			}
	}
}

static bool metric_logged(const struct fit *f, const char *name)
{
	for (size_t k = 0; k < f->n_batches; k++)
		if (columns_find(&f->batches[k]->metrics, name))
			return true;
	return false;
}

static void classes_of_words(struct fit *f, const struct words_seen *votes)
{
	struct reference *r = f->r;
	size_t cast = votes_cast(votes);
	bool classes = votes->n <= MOST_CLASSES_NAMED && (cast < IDENTIFIER_LEAST || votes->n <= cast / 2);

	if (predictions_are_numbers(votes, cast, classes) && !metric_logged(f, METRIC_PREDICTION)) {
		fit_note(f, "predictions are numbers: watched as the measure " METRIC_PREDICTION ", not as classes");
		predictions_as_metric(f);
		return;
	}
	if (!classes) {
		fit_note(f,
			"predictions are left out: %zu different ones in %zu records are not "
			"classes",
			votes->n, cast);
		return;
	}
	r->n_classes = votes->n;
	r->classes = mem_zero(votes->n + 1, sizeof *r->classes);
	for (size_t i = 0; i < votes->n; i++)
		r->classes[i] = mem_copy_span(votes->at[i].text.at, votes->at[i].text.n);
	if (votes->n > 1)
		qsort(r->classes, r->n_classes, sizeof *r->classes, word_order);
}

/* Classes that a single record is of: had it not been there, the next one would be of a class never seen. */
static void classes_seldom(struct fit *f, const struct words_seen *votes)
{
	const struct reference *r = f->r;
	struct word_index classes;

	f->seldom_class = mem_zero(r->n_classes + 1, sizeof *f->seldom_class);
	word_index_open(&classes, r->classes, r->n_classes);
	for (size_t i = 0; i < votes->n; i++) {
		int32_t class = word_index_find(&classes, votes->at[i].text.at, votes->at[i].text.n);

		if (class >= 0)
			f->seldom_class[class] = votes->at[i].n == 1 && f->seldom_class[class] == 0 ? 1 : 2;
	}
	word_index_close(&classes);
}

static void classes_learn(struct fit *f)
{
	struct words_seen votes = votes_count(f);

	if (f->n_logits > 0)
		classes_of_logits(f, &votes);
	else
		classes_of_words(f, &votes);
	classes_seldom(f, &votes);
	free(votes.at);
}

void fit_schema(struct fit *f)
{
	f->r->n_logits = f->n_logits;
	f->r->n_embedding = f->n_embedding;
	f->r->logits_normalised = f->normalised || logits_normalised(f);
	if (f->n_other_width > 0)
		fit_note(f,
			"%lld records came in batches with a vector of another width than the "
			"first; that vector is not used",
			(long long)f->n_other_width);
	features_learn(f);
	classes_learn(f);
}
