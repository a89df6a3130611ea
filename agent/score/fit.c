/* SPDX-License-Identifier: Apache-2.0
 * The steps of a fit, in their order. */
#include "score/fit_work.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void defaults_fill(struct fit_options *o)
{
	o->version = o->version ? o->version : "";
	o->made_by = o->made_by ? o->made_by : "oodd";
	o->flag_rate = o->flag_rate > 0.0 ? o->flag_rate : 0.01;
	o->window_us = o->window_us > 0 ? o->window_us : 300 * INT64_C(1000000);
	o->bins = o->bins > 1 ? o->bins : 16;
	o->words = o->words > 0 ? o->words : 40;
	o->knots = o->knots >= 4 ? o->knots : 4096;
}

struct fit *fit_open(const struct fit_options *options, const struct plugins *plugins)
{
	struct fit *f = mem_zero(1, sizeof *f);

	f->o = *options;
	f->plugins = plugins;
	defaults_fill(&f->o);
	return f;
}

static void learned_free(struct fit *f)
{
	for (size_t i = 0; f->r && i < f->r->n_category; i++)
		free(f->seldom[i]);
	free(f->seldom);
	free(f->seldom_class);
	f->seldom_class = NULL;
	for (size_t i = 0; i < f->n_lone_fields; i++)
		free(f->lone_fields[i]);
	free(f->lone_fields);
	f->lone_fields = NULL;
	f->n_lone_fields = 0;
	free(f->lone_least);
	free(f->lone_most);
	f->seldom = NULL;
	f->lone_least = f->lone_most = NULL;
}

void fit_close(struct fit *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_batches; i++)
		batch_close(f->batches[i]);
	free(f->batches);
	free(f->rows);
	free(f);
}

void fit_note(struct fit *f, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	f->notes->lines = mem_grow(f->notes->lines, f->notes->n_lines + 1, sizeof *f->notes->lines);
	f->notes->lines[f->notes->n_lines++] = mem_copy_text(line);
}

void fit_notes_done(struct fit_notes *notes)
{
	for (size_t i = 0; i < notes->n_lines; i++)
		free(notes->lines[i]);
	free(notes->lines);
	*notes = (struct fit_notes){0};
}

static int size_check(const struct fit *f, struct error *e)
{
	if (f->n_rows < FIT_LEAST_RECORDS)
		return error_set(e, -EINVAL,
			"%s: %zu records are too few to say what normal is; at least %d are "
			"needed, a few thousand "
			"are better",
			f->o.model, f->n_rows, FIT_LEAST_RECORDS);
	if (f->o.flag_rate >= 1.0)
		return error_set(e, -EINVAL, "%s: flag rate %g, expected one between 0 and 1",
			f->o.model, f->o.flag_rate);
	return 0;
}

static void provenance_fill(struct fit *f)
{
	struct reference *r = f->r;

	r->model = mem_copy_text(f->o.model);
	r->version = mem_copy_text(f->o.version);
	r->made_by = mem_copy_text(f->o.made_by);
	r->made_us = f->o.made_us;
	r->first_us = f->rows[0].time_us;
	r->last_us = f->rows[f->n_rows - 1].time_us;
	r->logs = mem_zero(f->o.n_logs + 1, sizeof *r->logs);
	for (size_t i = 0; i < f->o.n_logs; i++)
		r->logs[r->n_logs++] = mem_copy_text(f->o.logs[i]);
	r->flag_rate = f->o.flag_rate;
	r->strict = f->o.strict;
	r->tails = true;
	r->window_us = f->o.window_us;
	f->notes->n_records = (int64_t)f->n_rows;
}

static int reference_make(struct fit *f, struct error *e)
{
	int code = size_check(f, e);

	if (code < 0)
		return code;
	fit_rows_sort(f);
	provenance_fill(f);
	fit_split(f);
	fit_schema(f);
	code = fit_detectors(f, e);
	if (code < 0)
		return code;
	fit_measures(f);
	if (f->o.like)
		fit_note(f, "bins are those of version %s where both count the same, so that the two versions can be compared", f->o.like->version);
	fit_performance(f);
	fit_truth(f);
	fit_slices_place(f);
	fit_opportunity(f);
	code = fit_windows(f, e);
	if (code == 0)
		fit_calm(f);
	return code == 0 ? reference_check(f->r, e) : code;
}

int fit_finish(struct fit *f, struct reference **ret, struct fit_notes *notes, struct error *e)
{
	int code;

	*notes = (struct fit_notes){0};
	f->notes = notes;
	f->r = reference_new();
	code = reference_make(f, e);
	learned_free(f);
	if (code < 0)
		reference_close(f->r);
	else
		*ret = f->r;
	f->r = NULL;
	return code;
}
