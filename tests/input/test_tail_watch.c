/* SPDX-License-Identifier: Apache-2.0
 * The tail on a loop: whoever writes, renames or makes directories is noticed by the watch, long before the reconcile timer
 * (an hour here) would look. And where nothing can be watched, by polling. */
#include "input/tail.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	char folder[64];
	uv_loop_t loop;
	uv_timer_t late;
	struct tail_options options;
	const char *globs[1];
	struct tail *tail;
	char got[4096];
	size_t n;
	const char *wanted;
	bool too_late;
	bool keep;              /* what is read next stays out */
	struct tail_file *out;
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void on_ready(void *context)
{
	struct bench *b = context;
	struct tail_file *f;

	while ((f = tail_next(b->tail))) {
		struct error e;
		ssize_t n = tail_file_read(f, b->got + b->n, sizeof b->got - 1 - b->n, &e);
		char *newline = n > 0 ? memrchr(b->got + b->n, '\n', (size_t)n) : NULL;
		size_t take = newline ? (size_t)(newline + 1 - b->got) - b->n : 0;
		struct tail_mark m;

		if (n <= 0)
			continue;
		if (b->keep) {
			b->out = f;
			b->n += (size_t)n;
			b->got[b->n] = '\0';
			continue;
		}
		if (tail_file_final(f))
			take = (size_t)n;
		m = tail_file_take(f, b->got + b->n, take, false, TIME_NONE);
		if (take > 0)
			tail_advance(&m);
		b->n += take;
		b->got[b->n] = '\0';
	}
	if (b->wanted && strstr(b->got, b->wanted))
		uv_stop(&b->loop);
}

static void on_late(uv_timer_t *timer)
{
	struct bench *b = timer->data;

	b->too_late = true;
	uv_stop(&b->loop);
}

/* Turns the loop until `text` was read; five seconds at most. Returns how long it took, in microseconds. */
static int64_t wait_for(struct bench *b, const char *text)
{
	int64_t begun = clock_monotonic_us();

	b->wanted = text;
	b->too_late = false;
	uv_update_time(&b->loop);
	uv_timer_start(&b->late, on_late, 5000, 0);
	if (!strstr(b->got, text))
		uv_run(&b->loop, UV_RUN_DEFAULT);
	if (b->too_late)
		fail_msg("\"%s\" was not noticed; read so far: %s", text, b->got);
	b->wanted = NULL;
	return clock_monotonic_us() - begun;
}

static int set_up(void **state)
{
	struct bench *b = mem_zero(1, sizeof *b);

	snprintf(b->folder, sizeof b->folder, "/tmp/oodd-tail-watch-XXXXXX");
	if (!mkdtemp(b->folder) || chdir(b->folder) < 0)
		return -1;
	uv_loop_init(&b->loop);
	uv_timer_init(&b->loop, &b->late);
	b->late.data = b;
	b->globs[0] = "logs/*.log*";
	b->options = (struct tail_options){.source = "s", .globs = b->globs, .n_globs = 1, .poll_us = SECOND_US / 10,
		.reconcile_us = 3600 * SECOND_US, .partial_us = SECOND_US, .follow_symlinks = true};
	mkdir("logs", 0700);
	mkdir("other", 0700);
	*state = b;
	return 0;
}

static void start(struct bench *b)
{
	struct error e;

	assert_int_equal(tail_open(&b->loop, &b->options, NULL, 0, on_ready, b, &b->tail, &e), 0);
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	char command[128];

	tail_close(b->tail);
	uv_close((uv_handle_t *)&b->late, NULL);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", b->folder);
	free(b);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void what_is_there_is_told_at_once(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "there\n");
	start(b);
	wait_for(b, "there");
}

static void growth_is_noticed(void **state)
{
	struct bench *b = *state;
	int64_t us;

	put("logs/a.log", "one\n");
	start(b);
	wait_for(b, "one");
	put("logs/a.log", "two\n");
	us = wait_for(b, "two");
	print_message("noticed after %lld us\n", (long long)us);
}

static void rotation_is_noticed(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	wait_for(b, "one");
	put("logs/a.log", "two\n");
	rename("logs/a.log", "logs/a.log.1");
	put("logs/a.log", "three\n");
	put("logs/a.log.1", "four\n");
	wait_for(b, "three");
	wait_for(b, "four");
	assert_true(strstr(b->got, "two") < strstr(b->got, "three"));
}

static void copytruncate_is_noticed(void **state)
{
	struct bench *b = *state;
	struct tail_stats s;
	char text[256];

	snprintf(text, sizeof text, "%0100d\n", 7);
	put("logs/a.log", text);
	start(b);
	wait_for(b, text);
	assert_int_equal(system("cp logs/a.log logs/a.log.1 && : > logs/a.log"), 0);
	put("logs/a.log", "anew\n");
	wait_for(b, "anew");
	tail_stats(b->tail, &s);
	assert_int_equal(s.copies, 1);
	assert_int_equal(b->n, strlen(text) + 5);
}

static void directory_that_comes_late_is_watched(void **state)
{
	struct bench *b = *state;

	b->globs[0] = "later/on/*.log";
	start(b);
	mkdir("later", 0700);
	mkdir("later/on", 0700);
	put("later/on/a.log", "one\n");
	wait_for(b, "one");
	put("later/on/a.log", "two\n");
	wait_for(b, "two");
}

static void directory_made_again_is_watched_again(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	wait_for(b, "one");
	assert_int_equal(system("rm -r logs && mkdir logs"), 0);
	put("logs/a.log", "two\n");
	wait_for(b, "two");
	put("logs/a.log", "three\n");
	wait_for(b, "three");
}

static void directory_under_a_wildcard_is_watched(void **state)
{
	struct bench *b = *state;

	b->globs[0] = "logs/*/x.log";
	start(b);
	mkdir("logs/new", 0700);
	put("logs/new/x.log", "one\n");
	wait_for(b, "one");
	put("logs/new/x.log", "two\n");
	wait_for(b, "two");
}

/* Its target lies where nobody watches. */
static void linked_file_is_polled(void **state)
{
	struct bench *b = *state;

	put("other/1", "one\n");
	assert_int_equal(symlink("../other/1", "logs/current.log"), 0);
	start(b);
	wait_for(b, "one");
	put("other/1", "two\n");
	wait_for(b, "two");
	put("other/2", "three\n");
	assert_int_equal(symlink("../other/2", "beside"), 0);
	assert_int_equal(rename("beside", "logs/current.log"), 0);
	wait_for(b, "three");
}

static void file_renamed_out_of_sight_is_polled(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	wait_for(b, "one");
	rename("logs/a.log", "other/gone");
	put("other/gone", "two\n");
	wait_for(b, "two");
}

static void unfinished_last_line_is_handed_out(void **state)
{
	struct bench *b = *state;
	int64_t us;

	put("logs/a.log", "one\nunfinished");
	start(b);
	wait_for(b, "one");
	rename("logs/a.log", "logs/a.log.1");
	us = wait_for(b, "unfinished");
	assert_true(us >= SECOND_US / 2);
}

/* In a user namespace of its own the process may set the limit that its inotify watches count against. The last test: there is
 * no way back. */
static void without_watches_it_polls(void **state)
{
	struct bench *b = *state;
	struct tail_stats s;
	int fd, r;

	if (unshare(CLONE_NEWUSER) < 0)
		skip();
	fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY);
	r = fd < 0 ? -1 : (int)write(fd, "0", 1);
	if (fd >= 0)
		close(fd);
	if (r != 1)
		skip();
	put("logs/a.log", "one\n");
	start(b);
	wait_for(b, "one");
	put("logs/a.log", "two\n");
	wait_for(b, "two");
	put("logs/b.log", "three\n");
	wait_for(b, "three");
	tail_stats(b->tail, &s);
	assert_int_equal(s.watch_failures, 1);
}

/* Bytes that come while those before are out for decoding: their event is then, and there is no other. */
static void growth_while_bytes_are_out_is_noticed(void **state)
{
	struct bench *b = *state;
	struct tail_mark m;

	put("logs/a.log", "one\n");
	start(b);
	b->keep = true;
	wait_for(b, "one");
	put("logs/a.log", "two\n");
	for (int i = 0; i < 20; i++) {
		uv_run(&b->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	b->keep = false;
	m = tail_file_take(b->out, b->got, b->n, false, TIME_NONE);
	tail_advance(&m);
	on_ready(b);
	wait_for(b, "two");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_is_told_at_once),
		TEST(growth_is_noticed),
		TEST(growth_while_bytes_are_out_is_noticed),
		TEST(rotation_is_noticed),
		TEST(copytruncate_is_noticed),
		TEST(directory_that_comes_late_is_watched),
		TEST(directory_made_again_is_watched_again),
		TEST(directory_under_a_wildcard_is_watched),
		TEST(linked_file_is_polled),
		TEST(file_renamed_out_of_sight_is_polled),
		TEST(unfinished_last_line_is_handed_out),
		TEST(without_watches_it_polls),
	};

	log_level_set(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
