/* SPDX-License-Identifier: Apache-2.0
 * What following costs: a thousand quiet files watched and polled, a busy one among them, a start with ten thousand known
 * files, and plain reading. bench_tail [SECONDS], 10 by default. */
#include "input/tail.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUIET = 1000, MANY = 10000, ROOM = 1 << 20 };

static char folder[64], *room;
static struct tail *tail;
static uint64_t bytes, wakes;
static struct position *known;
static size_t n_known;

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double seconds(void)
{
	return (double)clock_monotonic_us() / 1e6;
}

static void must(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
}

static void put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	must(fd, path);
	must((int)write(fd, text, n), path);
	close(fd);
}

static void on_ready(void *context)
{
	struct tail_file *f;

	(void)context;
	wakes++;
	while ((f = tail_next(tail))) {
		struct error e;
		ssize_t n = tail_file_read(f, room, ROOM, &e);
		struct tail_mark m;

		if (n <= 0)
			continue;
		m = tail_file_take(f, room, (size_t)n, false, TIME_NONE);
		tail_advance(&m);
		bytes += (uint64_t)n;
	}
}

static void on_end(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void open_tail(uv_loop_t *loop, const char *glob)
{
	const char *globs[] = {glob};
	struct tail_options o = {.source = "bench", .globs = globs, .n_globs = 1, .follow_symlinks = true};
	struct error e;

	if (tail_open(loop, &o, known, n_known, on_ready, NULL, &tail, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
}

static void close_tail(uv_loop_t *loop)
{
	tail_close(tail);
	if (loop) {
		uv_run(loop, UV_RUN_DEFAULT);
		uv_loop_close(loop);
	}
}

/* Follow for a while and tell what it cost; `busy` is written to by a child, a line every 100 us. */
static void follow(const char *what, const char *glob, double for_seconds, const char *busy)
{
	static const char line[] = "{\"id\":1,\"prediction\":\"cat\",\"confidence\":0.93}\n";
	uv_loop_t loop;
	uv_timer_t end;
	double cpu;
	pid_t child;

	uv_loop_init(&loop);
	uv_timer_init(&loop, &end);
	open_tail(&loop, glob);
	uv_timer_start(&end, on_end, 500, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	bytes = wakes = 0;
	child = busy ? fork() : -1;
	if (child == 0) {
		int fd = open(busy, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		for (double until = seconds() + for_seconds; seconds() < until; usleep(100))
			must((int)write(fd, line, sizeof line - 1), busy);
		_exit(0);
	}
	cpu = cpu_seconds();
	uv_timer_start(&end, on_end, (uint64_t)(for_seconds * 1000), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cpu = cpu_seconds() - cpu;
	printf("%-44s %6.3f %% of a core, %llu wakes, %llu bytes\n", what, cpu / for_seconds * 100,
		(unsigned long long)wakes, (unsigned long long)bytes);
	uv_close((uv_handle_t *)&end, NULL);
	close_tail(&loop);
}

static void store(void *context, const struct position *p)
{
	(void)context;
	known = mem_grow(known, n_known + 1, sizeof *known);
	position_copy(&known[n_known++], p);
}

static void start_with_many(void)
{
	char glob[128];
	double begun;

	snprintf(glob, sizeof glob, "%s/many/*.log", folder);
	for (int round = 0; round < 2; round++) {
		begun = seconds();
		open_tail(NULL, glob);
		printf("%-44s %6.0f ms\n", round ? "start with 10,000 files, all known" : "start with 10,000 new files",
			(seconds() - begun) * 1000);
		begun = seconds();
		on_ready(NULL);
		if (round == 0)
			printf("%-44s %6.0f ms\n", "reading them", (seconds() - begun) * 1000);
		n_known = 0;
		tail_positions(tail, store, NULL);
		if (round == 1) {
			begun = seconds();
			tail_scan(tail);
			printf("%-44s %6.2f ms\n", "looking at all of them once", (seconds() - begun) * 1000);
		}
		close_tail(NULL);
	}
	for (size_t i = 0; i < n_known; i++)
		position_done(&known[i]);
	free(known);
	known = NULL;
	n_known = 0;
}

static void read_plainly(void)
{
	char path[128];
	double begun;

	memset(room, 'x', ROOM);
	snprintf(path, sizeof path, "%s/one.log", folder);
	for (int i = 0; i < 256; i++)
		put(path, room, ROOM);
	open_tail(NULL, path);
	bytes = 0;
	begun = seconds();
	on_ready(NULL);
	printf("%-44s %6.0f MB/s\n", "reading 256 MB by the megabyte, cached", (double)bytes / 1e6 / (seconds() - begun));
	close_tail(NULL);
}

static void make_files(void)
{
	char path[128], target[128];

	for (const char *const *d = (const char *const[]){"quiet", "many", "links", NULL}; *d; d++) {
		snprintf(path, sizeof path, "%s/%s", folder, *d);
		must(mkdir(path, 0700), path);
	}
	for (int i = 0; i < MANY; i++) {
		char text[128];
		int n = snprintf(text, sizeof text, "{\"id\":%d,\"pad\":\"%064d\"}\n", i, i);

		snprintf(path, sizeof path, "%s/many/%05d.log", folder, i);
		put(path, text, (size_t)n);
		if (i >= QUIET)
			continue;
		snprintf(target, sizeof target, "%s/quiet/%05d.log", folder, i);
		put(target, text, (size_t)n);
		snprintf(path, sizeof path, "%s/links/%05d.log", folder, i);
		must(symlink(target, path), path);
	}
}

int main(int argc, char **argv)
{
	double for_seconds = argc > 1 ? atof(argv[1]) : 10;
	char quiet[128], links[128], busy[128], command[128];

	log_level_set(LOG_ERROR_);
	room = mem_alloc(ROOM);
	snprintf(folder, sizeof folder, "/tmp/oodd-bench-tail-XXXXXX");
	if (!mkdtemp(folder))
		must(-1, folder);
	make_files();
	snprintf(quiet, sizeof quiet, "%s/quiet/*.log", folder);
	snprintf(links, sizeof links, "%s/links/*.log", folder);
	snprintf(busy, sizeof busy, "%s/quiet/busy.log", folder);
	follow("1,000 quiet files, watched", quiet, for_seconds, NULL);
	follow("1,000 quiet files behind links, polled", links, for_seconds, NULL);
	follow("the same 1,000 and one busy, watched", quiet, for_seconds, busy);
	start_with_many();
	read_plainly();
	free(room);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command) == 0 ? 0 : 1;
}
