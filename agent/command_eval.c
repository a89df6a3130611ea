/* SPDX-License-Identifier: Apache-2.0
 * oodd eval: what the pipeline says of logs whose truth is known. Records are laid beside labels, alarms beside the phases in
 * which something was moved. Everything comes through the ordinary pipeline; this file only listens. */
#include "commands.h"

#include "command_eval.h"
#include "offline.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct eval {
	struct offline offline;
	const char *labels_path, *phases_path, *model, *version;
	struct cli_list changes;
	struct labels_fields fields;
	long resamples;
	struct labels *labels;         /* NULL: none given */
	struct eval_records records;
	struct eval_classes classes;
	struct eval_streams streams;
	const struct stream *stream;   /* the one evaluated; NULL: no row of it yet */
	struct rate_budget budget;
	int64_t n_others;              /* rows of other streams */
	char *other;                   /* the first of them */
};

static bool watching(const struct eval *v)
{
	return v->streams.n_phases > 0;
}

/* The stream asked for, or the first one met. */
static bool is_ours(struct eval *v, const struct stream *s)
{
	if (!v->stream && (!v->model || !strcmp(v->model, s->model)) && (!v->version || !strcmp(v->version, s->version))) {
		v->stream = s;
		v->budget = (struct rate_budget){s->config->false_alarms.n, s->config->false_alarms.per_us, s->config->window_us, 0};
	}
	if (v->stream == s)
		return true;
	v->n_others++;
	if (!v->other)
		v->other = mem_format("%s %s", s->model, s->version);
	return false;
}

static void on_row(void *context, const struct stream *s, const struct batch *b, const struct scored *scored, size_t row)
{
	struct eval *v = context;

	if (!is_ours(v, s))
		return;
	if (v->labels)
		eval_records_add(&v->records, s->reference, v->labels, b, scored, row);
	if (v->labels)
		eval_classes_add(&v->classes, s->reference, v->labels, b, scored, row);
	if (watching(v))
		eval_streams_row(&v->streams, s->reference, b, scored, row);
}

static void on_signal(void *context, const struct signal *s)
{
	struct eval *v = context;

	if (v->stream && !strcmp(s->model, v->stream->model) && !strcmp(s->version, v->stream->version))
		eval_streams_signal(&v->streams, s);
}

static int begin(void *context, const struct house *house)
{
	struct eval *v = context;
	struct error e = {0};
	int status = 0;

	(void)house;
	if (!v->labels_path && !v->phases_path && !v->changes.n)
		return cli_fail(v->offline.self, EX_USAGE, "what is known of these logs? --labels FILE for records, --phases FILE or --change TIME for windows");
	if (v->phases_path && v->changes.n)
		return cli_fail(v->offline.self, EX_USAGE, "--phases and --change both say when something moved: give one of them");
	if (v->labels_path)
		status = labels_read(v->labels_path, &v->fields, &v->labels, &e);
	if (!status && v->phases_path)
		status = eval_phases_read(v->phases_path, &v->streams, &e);
	if (!status && v->changes.n)
		status = eval_phases_changes(v->changes.at, v->changes.n, &v->streams, &e);
	if (status)
		return cli_fail(v->offline.self, status == -ENOENT ? EX_NOINPUT : EX_DATAERR, "%s", e.text);
	v->offline.parts = watching(v) ? PIPELINE_ALL : PIPELINE_SCORE;
	return 0;
}

/* What was left out of the figures is said where nobody takes it for one of them. */
static void left_out(const struct eval *v, const struct counts *total)
{
	for (int i = 0; i < REJECT_N; i++)
		if (total->rejected[i].records)
			fprintf(stderr, "oodd eval: %lld records not evaluated: %s (%s)\n", (long long)total->rejected[i].records, reject_words[i],
				reject_helps[i]);
	if (v->n_others)
		fprintf(stderr, "oodd eval: %lld records of other streams (%s) left out: --model and --version name the one to evaluate\n",
			(long long)v->n_others, v->other);
	if (!v->stream)
		fprintf(stderr, "oodd eval: no record of %s%s%s that could be scored\n", v->model ? v->model : "any stream with a reference",
			v->version ? " " : "", v->version ? v->version : "");
}

static void put_json(struct eval *v)
{
	struct buf *to = &v->offline.out;
	const struct stream *s = v->stream;

	buf_text(to, "{\"model\":");
	buf_json_text(to, s->model, strlen(s->model));
	buf_text(to, ",\"version\":");
	buf_json_text(to, s->version, strlen(s->version));
	buf_text(to, ",\"flag_rate\":");
	buf_json_number(to, s->reference->flag_rate);
	if (v->labels)
		eval_records_json(&v->records, s->reference, v->labels, (size_t)v->resamples, to);
	eval_classes_json(&v->classes, to);
	if (watching(v))
		eval_streams_json(&v->streams, &v->budget, to);
	buf_text(to, "}\n");
}

static void finish(void *context, struct pipeline *p)
{
	struct eval *v = context;
	struct counts total;

	if (watching(v))
		pipeline_flush(p);
	pipeline_total(p, &total);
	left_out(v, &total);
	if (!v->stream)
		return;
	if (v->offline.json) {
		put_json(v);
		return;
	}
	if (v->labels)
		eval_records_text(&v->records, v->stream->reference, v->labels, (size_t)v->resamples, &v->offline.out);
	eval_classes_text(&v->classes, v->stream->reference, &v->offline.out);
	if (watching(v))
		eval_streams_text(&v->streams, &v->budget, &v->offline.out);
}

static void eval_done(struct eval *v)
{
	eval_records_done(&v->records);
	eval_classes_done(&v->classes);
	eval_streams_done(&v->streams);
	labels_close(v->labels);
	free(v->changes.at);
	free(v->other);
}

int command_eval(const struct command *self, int argc, char **argv)
{
	struct eval v = {
		.offline = {.self = self, .parts = PIPELINE_SCORE, .begin = begin, .finish = finish,
			.sinks = {.context = &v, .on_row = on_row, .on_signal = on_signal}},
		.fields = LABELS_FIELDS, .resamples = 1000,
	};
	const struct cli_option options[] = {
		{"labels", 0, CLI_TEXT, &v.labels_path, "FILE", "JSON Lines of {\"id\",\"ood\",\"kind\"}: records against the truth", 0, 0},
		{"id-field", 0, CLI_TEXT, &v.fields.id, "NAME", "of a label: the id of its record (default id)", 0, 0},
		{"ood-field", 0, CLI_TEXT, &v.fields.ood, "NAME", "of a label: true, false, or null for neither (default ood)", 0, 0},
		{"label-field", 0, CLI_TEXT, &v.fields.label, "NAME", "of a label: the true class (default label)", 0, 0},
		{"kind-field", 0, CLI_TEXT, &v.fields.kind, "NAME", "of a label: which kind of odd or normal it is (default kind)", 0, 0},
		{"phases", 0, CLI_TEXT, &v.phases_path, "FILE", "JSON with \"phases\": alarms against them; one named clean has no shift", 0, 0},
		{"change", 0, CLI_LIST, &v.changes, "TIME..", "a change at that time (or NAME=TIME) that lasts until the next; clean before", 0, 0},
		{"model", 0, CLI_TEXT, &v.model, "M", "the stream to evaluate (default: the first one met)", 0, 0},
		{"version", 0, CLI_TEXT, &v.version, "V", "and its version", 0, 0},
		{"resamples", 0, CLI_NUMBER, &v.resamples, "N", "of the bootstrap behind the intervals; 0: no intervals (default 1000)", 0, 100000},
		{0},
	};
	int status;

	v.offline.options = options;
	status = offline_command(&v.offline, argc, argv);
	if (!status && !v.stream && (v.labels || watching(&v)))
		status = EX_DATAERR;
	eval_done(&v);
	return status;
}
