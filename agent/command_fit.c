/* SPDX-License-Identifier: Apache-2.0
 * oodd fit: reference logs in, a reference out. Decoding is the pipeline's, learning is score/fit.c's and judge/learn.c's. */
#include "commands.h"

#include "house.h"
#include "labels.h"
#include "logs.h"
#include "pipeline.h"
#include "reference_place.h"
#include "streams.h"
#include "base/clock.h"
#include "base/mem.h"
#include "judge/judge.h"
#include "score/fit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

enum { VERSIONS = 32 };

struct fitting {
	const struct command *self;
	const char *config, *model, *version, *output, *source, *like_path;
	struct cli_list any, fit, calibrate, of;
	const char *labels_path;
	struct labels *labels;       /* NULL: none given */
	struct labels_fields fields;
	bool json, no_detectors, background;
	struct house house;
	const struct model_config *settings;
	struct fit_options options;
	struct fit *work;
	struct reference *like;      /* of another version of the model; NULL: there is none */
	enum fit_part part;
	char *first_version;         /* of the first record of the model: the one that is fitted unless --version says else */
	char *others[VERSIONS];      /* further versions met, and left out */
	size_t n_others;
	int64_t n_taken, n_left;
	bool unwritten;              /* a reference was made, and could not be put there */
	struct error error;
	int status;
};

static void other_version(struct fitting *f, const struct batch *b)
{
	f->n_left += (int64_t)b->n;
	if (strcmp(b->model, f->model))
		return;
	for (size_t i = 0; i < f->n_others; i++)
		if (!strcmp(f->others[i], b->version))
			return;
	if (f->n_others < VERSIONS)
		f->others[f->n_others++] = mem_copy_text(b->version);
}

/* Of the model's other versions, the reference that saw the newest records. */
static void like_find(void *context, const char *path)
{
	struct fitting *f = context;
	struct reference *r;
	struct error e;

	if (reference_read(path, &r, &e))
		return;
	if (!strcmp(r->model, f->model) && strcmp(r->version, f->first_version) && (!f->like || r->last_us > f->like->last_us)) {
		reference_close(f->like);
		f->like = r;
	} else {
		reference_close(r);
	}
}

static void on_batch(void *context, const struct batch *b)
{
	struct fitting *f = context;

	if (f->status)
		return;
	if (!strcmp(b->model, f->model) && !f->first_version) {
		f->first_version = mem_copy_text(f->version ? f->version : b->version);
		f->options.version = f->first_version;
		if (!f->like_path)
			reference_each(f->settings, f->house.config->state, like_find, f);
		else if (*f->like_path)
			like_find(f, f->like_path);
		f->options.like = f->like;
		f->work = fit_open(&f->options, f->house.plugins);
	}
	if (!f->first_version || strcmp(b->model, f->model) || strcmp(b->version, f->first_version)) {
		other_version(f, b);
		return;
	}
	f->n_taken += (int64_t)b->n;
	f->status = fit_add(f->work, f->part, b, &f->error);
}

static bool label_of(void *context, const char *id, size_t n, struct fit_label *ret)
{
	const struct fitting *f = context;
	const struct label *label = labels_find(f->labels, id, n);

	if (!label || label->word == LABELS_NO_WORD)
		return false;
	*ret = (struct fit_label){labels_word(f->labels, label->word), label->time_us};
	return true;
}

static struct fit_detector *detectors_of(const struct model_config *m)
{
	struct fit_detector *to = mem_zero(m->n_detectors, sizeof *to);

	for (size_t i = 0; i < m->n_detectors; i++)
		to[i] = (struct fit_detector){m->detectors[i].name, house_options(&m->detectors[i]), m->detectors[i].n_options};
	return to;
}

static void detectors_free(struct fit_detector *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)d[i].options);
	free(d);
}

/* Every log named, for the provenance. */
static void options_of(struct fitting *f, struct cli_list *all)
{
	const struct cli_list *lists[] = {&f->any, &f->fit, &f->calibrate, &f->of};
	const struct model_config *m = f->settings;

	for (size_t l = 0; l < 4; l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			all->at = mem_grow(all->at, all->n + 1, sizeof *all->at);
			all->at[all->n++] = lists[l]->at[i];
		}
	f->options = (struct fit_options){
		.model = f->model, .logs = all->at, .n_logs = all->n, .made_by = "oodd " PACKAGE_VERSION, .made_us = clock_now(NULL),
		.flag_rate = m->flag, .strict = m->strict, .window_us = m->window_us, .detectors = detectors_of(m), .n_detectors = m->n_detectors,
		.no_detectors = f->no_detectors, .limits = &m->limits, .slices = m->slices, .n_slices = m->n_slices, .accuracy = m->accuracy, .label = f->labels ? label_of : NULL, .context = f,
	};
	if (f->background)
		f->options.made_by = "oodd " PACKAGE_VERSION ", learned from traffic";
	if (f->any.n || f->of.n)
		memcpy(f->options.share, m->fit_share, sizeof f->options.share);
}

/* One kind of logs through the decoder. */
static int read_part(struct fitting *f, size_t source, const struct cli_list *paths, enum fit_part part)
{
	struct pipeline_sinks sinks = {.context = f, .on_batch = on_batch};
	struct buf errors = BUF_EMPTY;
	struct pipeline *p;
	struct logs *logs = NULL;
	struct counts total;
	int status;

	if (!paths->n)
		return 0;
	f->part = part;
	p = pipeline_open(f->house.config, f->house.plugins, &sinks, PIPELINE_DECODE, &errors);
	status = logs_open(p, source, paths->at, paths->n, &logs, &f->error);
	if (!status)
		status = logs_run(logs, p, 1, &f->error);
	pipeline_total(p, &total);
	for (int i = 0; i < REJECT_N && !status; i++)
		if (total.rejected[i].records)
			fprintf(stderr, "oodd fit: %lld records left out: %s (%s)\n", (long long)total.rejected[i].records,
				reject_words[i], reject_helps[i]);
	logs_close(logs);
	pipeline_close(p);
	buf_done(&errors);
	return status ? status : f->status;
}

/* --of SOURCE=LOG: each in the way its source writes. */
static int read_of(struct fitting *f)
{
	int status = 0;

	for (size_t i = 0; i < f->of.n && !status; i++) {
		const char *equals = strchr(f->of.at[i], '=');
		char *name = mem_copy_span(f->of.at[i], equals ? (size_t)(equals - f->of.at[i]) : 0);
		const char *path = equals ? equals + 1 : f->of.at[i];
		struct cli_list one = {&path, 1};
		size_t source;

		status = !equals ? error_set(&f->error, -EINVAL, "--of wants SOURCE=LOG, found '%s'", f->of.at[i])
			 : house_source(&f->house, name, &source) ? error_set(&f->error, -EINVAL, "--of %s: no such source", f->of.at[i])
								  : read_part(f, source, &one, PART_ANY);
		free(name);
	}
	return status;
}

/* As a child of the agent: the models that are served come first, and without the agent nobody waits for the outcome. */
static void stay_behind(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (setpriority(PRIO_PROCESS, 0, 10))
		fprintf(stderr, "oodd fit: stays at its priority: %s\n", strerror(errno));
}

static int check_streams(struct fitting *f)
{
	if (!f->n_taken)
		return error_set(&f->error, -EINVAL, "no record of model '%s'%s%s in these logs (%lld records of others)", f->model,
			f->version ? ", version " : "", f->version ? f->version : "", (long long)f->n_left);
	for (size_t i = 0; i < f->n_others; i++)
		fprintf(stderr, "oodd fit: records of version '%s' left out: the reference is of version '%s' (--version names another)\n",
			f->others[i], f->first_version);
	return 0;
}

static int finish(struct fitting *f)
{
	const struct model_config *m = f->settings;
	struct judge_options judging = judge_options_of(m);
	struct reference *r = NULL;
	struct fit_notes notes = {0};
	struct buf text = BUF_EMPTY;
	int status = fit_finish(f->work, &r, &notes, &f->error);

	if (!status) {
		judge_learn(r, &judging);
		if (r->performance.truth)
			judge_learn(r->performance.truth, &judging);
		performance_seal(&r->performance);
		status = reference_write(r, f->output, &f->error);
		f->unwritten = status != 0;
	}
	if (!status) {
		if (f->json)
			fit_summary_json(r, &notes, &text);
		else
			fit_summary_text(r, &notes, &text);
		fwrite(text.at, 1, text.n, stdout);
		if (f->json)
			putchar('\n');
		else
			printf("written: %s (%.12s)\n", f->output, r->hash);
	}
	buf_done(&text);
	fit_notes_done(&notes);
	reference_close(r);
	return status;
}

static int fitting_run(struct fitting *f)
{
	struct cli_list all = {0};
	size_t source;
	int status = f->of.n ? 0 : house_source(&f->house, f->source, &source);

	if (status)
		return EX_USAGE;
	if (f->background)
		stay_behind();
	status = f->labels_path ? labels_read(f->labels_path, &f->fields, &f->labels, &f->error) : 0;
	options_of(f, &all);
	if (!status)
		status = f->of.n ? read_of(f) : read_part(f, source, &f->any, PART_ANY);
	if (!status)
		status = read_part(f, source, &f->fit, PART_FIT);
	if (!status)
		status = read_part(f, source, &f->calibrate, PART_CALIBRATE);
	if (!status)
		status = check_streams(f);
	if (!status)
		status = finish(f);
	if (status)
		cli_fail(f->self, 0, "%s", f->error.text);
	fit_close(f->work);
	labels_close(f->labels);
	detectors_free((struct fit_detector *)f->options.detectors, f->options.n_detectors);
	for (size_t i = 0; i < f->n_others; i++)
		free(f->others[i]);
	reference_close(f->like);
	free(f->first_version);
	free(all.at);
	return !status ? 0 : f->unwritten ? EX_CANTCREAT : status == -ENOENT ? EX_NOINPUT : EX_DATAERR;
}

static int usage_fault(struct fitting *f)
{
	if (f->any.n && (f->fit.n || f->calibrate.n))
		return cli_fail(f->self, EX_USAGE, "either LOG... to be split by time, or --fit A... --calibrate B..., not both");
	if (f->of.n && (f->any.n || f->fit.n || f->calibrate.n))
		return cli_fail(f->self, EX_USAGE, "--of names its logs itself; others are not read beside it");
	if (!f->of.n && !f->any.n && !(f->fit.n && f->calibrate.n))
		return cli_fail(f->self, EX_USAGE, "which logs? usage: oodd fit %s", f->self->synopsis);
	if (!f->model || !f->output)
		return cli_fail(f->self, EX_USAGE, "--%s is missing", f->model ? "output" : "model");
	return CLI_GO_ON;
}

int command_fit(const struct command *self, int argc, char **argv)
{
	struct fitting f = {.self = self, .fields = LABELS_FIELDS};
	const struct cli_option options[] = {
		{"config", 'c', CLI_TEXT, &f.config, "FILE", "the configuration (default: $OODD_CONFIG, else the installed one)", 0, 0},
		{"model", 'm', CLI_TEXT, &f.model, "M", "of whose records; its block of the configuration says how", 0, 0},
		{"version", 0, CLI_TEXT, &f.version, "V", "of which version (default: that of the first record)", 0, 0},
		{"output", 'o', CLI_TEXT, &f.output, "FILE", "where the reference goes; replaced atomically", 0, 0},
		{"fit", 0, CLI_LIST, &f.fit, "LOG...", "detectors learn from these, nothing else does", 0, 0},
		{"calibrate", 0, CLI_LIST, &f.calibrate, "LOG...", "all calibration is done on these", 0, 0},
		{"labels", 0, CLI_TEXT, &f.labels_path, "FILE", "JSON Lines of {\"id\",\"label\"}: how often the model is right", 0, 0},
		{"id-field", 0, CLI_TEXT, &f.fields.id, "NAME", "of a label: the id of its record (default id)", 0, 0},
		{"label-field", 0, CLI_TEXT, &f.fields.label, "NAME", "of a label: the true class (default label)", 0, 0},
		{"source", 0, CLI_TEXT, &f.source, "NAME", "whose format and fields the logs have (default: the first source)", 0, 0},
		{"of", 0, CLI_LIST, &f.of, "SOURCE=LOG...", "as LOG..., but of several sources, each read as its own are", 0, 0},
		{"like", 0, CLI_TEXT, &f.like_path, "FILE", "the reference of another version whose bins are taken (default: the newest there is; empty: none)", 0, 0},
		{"background", 0, CLI_FLAG, &f.background, NULL, "as the agent does: at low priority, ending with the parent process", 0, 0},
		{"no-detectors", 0, CLI_FLAG, &f.no_detectors, NULL, "watch features, classes and confidence only", 0, 0},
		{"json", 0, CLI_FLAG, &f.json, NULL, "the summary as JSON", 0, 0},
		{0},
	};
	int status = cli_parse(self, options, argc, argv, &f.any);

	if (status == CLI_GO_ON)
		status = usage_fault(&f);
	if (status == CLI_GO_ON && !(status = house_open_command(f.config, &f.house))) {
		f.settings = config_model(f.house.config, f.model);
		status = f.settings ? fitting_run(&f)
				    : cli_fail(self, EX_CONFIG, "%s has no block for model '%s'", f.house.config->file, f.model);
	}
	house_close(&f.house);
	free(f.any.at);
	free(f.fit.at);
	free(f.calibrate.at);
	free(f.of.at);
	return status;
}
