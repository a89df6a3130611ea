/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks run in a child with a time limit; the parent passes their lines on, and reports what the child was at when it died.
 */
#include "score/conform.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "score/conform_checks.h"
#include "score/options.h"
#include "score/plugin.h"

#define LIMIT_S 300

static void say(FILE *to, const char *verdict, const char *detector, const char *check, const char *why)
{
	fprintf(to, "%-8s%s: %s%s%s\n", verdict, detector, check, *why ? ": " : "", why);
	fflush(to);
}

static bool trial_open(struct trial *t, const struct oodd_detector *d)
{
	const struct oodd_batch *batches;
	struct error e = {""};

	*t = (struct trial){.d = d, .fit = conform_data_open(CONFORM_FIT_ROWS, 1), .rows = conform_data_open(CONFORM_TRY_ROWS, 2)};
	batches = &t->fit->batch;
	t->scores = mem_zero(CONFORM_TRY_ROWS, sizeof(float));
	t->status = mem_zero(CONFORM_TRY_ROWS, 1);
	if (detector_options(d, NULL, 0, &t->options, &t->n_options, &e) ||
		detector_fit(d, t->options, t->n_options, &batches, 1, &t->bytes, &t->n_bytes, &e) ||
		detector_open(d, t->options, t->n_options, t->bytes, t->n_bytes, &t->state, &e))
		return trial_wrong(t, "%s", e.text);
	int r = d->score ? d->score(t->state, &t->rows->batch, t->scores, t->status) : 0;
	return r == 0 || trial_wrong(t, "score returned %d", r);
}

static void trial_close(struct trial *t)
{
	detector_close(t->d, t->state);
	detector_options_free(t->options, t->n_options);
	conform_data_close(t->fit);
	conform_data_close(t->rows);
	free(t->bytes);
	free(t->scores);
	free(t->status);
}

static void checks_run(struct trial *t, const struct check *check, FILE *to)
{
	for (; check && check->name; check++) {
		if (!check->applies(t))
			continue;
		say(to, "try", t->d->name, check->name, "");
		bool passed = check->run(t);
		say(to, passed ? "ok" : "FAILED", t->d->name, check->name, passed ? "" : t->why);
	}
}

/* In the child: "try" before each check tells the parent what died, should it. */
static void detector_try(const struct oodd_detector *d, FILE *to)
{
	struct trial t;
	const char *first = "fits, opens and scores";

	say(to, "try", d->name, first, "");
	bool good = trial_open(&t, d);
	say(to, good ? "ok" : "FAILED", d->name, first, t.why);
	checks_run(&t, good ? conform_checks : NULL, to);
	checks_run(&t, good ? conform_explain_checks : NULL, to);
	checks_run(&t, good ? conform_window_checks : NULL, to);
	trial_close(&t);
}

/* From here on standard output is a file that nobody sees; -1 where there can be none. */
static int output_catch(void)
{
	FILE *caught = tmpfile();

	return caught && dup2(fileno(caught), STDOUT_FILENO) >= 0 ? fileno(caught) : -1;
}

static void output_check(const char *path, int caught, FILE *to)
{
	struct stat st;

	if (caught < 0)
		return;
	say(to, "try", path, "writes nothing to standard output", "");
	fflush(stdout);
	bool silent = fstat(caught, &st) == 0 && st.st_size == 0;
	say(to, silent ? "ok" : "FAILED", path, "writes nothing to standard output", silent ? "" : "that belongs to the host: use host->log");
}

static void child_run(const char *path, FILE *to)
{
	struct plugin *p = NULL;
	struct error e = {""};

	/* Whatever handlers the parent has, here a crash is the end, and the parent tells of it. */
	static const int ends[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		signal(ends[i], SIG_DFL);
	alarm(LIMIT_S);
	int caught = output_catch();
	say(to, "try", path, "loads and describes itself", "");
	int r = plugin_load(path, PLUGIN_ANY_OWNER, &p, &e);
	say(to, r ? "FAILED" : "ok", path, "loads and describes itself", e.text);
	for (size_t i = 0; !r && i < p->n_detectors; i++)
		detector_try(&p->detectors[i], to);
	if (!r)
		output_check(path, caught, to);
	plugin_close(p);
}

/* Passes the child's lines on; `at` is left with what it was trying when it ended, "" when nothing. */
static void lines_pass(FILE *from, FILE *to, int *ok, int *failed, char *at, size_t n_at)
{
	char line[1200];

	while (fgets(line, sizeof line, from)) {
		bool trying = strncmp(line, "try", 3) == 0;
		snprintf(at, n_at, "%.*s", trying ? (int)strcspn(line + 8, "\n") : 0, line + 8);
		if (trying)
			continue;
		*ok += line[0] == 'o';
		*failed += line[0] == 'F';
		fputs(line, to);
		fflush(to);
	}
}

int conform_run(const char *path, FILE *to)
{
	int ends[2], status = 0, ok = 0, failed = 0;
	char at[1200] = "";

	fflush(NULL);
	if (pipe(ends))
		return -errno;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		close(ends[0]);
		FILE *pipe_end = fdopen(ends[1], "w");
		child_run(path, pipe_end);
		fclose(pipe_end);
		_exit(0);
	}
	close(ends[1]);
	FILE *lines = fdopen(ends[0], "r");
	lines_pass(lines, to, &ok, &failed, at, sizeof at);
	fclose(lines);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fprintf(to, "FAILED  %s: not done after %d s in all\n", at, LIMIT_S);
	else if (WIFSIGNALED(status))
		fprintf(to, "FAILED  %s: killed by signal %d (%s)\n", at, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (*at || WEXITSTATUS(status))
		fprintf(to, "FAILED  %s: the process ended, with exit status %d\n", at, WEXITSTATUS(status));
	failed += WIFSIGNALED(status) || *at || WEXITSTATUS(status);
	fprintf(to, "%d checks passed, %d failed\n", ok, failed);
	return failed;
}
