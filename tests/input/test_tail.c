/* SPDX-License-Identifier: Apache-2.0
 * The tail, one trouble at a time, without a loop: the test says when it looks, and what time it is. */
#include "input/tail.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KNOWN_MOST = 64 };

struct bench {
	char folder[64];
	struct clock clock;
	struct tail_options options;
	const char *globs[2], *excludes[2];
	struct tail *tail;
	struct position known[KNOWN_MOST];
	size_t n_known;
	struct buf got;     /* everything taken since the last look at it */
	char order[256];    /* last parts of the paths it was read from */
	size_t room;
};

/* Fifty bytes of padding: what is smaller than a few lines is no evidence of a copy. */
static const char *line(int id)
{
	static char text[8][128];
	static unsigned turn;

	turn = (turn + 1) % 8;
	snprintf(text[turn], sizeof text[0], "{\"id\":%d,\"pad\":\"%050d\"}\n", id, id);
	return text[turn];
}

static int set_up(void **state)
{
	struct bench *b = mem_zero(1, sizeof *b);

	snprintf(b->folder, sizeof b->folder, "/tmp/oodd-tail-unit-XXXXXX");
	if (!mkdtemp(b->folder) || chdir(b->folder) < 0)
		return -1;
	b->clock.set_us = 1700000000 * SECOND_US;
	b->globs[0] = "logs/*.log*";
	b->room = 1 << 16;
	b->options = (struct tail_options){.source = "s", .globs = b->globs, .n_globs = 1, .clock = &b->clock,
		.partial_us = 5 * SECOND_US};
	mkdir("logs", 0700);
	mkdir("other", 0700);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	char command[128];

	tail_close(b->tail);
	for (size_t i = 0; i < b->n_known; i++)
		position_done(&b->known[i]);
	buf_done(&b->got);
	snprintf(command, sizeof command, "rm -rf %s", b->folder);
	free(b);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Times of birth are as coarse as the kernel's tick. */
static void tick(void)
{
	usleep(10000);
}

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof command, "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

static void start(struct bench *b)
{
	struct error e = {""};

	assert_int_equal(tail_open(NULL, &b->options, b->known, b->n_known, NULL, NULL, &b->tail, &e), 0);
}

/* One turn of the pipeline over one file; false when there was none. */
static bool read_one(struct bench *b, bool may_be_final)
{
	struct tail_file *f = tail_next(b->tail);
	char *bytes;
	struct tail_mark m;
	struct error e;
	ssize_t n, take;
	char *newline;

	if (!f)
		return false;
	bytes = mem_alloc(b->room);
	n = tail_file_read(f, bytes, b->room, &e);
	assert_true(n >= 0);
	newline = n > 0 ? memrchr(bytes, '\n', (size_t)n) : NULL;
	take = may_be_final && n > 0 && tail_file_final(f) ? n : newline ? newline + 1 - bytes : 0;
	if (n > 0) {
		size_t used = strlen(b->order);

		m = tail_file_take(f, bytes, (size_t)take, false, TIME_NONE);
		buf_put(&b->got, bytes, (size_t)take);
		if (take > 0) {
			snprintf(b->order + used, sizeof b->order - used, " %s", strrchr(tail_file_path(f), '/') + 1);
			tail_advance(&m);
		}
	}
	free(bytes);
	return true;
}

static void look(struct bench *b)
{
	b->order[0] = '\0';
	tail_scan(b->tail);
	while (read_one(b, true))
		;
}

static void expect(struct bench *b, const char *text)
{
	assert_string_equal(buf_cstr(&b->got), text);
	buf_clear(&b->got);
}

static void store(void *context, const struct position *p)
{
	struct bench *b = context;

	for (size_t i = 0; i < b->n_known; i++)
		if (strcmp(b->known[i].identity, p->identity) == 0) {
			position_done(&b->known[i]);
			position_copy(&b->known[i], p);
			return;
		}
	assert_true(b->n_known < KNOWN_MOST);
	position_copy(&b->known[b->n_known++], p);
}

static void forget(void *context, const char *source, const char *identity)
{
	struct bench *b = context;

	assert_string_equal(source, "s");
	for (size_t i = 0; i < b->n_known; i++)
		if (strcmp(b->known[i].identity, identity) == 0) {
			position_done(&b->known[i]);
			b->known[i] = b->known[--b->n_known];
			return;
		}
	fail_msg("forgotten, but never stored: %s", identity);
}

static void commit(struct bench *b)
{
	tail_positions(b->tail, store, b);
	tail_forgotten(b->tail, forget, b);
}

static void stop(struct bench *b)
{
	commit(b);
	tail_close(b->tail);
	b->tail = NULL;
}

static struct tail_stats stats(const struct bench *b)
{
	struct tail_stats s;

	tail_stats(b->tail, &s);
	return s;
}

/* ---- growth ---- */

static void only_whole_lines_are_taken(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\ntw");
	start(b);
	look(b);
	expect(b, "one\n");
	put("logs/a.log", "o");
	look(b);
	expect(b, "");
	put("logs/a.log", "\nthree\n");
	look(b);
	expect(b, "two\nthree\n");
	assert_int_equal(stats(b).unread_bytes, 0);
}

static void files_that_come_later_are_found(void **state)
{
	struct bench *b = *state;

	start(b);
	look(b);
	put("logs/late.log", "late\n");
	put("logs/unrelated.txt", "not ours\n");
	put("logs/old.log.gz", "excluded\n");
	look(b);
	expect(b, "late\n");
	assert_int_equal(stats(b).files, 1);
}

static void first_start_may_begin_at_the_end(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "old\nhal");
	b->options.from_end = true;
	start(b);
	put("logs/a.log", "f\nnew\n");
	put("logs/b.log", "later files are read whole\n");
	look(b);
	stop(b);
	assert_string_equal(b->order, " a.log b.log");
	expect(b, "half\nnew\nlater files are read whole\n");
	b->options.from_end = false;
	put("logs/a.log", "more\n");
	start(b);
	look(b);
	expect(b, "more\n");
}

static void restart_goes_on(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	stop(b);
	put("logs/a.log", "two\n");
	start(b);
	look(b);
	expect(b, "one\ntwo\n");
	assert_int_equal(b->n_known, 1);
	assert_int_equal(b->known[0].offset, 4);
	assert_int_equal(b->known[0].touched_us, b->clock.set_us);
}

static void what_was_not_committed_is_read_again(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	commit(b);
	put("logs/a.log", "two\n");
	look(b);
	expect(b, "one\ntwo\n");
	tail_close(b->tail); /* killed */
	start(b);
	look(b);
	expect(b, "two\n");
}

/* Several chunks of one file are under way; what is stored is what was advanced. */
static void two_cursors(void **state)
{
	struct bench *b = *state;
	char bytes[4];
	struct tail_mark first, second;
	struct tail_file *f;
	struct position p;
	struct error e;

	put("logs/a.log", "aaa\nbbb\nccc\n");
	start(b);
	f = tail_next(b->tail);
	assert_int_equal(tail_file_read(f, bytes, 4, &e), 4);
	assert_null(tail_next(b->tail)); /* busy */
	assert_ptr_equal(tail_pending(b->tail, NULL), f);
	first = tail_file_take(f, bytes, 4, false, 100);
	assert_int_equal(tail_file_read(tail_next(b->tail), bytes, 4, &e), 4);
	second = tail_file_take(f, bytes, 4, true, 50);
	assert_int_equal(tail_file_cursor(f), 8);
	assert_true(tail_file_skipping(f));
	tail_file_position(f, &p);
	assert_int_equal(p.offset, 0);
	tail_advance(&first);
	tail_file_position(f, &p);
	assert_int_equal(p.offset, 4);
	assert_int_equal(p.newest_us, 100);
	assert_false(p.skipping);
	tail_advance(&second);
	tail_file_position(f, &p);
	assert_int_equal(p.offset, 8);
	assert_int_equal(p.newest_us, 100);
	assert_true(p.skipping);
	assert_int_equal(tail_file_unread(f), 4);
}

/* ---- rotation ---- */

static void renamed_file_is_read_before_its_successor(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	put("logs/a.log", "two\n");
	assert_int_equal(rename("logs/a.log", "logs/a.log.1"), 0);
	put("logs/a.log", "three\n");
	put("logs/a.log.1", "written late\n");
	look(b);
	assert_string_equal(b->order, " a.log.1 a.log");
	expect(b, "one\ntwo\nwritten late\nthree\n");
}

static void rotated_twice_while_stopped(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	stop(b);
	put("logs/a.log", "two\n");
	rename("logs/a.log", "logs/a.log.1");
	tick();
	put("logs/a.log", "three\n");
	rename("logs/a.log.1", "logs/a.log.2");
	rename("logs/a.log", "logs/a.log.1");
	tick();
	put("logs/a.log", "four\n");
	start(b);
	look(b);
	assert_string_equal(b->order, " a.log.2 a.log.1 a.log");
	expect(b, "one\ntwo\nthree\nfour\n");
}

static void inode_used_again_is_another_file(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "old content, quite long\n");
	start(b);
	look(b);
	expect(b, "old content, quite long\n");
	stop(b);
	unlink("logs/a.log");
	put("logs/a.log", "new content, and longer than the old one was\n");
	start(b);
	look(b);
	expect(b, "new content, and longer than the old one was\n");
}

static void deleted_file_is_held_until_it_is_read(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	commit(b);
	assert_int_equal(b->n_known, 1);
	put("logs/a.log", "unread\n");
	unlink("logs/a.log");
	tail_scan(b->tail);
	b->clock.set_us += 3600 * SECOND_US; /* no timer gives it up */
	look(b);
	expect(b, "one\nunread\n");
	commit(b);
	look(b);
	commit(b);
	assert_int_equal(b->n_known, 0);
	assert_int_equal(stats(b).files, 0);
	assert_int_equal(stats(b).open, 0);
	assert_int_equal(stats(b).truncated_bytes_unread, 0);
}

static void unfinished_line_of_a_rotated_file(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "whole\nunfini");
	start(b);
	look(b);
	rename("logs/a.log", "logs/a.log.1");
	put("logs/a.log", "next\n");
	look(b);
	expect(b, "whole\nnext\n");
	b->clock.set_us += 4 * SECOND_US;
	put("logs/a.log.1", "shed\nstill not fini"); /* its writer was only slow */
	look(b);
	expect(b, "unfinished\n");
	b->clock.set_us += 4 * SECOND_US;
	look(b);
	expect(b, "");
	b->clock.set_us += 2 * SECOND_US;
	look(b);
	expect(b, "still not fini");
	look(b);
	expect(b, "");
}

static void renamed_out_of_sight_is_still_read(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	start(b);
	look(b);
	rename("logs/a.log", "other/a.old");
	put("other/a.old", "two\n");
	look(b);
	expect(b, "one\ntwo\n");
	put("other/a.old", "three\n");
	look(b);
	expect(b, "three\n");
	commit(b);
	rename("other/a.old", "logs/a.log"); /* and back again */
	put("logs/a.log", "four\n");
	look(b);
	expect(b, "four\n");
	b->clock.set_us += 30 * 86400 * SECOND_US;
	rename("logs/a.log", "other/a.old");
	look(b);
	look(b);
	commit(b);
	assert_int_equal(b->n_known, 1); /* remembered until it was away for long */
	b->clock.set_us += 8 * 86400 * SECOND_US;
	look(b);
	commit(b);
	assert_int_equal(b->n_known, 0);
}

/* ---- copytruncate ---- */

static void put_lines(const char *path, int from, int to)
{
	for (int i = from; i < to; i++)
		put(path, line(i));
}

static void expect_lines(struct bench *b, int from, int to)
{
	struct buf wanted = BUF_EMPTY;

	for (int i = from; i < to; i++)
		buf_text(&wanted, line(i));
	expect(b, buf_cstr(&wanted));
	buf_done(&wanted);
}

static void copy_is_gone_on_from(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	put_lines("logs/a.log", 10, 20);
	copy("logs/a.log", "logs/a.log.1");
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 20, 25);
	look(b);
	expect_lines(b, 0, 25);
	assert_string_equal(b->order, " a.log.1 a.log");
	assert_int_equal(stats(b).copies, 1);
	assert_int_equal(stats(b).truncations, 1);
	assert_int_equal(stats(b).truncated_bytes_unread, 0);
	stop(b);
	start(b);
	look(b);
	expect(b, "");
}

static void copy_made_while_stopped(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	stop(b);
	put_lines("logs/a.log", 10, 12);
	copy("logs/a.log", "logs/a.log.1");
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 12, 40); /* past the old offset */
	start(b);
	look(b);
	expect_lines(b, 0, 40);
}

static void backup_is_not_read_twice(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	copy("logs/a.log", "logs/backup.log");
	look(b);
	put_lines("logs/a.log", 10, 12);
	look(b);
	expect_lines(b, 0, 12);
	put_lines("logs/backup.log", 100, 200); /* somebody goes on with it instead */
	look(b);
	assert_true(b->got.n >= 100 * strlen(line(100)));
}

static void same_header_is_no_copy(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", line(1));
	start(b);
	look(b);
	put("logs/b.log", line(1));
	look(b);
	put("logs/b.log", line(2));
	put("logs/a.log", line(3));
	look(b);
	assert_int_equal(b->got.n, 4 * strlen(line(1)));
}

static void loss_is_counted(void **state)
{
	struct bench *b = *state;
	size_t each = strlen(line(10));

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	put_lines("logs/a.log", 10, 13);
	tail_scan(b->tail); /* seen, and not read */
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 50, 51);
	look(b);
	assert_int_equal(stats(b).truncated_bytes_unread, 3 * each);
	buf_clear(&b->got);
	tail_scan(b->tail);
	put("logs/a.log", "half a li");
	look(b);
	assert_int_equal(truncate("logs/a.log", 0), 0);
	look(b);
	assert_int_equal(stats(b).truncated_bytes_unread, 3 * each + 9);
	assert_int_equal(stats(b).truncations, 2);
	buf_clear(&b->got);
}

/* The size was never seen smaller: only the bytes before the offset tell. */
static void truncated_and_grown_past_the_offset(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	buf_clear(&b->got);
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 100, 130);
	look(b);
	expect_lines(b, 100, 130);
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 200, 230); /* exactly as long as before */
	look(b);
	expect_lines(b, 200, 230);
	assert_int_equal(stats(b).truncations, 2);
}

/* A generation is not begun while bytes of the old one are under way: else the position of the new one would be stored before
 * the old one's records. */
static void truncated_while_under_way(void **state)
{
	struct bench *b = *state;
	char bytes[1024];
	struct tail_mark mark;
	struct tail_file *f;
	struct position p;
	struct error e;
	ssize_t n;

	put_lines("logs/a.log", 0, 3);
	start(b);
	f = tail_next(b->tail);
	n = tail_file_read(f, bytes, sizeof bytes, &e);
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 50, 51);
	tail_scan(b->tail);
	assert_null(tail_next(b->tail));
	mark = tail_file_take(f, bytes, (size_t)n, false, TIME_NONE);
	tail_scan(b->tail);
	assert_null(tail_next(b->tail));
	assert_int_equal(tail_file_generation(f), 0);
	tail_advance(&mark);
	tail_file_position(f, &p);
	assert_int_equal(p.offset, n);
	look(b);
	assert_int_equal(tail_file_generation(f), 1);
	expect_lines(b, 50, 51);
}

static void holes_are_passed_over(void **state)
{
	struct bench *b = *state;
	int fd = open("logs/a.log", O_WRONLY | O_CREAT, 0600);
	struct stat s;

	put_lines("logs/a.log", 0, 2);
	start(b);
	look(b);
	expect_lines(b, 0, 2);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "{\"after\":1}\n", 12, (off_t)1 << 36), 12); /* 64 GiB of nothing */
	look(b);
	expect(b, "{\"after\":1}\n");
	assert_int_equal(stats(b).nul_bytes_skipped, UINT64_C(1) << 36);
	assert_int_equal(fstat(fd, &s), 0);
	close(fd);
	put("logs/a.log", "more\n");
	stop(b);
	start(b);
	look(b);
	expect(b, "more\n");
}

/* Room set aside before it is written to is not skipped. */
static void room_set_aside_is_waited_for(void **state)
{
	struct bench *b = *state;
	int fd = open("logs/a.log", O_WRONLY | O_CREAT, 0600);

	assert_int_equal(pwrite(fd, "one\n", 4, 0), 4);
	assert_int_equal(ftruncate(fd, 100000), 0);
	start(b);
	look(b);
	expect(b, "one\n");
	assert_int_equal(pwrite(fd, "two\n", 4, 4), 4);
	look(b);
	expect(b, "two\n");
	assert_int_equal(stats(b).nul_bytes_skipped, 0);
	close(fd);
}

/* ---- a crash of the machine ---- */

static void log_that_lost_its_end_is_not_read_again(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	stop(b);
	expect_lines(b, 0, 10);
	assert_int_equal(truncate("logs/a.log", (off_t)(8 * strlen(line(0)))), 0);
	b->options.rebooted = true;
	start(b);
	look(b);
	expect(b, "");
	assert_int_equal(stats(b).rewound_bytes, 2 * strlen(line(0)));
	put_lines("logs/a.log", 10, 11);
	look(b);
	expect_lines(b, 10, 11);
}

static void log_that_shrank_without_a_crash_is(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	stop(b);
	buf_clear(&b->got);
	assert_int_equal(truncate("logs/a.log", (off_t)(8 * strlen(line(0)))), 0);
	start(b);
	look(b);
	expect_lines(b, 0, 8);
}

static void another_log_after_a_crash_is_read(void **state)
{
	struct bench *b = *state;

	put_lines("logs/a.log", 0, 10);
	start(b);
	look(b);
	stop(b);
	buf_clear(&b->got);
	assert_int_equal(truncate("logs/a.log", 0), 0);
	put_lines("logs/a.log", 50, 58);
	b->options.rebooted = true;
	start(b);
	look(b);
	expect_lines(b, 50, 58);
}

/* ---- links and names ---- */

static void link_that_leads_elsewhere(void **state)
{
	struct bench *b = *state;

	b->options.follow_symlinks = true;
	put("other/1", "one\n");
	assert_int_equal(symlink("../other/1", "logs/current.log"), 0);
	start(b);
	look(b);
	put("other/1", "one more\n");
	put("other/2", "two\n");
	assert_int_equal(symlink("../other/2", "beside"), 0);
	assert_int_equal(rename("beside", "logs/current.log"), 0);
	look(b);
	put("other/1", "written to the old one\n");
	look(b);
	expect(b, "one\none more\ntwo\nwritten to the old one\n");
}

static void links_are_refused_unless_asked_for(void **state)
{
	struct bench *b = *state;

	put("other/1", "one\n");
	assert_int_equal(symlink("../other/1", "logs/current.log"), 0);
	start(b);
	look(b);
	look(b);
	expect(b, "");
	assert_int_equal(stats(b).unreadable, 1);
}

static void two_names_of_one_file_are_read_once(void **state)
{
	struct bench *b = *state;

	put("logs/a.log", "one\n");
	assert_int_equal(link("logs/a.log", "logs/b.log"), 0);
	start(b);
	look(b);
	put("logs/b.log", "two\n");
	look(b);
	expect(b, "one\ntwo\n");
	unlink("logs/a.log");
	put("logs/b.log", "three\n");
	look(b);
	expect(b, "three\n");
	assert_int_equal(stats(b).files, 1);
}

static void compressed_leftovers_are_passed_over(void **state)
{
	struct bench *b = *state;

	put("logs/a.log.1", "\x1f\x8b whatever its name says");
	start(b);
	look(b);
	expect(b, "");
	assert_int_equal(stats(b).compressed, 1);
	assert_int_equal(stats(b).unread_bytes, 0);
}

static void what_is_no_file_is_left_alone(void **state)
{
	struct bench *b = *state;

	assert_int_equal(mkfifo("logs/fifo.log", 0600), 0);
	assert_int_equal(mkdir("logs/dir.log", 0700), 0);
	start(b);
	look(b);
	assert_int_equal(stats(b).files, 0);
}

static void wildcards_in_directories(void **state)
{
	struct bench *b = *state;

	b->globs[0] = "logs/*/x-?.log";
	start(b);
	look(b);
	mkdir("logs/m1", 0700);
	put("logs/m1/x-1.log", "one\n");
	put("logs/m1/x-10.log", "no\n");
	look(b);
	expect(b, "one\n");
}

/* ---- who is next ---- */

static void the_earliest_comes_first(void **state)
{
	struct bench *b = *state;
	struct tail_file *f[3] = {NULL};
	char name[32];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "logs/%d.log", i);
		put(name, line(i));
		tick();
	}
	start(b);
	for (struct tail_file *p = tail_pending(b->tail, NULL); p; p = tail_pending(b->tail, p))
		f[strrchr(tail_file_path(p), '/')[1] - '0'] = p;
	assert_ptr_equal(tail_next(b->tail), f[0]); /* all unknown: by birth */
	assert_true(tail_pending_oldest(b->tail, NULL) == INT64_MAX);
	tail_file_time_set(f[0], 300);
	assert_ptr_equal(tail_next(b->tail), f[1]);
	tail_file_time_set(f[1], 100);
	assert_int_equal(tail_pending_oldest(b->tail, NULL), 100); /* one is still unknown */
	assert_int_equal(tail_pending_oldest(b->tail, f[1]), 300);
	tail_file_time_set(f[2], 200);
	assert_ptr_equal(tail_next(b->tail), f[1]);
	tail_file_busy_set(f[1], true);
	assert_ptr_equal(tail_next(b->tail), f[2]);
	tail_file_busy_set(f[1], false);
	assert_ptr_equal(tail_next(b->tail), f[1]);
}

/* More files than descriptors: all are read, renamed ones too. */
static void few_descriptors(void **state)
{
	struct bench *b = *state;
	size_t whole = 0;
	char name[32], other[32];

	b->options.most_open = 3;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "logs/%02d.log", i);
		put(name, line(i));
	}
	start(b);
	look(b);
	for (int i = 0; i < 20; i += 2) {
		snprintf(name, sizeof name, "logs/%02d.log", i);
		snprintf(other, sizeof other, "logs/%02d.log.1", i);
		put(name, line(100 + i));
		assert_int_equal(rename(name, other), 0);
		put(name, line(200 + i));
	}
	look(b);
	for (int i = 0; i < 20; i++)
		whole += strlen(line(i)) + (i % 2 ? 0 : strlen(line(100 + i)) + strlen(line(200 + i)));
	assert_int_equal(b->got.n, whole);
	assert_true(stats(b).open <= 4);
	assert_int_equal(stats(b).truncations, 0);
}

static void nonsense_is_refused_with_a_sentence(void **state)
{
	struct bench *b = *state;
	struct error e = {""};

	b->globs[0] = "logs/";
	assert_int_equal(tail_open(NULL, &b->options, NULL, 0, NULL, NULL, &b->tail, &e), -EINVAL);
	assert_non_null(strstr(e.text, "\"logs/\""));
	b->options.n_globs = 0;
	assert_int_equal(tail_open(NULL, &b->options, NULL, 0, NULL, NULL, &b->tail, &e), -EINVAL);
	assert_null(b->tail);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_whole_lines_are_taken),
		TEST(files_that_come_later_are_found),
		TEST(first_start_may_begin_at_the_end),
		TEST(restart_goes_on),
		TEST(what_was_not_committed_is_read_again),
		TEST(two_cursors),
		TEST(renamed_file_is_read_before_its_successor),
		TEST(rotated_twice_while_stopped),
		TEST(inode_used_again_is_another_file),
		TEST(deleted_file_is_held_until_it_is_read),
		TEST(unfinished_line_of_a_rotated_file),
		TEST(renamed_out_of_sight_is_still_read),
		TEST(copy_is_gone_on_from),
		TEST(copy_made_while_stopped),
		TEST(backup_is_not_read_twice),
		TEST(same_header_is_no_copy),
		TEST(loss_is_counted),
		TEST(truncated_and_grown_past_the_offset),
		TEST(truncated_while_under_way),
		TEST(holes_are_passed_over),
		TEST(room_set_aside_is_waited_for),
		TEST(log_that_lost_its_end_is_not_read_again),
		TEST(log_that_shrank_without_a_crash_is),
		TEST(another_log_after_a_crash_is_read),
		TEST(link_that_leads_elsewhere),
		TEST(links_are_refused_unless_asked_for),
		TEST(two_names_of_one_file_are_read_once),
		TEST(compressed_leftovers_are_passed_over),
		TEST(what_is_no_file_is_left_alone),
		TEST(wildcards_in_directories),
		TEST(the_earliest_comes_first),
		TEST(few_descriptors),
		TEST(nonsense_is_refused_with_a_sentence),
	};

	log_level_set(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
