/* SPDX-License-Identifier: Apache-2.0
 * From enough records to a reference in use, without holding up the loop. What is under way is named by model and version, not by
 * pointer: a reload may change everything behind it. */
#include "school.h"

#include "learn_fit.h"
#include "reference_place.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_PREFIX "relearn@"

enum { ASK_MOST = 4096, PAUSE_US = 60 * 1000 * 1000 };
#define FIT_MOST_US (INT64_C(3600) * 1000 * 1000) /* records wait for it: it must end */

struct school {
	uv_loop_t *loop;
	char *config_path, *dir;
	void (*on_end)(void *context);
	void *context;
	struct pipeline *pipeline;
	struct fit_job *job;
	char *model, *version, *fresh; /* of the job, or of one that has ended */
	bool ended;
	int code;
	char *said;
	int64_t begun_us;              /* the job, by the monotonic clock */
	int64_t not_before_us;         /* no fit could be started: by the monotonic clock */
};

char *school_dir(const char *state)
{
	return mem_format("%s/learning", state);
}

struct school *school_open(uv_loop_t *loop, const char *config_path, const char *state, void (*ended)(void *context), void *context)
{
	struct school *s = mem_zero(1, sizeof *s);

	s->loop = loop;
	s->config_path = mem_copy_text(config_path);
	s->dir = school_dir(state);
	s->on_end = ended;
	s->context = context;
	return s;
}

static void job_forget(struct school *s)
{
	s->job = NULL;
	free(s->model);
	free(s->version);
	free(s->fresh);
	free(s->said);
	s->model = s->version = s->fresh = s->said = NULL;
	s->ended = false;
}

void school_close(struct school *s)
{
	if (!s)
		return;
	fit_job_stop(s->job);
	job_forget(s);
	free(s->config_path);
	free(s->dir);
	free(s);
}

/* Notes. */

void school_note(void *context, const struct learning_note *n)
{
	static const char *const texts[] = {
		[LEARNING_BEGUN] = "a stream is learned from its traffic", [LEARNING_PROGRESS] = "collecting",
		[LEARNING_FITTING] = "enough: a reference is being made", [LEARNING_FAILED] = "no reference could be made of these; more is collected",
		[LEARNING_ACTIVE] = "activated: the stream is watched by what was learned",
		[LEARNING_POSTPONED] = "relearning is postponed", [LEARNING_RESUMED] = "relearning begins again",
	};
	char span[64], wanted[64], eta[64];

	(void)context;
	log_line(n->state == LEARNING_FAILED || n->state == LEARNING_ACTIVE ? LOG_WARNING_ : LOG_INFO_, "learning", texts[n->state],
		"model", log_s(n->model), "version", log_s(n->version), "relearn", n->relearn ? "true" : "false",
		"records", log_n(n->seen), "of", log_n(n->wanted), "kept", log_n(n->kept), "bytes", log_n(n->bytes),
		"span", log_s(duration_format(n->first_us == TIME_NONE ? 0 : n->newest_us - n->first_us, span, sizeof span)),
		"of_span", log_s(duration_format(n->wanted_us, wanted, sizeof wanted)), "classes", log_n((long long)n->n_classes),
		"fields", log_n((long long)n->n_fields), "logits", log_n((long long)n->n_logits), "embedding", log_n((long long)n->n_embedding),
		"eta", log_s(n->eta_us == TIME_NONE ? "unknown" : duration_format(n->eta_us, eta, sizeof eta)),
		n->why ? "why" : NULL, log_s(n->why ? n->why : ""), NULL);
}

/* Fits. */

/* What was put aside, as logs for oodd fit; free(). */
static struct fit_log *logs_of(const struct learner *l, const struct config *c, size_t *ret_n)
{
	struct fit_log *logs = mem_zero(c->n_sources, sizeof *logs);

	*ret_n = 0;
	for (size_t i = 0; i < c->n_sources; i++)
		if (l->spools[i] && spool_length(l->spools[i]))
			logs[(*ret_n)++] = (struct fit_log){c->sources[i].name, spool_path(l->spools[i])};
	return logs;
}

static int fit_begin(uv_loop_t *loop, struct pipeline *p, struct learner *l, const char *config_path, const char *fresh, bool quiet,
	void (*done)(void *context, int code, const char *said), void *context, struct fit_job **ret, struct error *e)
{
	struct fit_order order = {.config = config_path, .model = l->model, .version = l->version, .output = fresh, .quiet = quiet};
	struct fit_log *logs = logs_of(l, pipeline_config(p), &order.n_logs);
	const char *beside = teacher_like(pipeline_teacher(p), l);
	char *like = mem_format("--like=%s", beside ? beside : "");
	int status;

	order.logs = logs;
	order.also[0] = like;
	teacher_begin(pipeline_teacher(p), l);
	status = fit_job_start(loop, &order, done, context, ret, e);
	free(logs);
	free(like);
	return status;
}

/* What the fit has made takes over, or the learner hears why not. */
static void fit_result(struct pipeline *p, struct learner *l, int code, const char *said, const char *fresh)
{
	struct error e = {0};

	if (code) {
		unlink(fresh);
		teacher_failed(pipeline_teacher(p), l, said ? said : "oodd fit failed");
	} else if (pipeline_activate(p, l, fresh, &e)) {
		unlink(fresh);
		teacher_failed(pipeline_teacher(p), l, e.text);
	}
}

static void job_done(void *context, int code, const char *said)
{
	struct school *s = context;

	s->job = NULL;
	s->ended = true;
	s->code = code;
	s->said = mem_copy_text(said);
	s->on_end(s->context);
}

/* Who is no longer fitting has seen an alarm meanwhile, or is no longer to be learned: then this reference is not wanted. */
static bool job_take(struct school *s)
{
	struct learner *l = teacher_find(pipeline_teacher(s->pipeline), s->model, s->version);

	if (l && l->fitting)
		fit_result(s->pipeline, l, s->code, s->said, s->fresh);
	else
		unlink(s->fresh);
	job_forget(s);
	return true;
}

/* The learner of before the reload, read back: its fit goes on. */
static void job_adopt(struct school *s)
{
	struct learner *l = s->model ? teacher_find(pipeline_teacher(s->pipeline), s->model, s->version) : NULL;

	if (l)
		l->fitting = l->ready;
}

static void fit_next(struct school *s)
{
	struct teacher *t = pipeline_teacher(s->pipeline);
	struct learner *l = t && clock_monotonic_us() >= s->not_before_us ? teacher_due(t) : NULL;
	struct error e = {0};

	if (!l)
		return;
	s->fresh = teacher_fresh(t, l, &e);
	s->model = mem_copy_text(l->model);
	s->version = mem_copy_text(l->version);
	s->begun_us = clock_monotonic_us();
	if (s->fresh && !fit_begin(s->loop, s->pipeline, l, s->config_path, s->fresh, false, job_done, s, &s->job, &e))
		return;
	s->not_before_us = clock_monotonic_us() + PAUSE_US;
	teacher_failed(t, l, e.text);
	job_forget(s);
}

struct now {
	struct pipeline *pipeline;
	struct learner *learner;
	const char *fresh;
};

static void now_done(void *context, int code, const char *said)
{
	struct now *n = context;

	fit_result(n->pipeline, n->learner, code, said, n->fresh);
}

void school_now(struct pipeline *p, struct learner *l, const struct config *c)
{
	struct error e = {0};
	char *fresh = teacher_fresh(pipeline_teacher(p), l, &e);
	struct now now = {p, l, fresh};
	struct fit_job *job;
	uv_loop_t loop;

	uv_loop_init(&loop);
	if (!fresh || fit_begin(&loop, p, l, c->file, fresh, true, now_done, &now, &job, &e))
		teacher_failed(pipeline_teacher(p), l, e.text);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	free(fresh);
}

/* Requests: a small file each, so that one made while no agent runs is met by the next. */

static char *ask_path(const char *dir, const char *model, const char *version)
{
	char *m = reference_name(model), *v = reference_name(version ? version : "");
	char *path = mem_format("%s/" ASK_PREFIX "%s%s%s", dir, m, version ? "@" : "", v);

	free(m);
	free(v);
	return path;
}

/* A folder of the agent's, also when root asks. */
static int folder_make(const char *dir, const char *state)
{
	int fd, status = mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;

	if (status || (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return status ? status : -errno;
	status = file_give(fd, state);
	close(fd);
	return status;
}

int school_ask(const char *state, const char *model, const char *version, struct error *e)
{
	char *dir = school_dir(state), *path = ask_path(dir, model, version), *beside = mem_format("%s/.asking", dir);
	int status, fd = -1;

	mkdir(state, 0700); /* as the first agent would */
	status = folder_make(dir, state);
	if (!status && (fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		status = -errno;
	if (!status && dprintf(fd, "%s%c%s", model, '\0', version ? version : "") < 0)
		status = -EIO;
	if (!status)
		status = file_give(fd, state);
	if (fd >= 0 && close(fd) && !status)
		status = -errno;
	if (!status && rename(beside, path))
		status = -errno;
	if (status)
		error_set(e, status, "%s: the request cannot be written: %s", path, strerror(-status));
	free(dir);
	free(path);
	free(beside);
	return status;
}

static void ask_meet(struct school *s, const char *name)
{
	char *path = mem_format("%s/%s", s->dir, name), text[ASK_MOST + 2] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, ASK_MOST);
	const char *version = strchr(name, '@') != strrchr(name, '@') ? text + strlen(text) + 1 : NULL;

	if (fd >= 0)
		close(fd);
	if (n > 0 && teacher_installs(pipeline_teacher(s->pipeline), text)) { /* met at the next look */
		free(path);
		return;
	}
	if (n > 0 && !teacher_relearn(pipeline_teacher(s->pipeline), text, version))
		log_warning("learning", "asked to learn a stream anew that has no reference: nothing to do", "model", log_s(text), "version",
			log_s(version ? version : "(all)"));
	unlink(path);
	free(path);
}

static bool asks_meet(struct school *s)
{
	DIR *dir = opendir(s->dir);
	bool any = false;

	if (!dir)
		return false;
	for (struct dirent *d; (d = readdir(dir));)
		if (!strncmp(d->d_name, ASK_PREFIX, sizeof ASK_PREFIX - 1)) {
			ask_meet(s, d->d_name);
			any = true;
		}
	closedir(dir);
	return any;
}

bool school_tick(struct school *s, struct pipeline *p)
{
	bool reloaded = s->pipeline != p, changed = false;

	s->pipeline = p;
	if (!pipeline_teacher(p))
		return false;
	if (reloaded)
		job_adopt(s);
	if (s->ended)
		changed = job_take(s);
	changed |= asks_meet(s);
	if (!s->job)
		fit_next(s);
	else if (clock_monotonic_us() - s->begun_us > FIT_MOST_US)
		fit_job_kill(s->job);
	return changed;
}
