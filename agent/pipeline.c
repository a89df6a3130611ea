/* SPDX-License-Identifier: Apache-2.0
 * The order of the stages. pipeline_work is the left half: decode, route, score, calibrate; it may run on any thread, since
 * all it shares is const. pipeline_apply is the right half: rows into windows, closed windows to the judge, signals to the
 * rules, alerts out; it runs on the loop thread, chunk after chunk in reading order, and every decision in it depends on the
 * sequence of records alone, never on where chunks were cut: hence replay equals run. */
#include "pipeline_room.h"

#include "odd_records.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "score/count.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PEEK_BYTES = 64 * 1024, INHERITED_MOST = 256 };
#define INHERITED_SILENT_US (INT64_C(86400) * 1000000)

static int rules_of(const struct config *config, struct rules **ret, struct buf *errors)
{
	const char **endpoints = mem_zero(config->n_endpoints, sizeof *endpoints);
	struct rules_options o = {
		.files = (const char *const *)config->rules, .n_files = config->n_rules, .endpoints = endpoints,
		.n_endpoints = config->n_endpoints, .memory = (size_t)config->rule_memory, .cpu_us = config->rule_cpu_us,
	};
	int status;

	for (size_t i = 0; i < config->n_endpoints; i++)
		endpoints[i] = config->endpoints[i].name;
	status = rules_open(&o, ret, errors);
	free(endpoints);
	return status;
}

struct pipeline *pipeline_open(const struct config *config, const struct plugins *plugins, const struct pipeline_sinks *sinks,
	enum pipeline_parts parts, struct buf *errors)
{
	struct pipeline *p = mem_zero(1, sizeof *p);
	size_t mistakes = 0;

	p->config = config;
	p->plugins = plugins;
	p->parts = parts;
	p->sinks = *sinks;
	p->counts = mem_zero(config->n_sources, sizeof *p->counts);
	p->counts_moved = mem_zero(config->n_sources, sizeof *p->counts_moved);
	p->peekers = mem_zero(config->n_sources, sizeof(struct decoder *));
	decoded_init(&p->peeked);
	p->explainer = explainer_open();
	if (parts >= PIPELINE_SCORE)
		mistakes += streams_open(config, plugins, &p->streams, errors);
	if (parts >= PIPELINE_ALL) {
		struct truths_sinks to = {sinks->context, sinks->on_label, sinks->on_accuracy};

		p->truths = truths_open(config, &p->streams, p->counts, p->counts_moved, &to);
	}
	if (parts >= PIPELINE_ALL && rules_of(config, &p->rules, errors))
		mistakes++;
	if (!mistakes)
		return p;
	pipeline_close(p);
	return NULL;
}

static void chunk_free(struct chunk *c)
{
	for (size_t i = 0; i < c->n_room; i++) {
		scored_done(&c->scored[i]);
		odd_reasons_done(&c->reasons[i]);
	}
	free(c->scored);
	free(c->reasons);
	explainer_close(c->explainer);
	free(c->streams);
	scorer_space_done(&c->space);
	decoded_done(&c->decoded);
	decoder_close(c->decoder);
	free(c->at);
	free(c);
}

void pipeline_close(struct pipeline *p)
{
	struct chunk *next;

	if (!p)
		return;
	for (struct chunk *c = p->idle; c; c = next) {
		next = c->next;
		chunk_free(c);
	}
	for (size_t i = 0; i < p->config->n_sources; i++)
		decoder_close(p->peekers[i]);
	for (size_t i = 0; i < p->n_strangers; i++) {
		free(p->strangers[i].model);
		free(p->strangers[i].version);
	}
	for (size_t i = 0; i < p->n_given_up; i++)
		free(p->given_up[i]);
	free(p->given_up);
	decoded_done(&p->peeked);
	backlogs_close(p->backlogs);
	buf_done(&p->waiting);
	teacher_close(p->teacher);
	explainer_close(p->explainer);
	rules_close(p->rules);
	truths_close(p->truths);
	versions_done(&p->versions);
	streams_close(&p->streams);
	free(p->peekers);
	free(p->counts_moved);
	free(p->counts);
	free(p);
}

const struct streams *pipeline_streams(const struct pipeline *p)
{
	return &p->streams;
}

const struct config *pipeline_config(const struct pipeline *p)
{
	return p->config;
}

struct rules *pipeline_rules(struct pipeline *p)
{
	return p->rules;
}

/* Left half: work on a chunk, on any thread. */

static struct decoder *decoder_for(const struct pipeline *p, size_t source)
{
	struct decoder *d = decoder_open(&p->config->sources[source].decode);

	for (size_t i = 0; i < p->streams.n; i++) {
		const struct stream *s = p->streams.at[i];

		decoder_shape(d, s->model, s->version, s->reference->n_logits, s->reference->n_embedding);
	}
	return d;
}

struct chunk *chunk_take(struct pipeline *p, size_t source, size_t room)
{
	struct chunk **at = &p->idle, *c;

	/* One of the same source remembers the shape of its records. */
	while (*at && (*at)->source != source)
		at = &(*at)->next;
	c = *at;
	if (c) {
		*at = c->next;
		c->next = NULL;
	} else {
		c = mem_zero(1, sizeof *c);
		c->source = source;
		c->decoder = decoder_for(p, source);
		scorer_space_init(&c->space);
		decoded_init(&c->decoded);
	}
	if (c->room < room) {
		free(c->at);
		c->at = mem_aligned(room);
		c->room = room;
	}
	c->n = 0;
	c->skipping = c->final = false;
	c->behind = NULL;
	return c;
}

void chunk_give(struct pipeline *p, struct chunk *c)
{
	c->next = p->idle;
	p->idle = c;
}

static void chunk_batches(struct chunk *c, size_t n)
{
	if (n <= c->n_room)
		return;
	c->scored = mem_grow(c->scored, n, sizeof *c->scored);
	c->reasons = mem_grow(c->reasons, n, sizeof *c->reasons);
	c->streams = mem_grow(c->streams, n, sizeof(struct stream *));
	for (size_t i = c->n_room; i < n; i++) {
		scored_init(&c->scored[i]);
		c->reasons[i] = (struct odd_reasons){0};
	}
	c->n_room = n;
}

void pipeline_work(struct pipeline *p, struct chunk *c)
{
	decoded_reset(&c->decoded);
	decoder_run(c->decoder, c->at, c->n, c->offset, c->skipping, c->final, &c->decoded);
	chunk_batches(c, c->decoded.n_batches);
	if (truths_source(p->config, c->source))
		return;
	for (size_t i = 0; i < c->decoded.n_batches; i++) {
		const struct batch *b = c->decoded.batches[i];

		c->streams[i] = streams_find(&p->streams, b->model, b->version);
		odd_reasons_done(&c->reasons[i]);
		if (!c->streams[i])
			continue;
		scorer_run(c->streams[i]->scorer, &c->space, b, &c->scored[i]);
		if (p->parts == PIPELINE_ALL)
			odd_reasons_make(&c->reasons[i], &c->explainer, c->streams[i], &c->space, b, &c->scored[i]);
	}
}

int64_t pipeline_peek(struct pipeline *p, size_t source, const char *at, size_t n)
{
	const char *newline = p->config->sources[source].decode.format == FORMAT_JSONL ? memchr(at, '\n', n) : NULL;

	if (newline)
		n = (size_t)(newline - at) + 1;
	if (!p->peekers[source])
		p->peekers[source] = decoder_open(&p->config->sources[source].decode);
	decoded_reset(&p->peeked);
	decoder_run(p->peekers[source], at, newline || n < PEEK_BYTES ? n : PEEK_BYTES, 0, false, false, &p->peeked);
	return p->peeked.first_us;
}

size_t pipeline_whole(const struct pipeline *p, size_t source, const char *at, size_t n)
{
	const char *newline;

	if (p->config->sources[source].decode.format != FORMAT_JSONL)
		return 0;
	newline = memrchr(at, '\n', n);
	return newline ? (size_t)(newline - at) + 1 : 0;
}

const struct decode_options *pipeline_decode_options(const struct pipeline *p, size_t source)
{
	return &p->config->sources[source].decode;
}

/* Right half: apply, on the loop thread. */

static void alert_out(void *context, const struct alert *a)
{
	struct pipeline *p = context;

	if (p->sinks.on_alert)
		p->sinks.on_alert(p->sinks.context, a);
}

static void compared(void *context, const struct comparison *c)
{
	struct pipeline *p = context;

	if (p->sinks.on_compare)
		p->sinks.on_compare(p->sinks.context, c);
	if (p->rules) {
		rules_compare(p->rules, c, alert_out, p);
		p->rules_moved = true;
	}
}

static void window_closed(struct pipeline *p, struct stream *s, struct window *w)
{
	struct signal signal;

	s->moved = true;
	if (p->sinks.on_window)
		p->sinks.on_window(p->sinks.context, s, w);
	judge_window(s->judge, w, &signal);
	if (p->teacher)
		teacher_signal(p->teacher, &signal);
	odd_records_close(&p->sinks, s, w, &signal);
	truths_window(p->truths, s, w, &signal);
	if (p->sinks.on_signal)
		p->sinks.on_signal(p->sinks.context, &signal);
	if (p->rules) {
		rules_signal(p->rules, &signal, alert_out, p);
		p->rules_moved = true;
	}
	signal_done(&signal);
	versions_window(&p->versions, &p->streams, s, w, compared, p);
}

static void windows_handed_out(struct pipeline *p, struct stream *s)
{
	struct window w;

	while (windows_due(s->windows, &w)) {
		window_closed(p, s, &w);
		window_done(&w);
	}
}

static bool stranger_known(struct pipeline *p, const char *model, const char *version)
{
	for (size_t i = 0; i < p->n_strangers; i++)
		if (!strcmp(p->strangers[i].model, model) && !strcmp(p->strangers[i].version, version))
			return true;
	if (p->n_strangers < STRANGERS_NAMED)
		p->strangers[p->n_strangers++] = (struct stranger){mem_copy_text(model), mem_copy_text(version)};
	return p->n_strangers == STRANGERS_NAMED;
}

/* Rows of a stream that has no reference: counted, and said once. */
static void apply_stranger(struct pipeline *p, struct counts *counts, const struct batch *b)
{
	bool named = config_model(p->config, b->model) != NULL;
	struct tally *to = &counts->rejected[named ? REJECT_NO_REFERENCE : REJECT_NO_STREAM];

	for (size_t i = 0; i < b->n; i++) {
		to->records++;
		to->bytes += b->length[i];
	}
	if (stranger_known(p, b->model, b->version))
		return;
	log_warning("pipeline", named ? "no reference for this version of the model: its records are counted, not scored"
				      : "the configuration names no such model: its records are counted, not scored",
		"model", log_s(b->model), "version", log_s(b->version));
}

/* Where a row counts: its window, or why in none. */
static struct tally *row_tally(struct counts *counts, int pushed)
{
	return !pushed ? &counts->scored : pushed == -ERANGE ? &counts->rejected[REJECT_FUTURE] : &counts->late;
}

/* The first late record of a source, the tenth, the hundredth ..: a clock that was set back, or files in the wrong order, are seen before
 * somebody wonders where the windows are. */
static void late_say(const struct pipeline *p, const struct chunk *c, const struct stream *s, int64_t before)
{
	int64_t late = p->counts[c->source].late.records, step = 1;

	while (step <= before)
		step *= 10;
	if (late >= step)
		log_warning("pipeline", "records came when their window was closed: they are counted as late, in no window", "source",
			log_s(p->config->sources[c->source].name), "model", log_s(s->model), "version", log_s(s->version), "late", log_n(late),
			"file", log_s(c->path));
}

/* Rows [from, end) of the batch into the windows of their stream. */
static void apply_rows(struct pipeline *p, struct chunk *c, struct stream *s, size_t batch, size_t from, size_t end, int64_t hold_us)
{
	const struct batch *b = c->decoded.batches[batch];
	const struct scored *scored = &c->scored[batch];
	struct counts *counts = &p->counts[c->source];
	int64_t reached_us = TIME_NONE, late = counts->late.records;
	size_t named = 0;

	for (size_t i = from; i < end; i++) {
		struct window *w;
		struct tally *to;
		int pushed;

		/* Other files may be further on than this one: its own progress holds windows open for it, too. */
		if (b->time_us[i] > reached_us)
			reached_us = b->time_us[i];
		pushed = windows_push(s->windows, b->time_us[i], reached_us < hold_us ? reached_us : hold_us, &w);
		to = row_tally(counts, pushed);

		to->records++;
		to->bytes += b->length[i];
		if (pushed)
			continue;
		scored_count(scored, i, w);
		if (s->truth)
			truths_predicted(p->truths, s, b, scored, i);
		counts->no_detectors += s->reference->n_detectors == 0;
		scored_name(scored, b, i, &named, w);
		counts->flagged += scored->flagged[i];
		if (scored->flagged[i] || scored->faulty[i])
			odd_record_apply(&p->sinks, p->explainer, &c->reasons[batch], s, b, scored, i, w, c->at + (b->offset[i] - c->offset));
	}
	late_say(p, c, s, late);
	windows_touch(s->windows, clock_monotonic_us());
	s->moved = true;
	windows_handed_out(p, s);
}

/* Rows of all streams in the order of the file. */
static void rows_out(struct pipeline *p, const struct chunk *c)
{
	size_t n = c->decoded.n_batches, *row = mem_zero(n, sizeof *row);

	for (;;) {
		size_t first = n;

		for (size_t i = 0; i < n; i++) {
			const struct batch *b = c->decoded.batches[i];

			if (c->streams[i] && row[i] < b->n &&
				(first == n || b->offset[row[i]] < c->decoded.batches[first]->offset[row[first]]))
				first = i;
		}
		if (first == n)
			break;
		p->sinks.on_row(p->sinks.context, c->streams[first], c->decoded.batches[first], &c->scored[first], row[first]++);
	}
	free(row);
}

/* When a stream was last heard of, as far as is known: one whose first records have not been counted yet is not silent. */
static int64_t silent_since(const struct stream *s)
{
	int64_t watermark = windows_watermark(s->windows), end = windows_next_end(s->windows);

	return watermark != TIME_NONE ? watermark : end != TIME_NONE ? end : INT64_MAX - INHERITED_SILENT_US;
}

/* Too many versions live by what they inherited: the one that has been silent longest is given up, if it has been for a day. */
static bool inherited_room(struct pipeline *p, int64_t now_us)
{
	struct stream *oldest = NULL;

	if (streams_inherited(&p->streams) < INHERITED_MOST)
		return true;
	for (size_t i = 0; i < p->streams.n; i++) {
		struct stream *s = p->streams.at[i];

		if (!s->retired && s->reference->inherited_from && (!oldest || silent_since(s) < silent_since(oldest)))
			oldest = s;
	}
	if (!oldest || now_us < silent_since(oldest) + INHERITED_SILENT_US)
		return false;
	windows_flush(oldest->windows);
	windows_handed_out(p, oldest);
	oldest->retired = true;
	p->given_up = mem_grow(p->given_up, p->n_given_up + 1, sizeof *p->given_up);
	p->given_up[p->n_given_up++] = mem_copy_text(oldest->key);
	return true;
}

/* A version that no reference knows, of a model that one does: watched by what does not depend on the model, from its first
 * record on. NULL when there is nothing to watch it by. */
static struct stream *stream_of_new_version(struct pipeline *p, const char *model, const char *version, int64_t now_us)
{
	struct stream *from = streams_ancestor(&p->streams, model), *s, *before;
	struct error e = {0};

	if (!from || !inherited_room(p, now_us) || stream_inherit(from, version, p->plugins, &s, &e))
		return NULL;
	if (streams_put(&p->streams, s, &before)) {
		stream_close(s);
		return NULL;
	}
	log_info("pipeline", "a new version of the model: its features are judged as those of the version before were; the rest when it "
			     "has a reference of its own", "model", log_s(model), "version", log_s(version), "inherited_from",
		log_s(from->version));
	return s;
}

/* A batch whose stream came, or was replaced, after pipeline_work had looked. Scored here, on the loop thread: so which records
 * are counted by which reference depends on their order alone, not on how many chunks were under way. */
static void batch_catch_up(struct pipeline *p, struct chunk *c, size_t i)
{
	const struct batch *b = c->decoded.batches[i];
	struct stream *s = streams_find(&p->streams, b->model, b->version);

	if (!s && p->parts == PIPELINE_ALL)
		s = stream_of_new_version(p, b->model, b->version, b->time_us[0]);
	c->streams[i] = s;
	odd_reasons_done(&c->reasons[i]); /* of the one before */
	if (s)
		scorer_run(s->scorer, &c->space, b, &c->scored[i]);
}

/* Records that wait (backlog.h). */

/* The model, by its own name, whose records have to wait before these, or NULL. `pattern`: these are labels, and say only which models
 * they may be of. */
static const char *has_to_wait(const struct pipeline *p, const struct chunk *c, const char *model, bool pattern)
{
	const char *found = p->backlogs ? teacher_busy(p->teacher, model, pattern) : NULL;

	return found || !p->backlogs || c->behind ? found : backlogs_waits(p->backlogs, model, pattern);
}

/* Rows [from, b->n) are put behind what waits. False: that cannot be done, said once; they go on as if nothing waited. */
static bool rows_wait(struct pipeline *p, const struct chunk *c, const struct batch *b, size_t from, const char *model, int64_t hold_us)
{
	struct backlog_piece piece = {.source = c->source, .hold_us = hold_us};
	struct tally tally = {0};
	struct error e = {0};
	int status;

	buf_clear(&p->waiting);
	for (size_t i = from; i < b->n; i++) {
		buf_put(&p->waiting, c->at + (b->offset[i] - c->offset), b->length[i]);
		tally.records++;
		tally.bytes += b->length[i];
	}
	piece.n = p->waiting.n;
	status = backlogs_put(p->backlogs, model, &piece, p->waiting.at, tally, &e);
	if (status && !p->told_waiting)
		log_error("pipeline", "records cannot wait for their reference; they go on as long as that is so", "model", log_s(model),
			"error", log_s(e.text));
	p->told_waiting = status != 0;
	if (status)
		return false;
	p->counts[c->source].in_flight.records += tally.records;
	p->counts[c->source].in_flight.bytes += tally.bytes;
	return true;
}

/* A relearning hears of an alarm with the window that raises it, so rows are taken up to the one that lets a window close: by their
 * times alone, wherever the batch was cut. */
static size_t step_end(const struct stream *s, const struct batch *b, size_t from, int64_t hold_us)
{
	int64_t mark, next, reached = TIME_NONE;

	if (!s || s->reference->inherited_from)
		return b->n;
	mark = windows_watermark(s->windows);
	next = mark == TIME_NONE ? mark : mark - mark % s->config->window_us + s->config->window_us;
	for (size_t i = from; i < b->n; i++) {
		reached = b->time_us[i] > reached ? b->time_us[i] : reached;
		if ((reached < hold_us ? reached : hold_us) - s->config->lateness_us >= next)
			return i + 1;
	}
	return b->n;
}

/* With a teacher: rows up to the one behind which the stream changes, then on with what it is by then. Returns the row from which on
 * records are to wait, else b->n. */
static size_t apply_taught(struct pipeline *p, struct chunk *c, size_t i, int64_t hold_us)
{
	const struct batch *b = c->decoded.batches[i];
	const char *model;

	for (size_t from = 0, end; from < b->n; from = end) {
		struct stream *s;

		model = has_to_wait(p, c, b->model, false);
		if (model && (c->behind || rows_wait(p, c, b, from, model, hold_us)))
			return from;
		if (!c->streams[i] || c->streams[i]->retired)
			batch_catch_up(p, c, i);
		s = c->streams[i];
		end = teacher_rows(p->teacher, c->source, c->at, c->offset, b, s, from, step_end(s, b, from, hold_us), &p->counts[c->source]);
		if (s)
			apply_rows(p, c, s, i, from, end, hold_us);
		teacher_settle(p->teacher);
	}
	return b->n;
}

/* Returns as apply_taught. */
static size_t apply_batch(struct pipeline *p, struct chunk *c, size_t i, int64_t hold_us)
{
	const struct batch *b = c->decoded.batches[i];
	const struct model_config *m = p->teacher ? config_model(p->config, b->model) : NULL;

	if (p->parts == PIPELINE_DECODE)
		p->sinks.on_batch(p->sinks.context, b);
	else if (m && (m->learn.on || c->streams[i] || has_to_wait(p, c, b->model, false)))
		return apply_taught(p, c, i, hold_us);
	else if (!c->streams[i])
		apply_stranger(p, &p->counts[c->source], b);
	else if (p->parts == PIPELINE_ALL)
		apply_rows(p, c, c->streams[i], i, 0, b->n, hold_us);
	return b->n;
}

/* Labels of records that wait wait behind them. */
static void apply_labels(struct pipeline *p, const struct chunk *c, int64_t hold_us)
{
	for (size_t i = 0; i < c->decoded.n_batches && p->truths; i++) {
		const struct batch *b = c->decoded.batches[i];
		const char *model = b->n && !c->behind ? has_to_wait(p, c, b->model, true) : NULL;

		if (b->n && !(model && rows_wait(p, c, b, 0, model, hold_us)))
			truths_batch(p->truths, c->source, b);
	}
}

/* What no thread has scored yet, because its stream came or was replaced meanwhile. Records that are to wait are left for then. */
static void chunk_catch_up(struct pipeline *p, struct chunk *c)
{
	for (size_t i = 0; i < c->decoded.n_batches && p->parts >= PIPELINE_SCORE; i++) {
		const struct batch *b = c->decoded.batches[i];

		if (b->n && (!c->streams[i] || c->streams[i]->retired) && !has_to_wait(p, c, b->model, false))
			batch_catch_up(p, c, i);
	}
}

void pipeline_apply(struct pipeline *p, struct chunk *c, int64_t hold_us)
{
	counts_add(&p->counts[c->source], &c->decoded.counts);
	p->counts_moved[c->source] = true;
	if (p->sinks.on_reject)
		for (size_t i = 0; i < c->decoded.n_rejects; i++)
			p->sinks.on_reject(p->sinks.context, c->source, c->path, &c->decoded.rejects[i]);
	if (truths_source(p->config, c->source)) {
		apply_labels(p, c, hold_us);
		return;
	}
	chunk_catch_up(p, c);
	if (p->sinks.on_row)
		rows_out(p, c);
	for (size_t i = 0; i < c->decoded.n_batches; i++)
		if (c->decoded.batches[i]->n)
			apply_batch(p, c, i, hold_us);
}

static bool free_of_teacher(void *context, const char *model)
{
	return !teacher_busy(((const struct pipeline *)context)->teacher, model, false);
}

struct chunk *pipeline_behind(struct pipeline *p)
{
	struct backlog_piece piece;
	struct backlog *b;

	while (p->backlogs && (b = backlogs_next(p->backlogs, free_of_teacher, p, &piece))) {
		struct chunk *c = chunk_take(p, piece.source, piece.n);
		struct error e = {0};
		int status = backlog_read(b, &piece, c->at, &e);

		if (!status) {
			c->behind = b;
			c->piece = piece;
			c->n = piece.n;
			c->offset = 0;
			c->final = true;
			return c;
		}
		chunk_give(p, c);
		log_error("pipeline", "records that waited for their reference cannot be read back; they are counted under no_reference", "error",
			log_s(e.text));
		backlog_lost(b, waiting_lost, p);
	}
	return NULL;
}

void pipeline_apply_behind(struct pipeline *p, struct chunk *c)
{
	struct counts *counts = &p->counts[c->source];
	bool labels = truths_source(p->config, c->source);
	struct tally done = {0};

	p->counts_moved[c->source] = true;
	if (labels)
		apply_labels(p, c, c->piece.hold_us);
	else
		chunk_catch_up(p, c);
	for (size_t i = 0, row; i < c->decoded.n_batches; i++) {
		const struct batch *b = c->decoded.batches[i];

		row = labels || !b->n ? b->n : apply_batch(p, c, i, c->piece.hold_us);
		for (size_t k = 0; k < row; k++) {
			done.records++;
			done.bytes += b->length[k];
		}
		if (row < b->n)
			break;
	}
	counts->in_flight.records -= done.records;
	counts->in_flight.bytes -= done.bytes;
	backlog_took(c->behind, &c->piece, done);
}

bool pipeline_full(const struct pipeline *p)
{
	return p->backlogs && backlogs_full(p->backlogs);
}

void pipeline_idle(struct pipeline *p, int64_t monotonic_us)
{
	for (size_t i = 0; i < p->streams.n; i++) {
		struct stream *s = p->streams.at[i];

		/* Records that wait are no silence. */
		if (p->backlogs && (backlogs_waits(p->backlogs, s->model, false) || teacher_busy(p->teacher, s->model, false)))
			continue;
		if (!s->retired && windows_idle(s->windows, monotonic_us, s->config->idle_us))
			windows_handed_out(p, s);
	}
}

void pipeline_flush(struct pipeline *p)
{
	for (size_t i = 0; i < p->streams.n; i++) {
		windows_flush(p->streams.at[i]->windows);
		windows_handed_out(p, p->streams.at[i]);
	}
	if (p->truths)
		truths_flush(p->truths);
}

struct counts *pipeline_counts(struct pipeline *p, size_t source)
{
	return &p->counts[source];
}

void pipeline_total(const struct pipeline *p, struct counts *ret)
{
	*ret = (struct counts){0};
	for (size_t i = 0; i < p->config->n_sources; i++)
		counts_add(ret, &p->counts[i]);
}

/* Learning. */

void pipeline_teach(struct pipeline *p, const struct teaching *o)
{
	p->teacher = teacher_open(p->config, p->plugins, &p->streams, o);
	if (!o->ready)
		p->backlogs = backlogs_open(p->config, o->dir);
}

struct teacher *pipeline_teacher(struct pipeline *p)
{
	return p->teacher;
}

void pipeline_sweep(struct pipeline *p)
{
	streams_sweep(&p->streams);
}

bool pipeline_committed(struct pipeline *p)
{
	return p->teacher && teacher_committed(p->teacher);
}

/* Rules on="learned" hear of it, and nobody else: it is no window. */
static void say_learned(struct pipeline *p, const struct stream *s, const struct learner_known *k)
{
	struct signal signal = {
		.model = s->model, .version = s->version, .start_us = k->first_us == TIME_NONE ? s->reference->first_us : k->first_us,
		.end_us = k->newest_us == TIME_NONE ? s->reference->last_us : k->newest_us, .n = k->kept, .state = SIGNAL_LEARNED,
		.since_us = TIME_NONE,
	};

	if (p->sinks.on_signal)
		p->sinks.on_signal(p->sinks.context, &signal);
	if (!p->rules)
		return;
	rules_signal(p->rules, &signal, alert_out, p);
	p->rules_moved = true;
}

int pipeline_activate(struct pipeline *p, struct learner *l, const char *fresh, struct error *e)
{
	struct learner_known known = l->known;
	struct stream *s, *before = NULL;
	int status = teacher_activate(p->teacher, l, fresh, &s, &before, e);

	if (status)
		return status;
	s->moved = true;
	for (struct chunk *c = p->idle; c; c = c->next)
		decoder_shape(c->decoder, s->model, s->version, s->reference->n_logits, s->reference->n_embedding);
	say_learned(p, s, &known);
	if (before) {
		windows_flush(before->windows);
		windows_handed_out(p, before);
	}
	return 0;
}
