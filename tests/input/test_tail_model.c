/* SPDX-License-Identifier: Apache-2.0
 * The tail against a model: random writing, rotation, copytruncate, deletion, links switched, kills and restarts, with every
 * line numbered. Whatever the order, each line is committed exactly once, but those that the model knows nobody could read:
 * written between the copying and the truncation, or in files that were gone when the agent came back. */
#include "input/tail.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINES_MOST = 60000, INODES_MOST = 4000, LOGS = 3, MARKS_MOST = 8, ROOM = 2048, DONE_MOST = 4096 };

/* ---- the world: files with numbered lines in them ---- */

struct inode {
	char path[320];   /* "" once no path leads to it */
	int *lines;
	size_t n_lines, room;
	bool gone;        /* deleted, or out of the globs: an agent that starts now cannot find it */
};

struct log {
	char path[320];
	struct inode *inode;
	char rest[512];   /* of a line half written */
	int rest_line;
	bool torn;        /* ends in half a line that is never finished */
	int fd;
	off_t at;         /* where a writer without O_APPEND writes next; -1: it appends */
	unsigned turn;
};

struct world {
	unsigned seed;
	unsigned long long random;
	char root[64];
	struct inode inodes[INODES_MOST];
	size_t n_inodes;
	struct log logs[LOGS];
	struct log link;
	unsigned char seen[LINES_MOST], excused[LINES_MOST];
	int n_lines;

	struct clock clock;
	struct tail *tail;
	size_t most_open;
	bool running;
	struct position *stored;
	size_t n_stored;
	struct tail_mark marks[MARKS_MOST];
	int *mark_lines[MARKS_MOST];
	size_t mark_n[MARKS_MOST], n_marks;
	int *done;        /* lines advanced, not yet committed */
	size_t n_done, done_room;
	uint64_t restarts, finals;
};

static unsigned roll(struct world *w, unsigned sides)
{
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(w->random >> 33) % sides;
}

static struct inode *inode_new(struct world *w, const char *path)
{
	struct inode *i = &w->inodes[w->n_inodes++];

	assert_true(w->n_inodes < INODES_MOST);
	snprintf(i->path, sizeof i->path, "%s", path);
	return i;
}

static void inode_line(struct inode *i, int line)
{
	if (i->n_lines == i->room) {
		i->room = i->room ? i->room * 2 : 16;
		i->lines = mem_grow(i->lines, i->room, sizeof *i->lines);
	}
	i->lines[i->n_lines++] = line;
}

static void log_open(struct world *w, struct log *l, const char *path)
{
	snprintf(l->path, sizeof l->path, "%s", path);
	l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(l->fd >= 0);
	l->inode = inode_new(w, path);
	l->at = roll(w, 3) ? -1 : 0;
	l->rest[0] = '\0';
	l->torn = false;
}

static void log_write(struct log *l, const char *text, size_t n)
{
	off_t at = l->at >= 0 ? l->at : lseek(l->fd, 0, SEEK_END);

	assert_int_equal(pwrite(l->fd, text, n, at), n);
	if (l->at >= 0)
		l->at += (off_t)n;
}

static void log_finish_line(struct log *l)
{
	if (!l->rest[0])
		return;
	log_write(l, l->rest, strlen(l->rest));
	inode_line(l->inode, l->rest_line);
	l->rest[0] = '\0';
}

static void log_append(struct world *w, struct log *l, bool partial)
{
	char text[512];
	int line = w->n_lines++, n, cut;

	assert_true(line < LINES_MOST);
	log_finish_line(l);
	if (l->torn)
		log_write(l, "\n", 1);
	l->torn = false;
	n = snprintf(text, sizeof text, "{\"id\":%d,\"pad\":\"%0*d\"}\n", line, 60 + (int)roll(w, 150), 0);
	cut = partial ? 1 + (int)roll(w, (unsigned)n - 1) : n;
	log_write(l, text, (size_t)cut);
	if (cut == n) {
		inode_line(l->inode, line);
		return;
	}
	snprintf(l->rest, sizeof l->rest, "%s", text + cut);
	l->rest_line = line;
}

/* Half a line that will never be finished is nobody's loss; mostly it is finished first. */
static void log_leave(struct world *w, struct log *l)
{
	if (roll(w, 4))
		log_finish_line(l);
	if (!l->rest[0])
		return;
	w->excused[l->rest_line] = 1;
	l->rest[0] = '\0';
	l->torn = true;
}

static bool step_read(struct world *w);

static void excuse_if_unseen(struct world *w, const struct inode *i)
{
	for (size_t k = 0; !w->running && k < i->n_lines; k++)
		w->excused[i->lines[k]] = 1;
}

static struct inode *inode_at(struct world *w, const char *path)
{
	for (size_t i = w->n_inodes; i-- > 0;)
		if (!w->inodes[i].gone && strcmp(w->inodes[i].path, path) == 0)
			return &w->inodes[i];
	return NULL;
}

static void world_unlink(struct world *w, const char *path)
{
	struct inode *i = inode_at(w, path);

	if (!i)
		return;
	if (w->running)
		tail_scan(w->tail); /* a file made and deleted between two looks is seen by nobody */
	if (w->running && w->most_open) /* nor is what is written while its descriptor is needed elsewhere */
		while (step_read(w))
			;
	excuse_if_unseen(w, i);
	i->gone = true;
	unlink(path);
}

static void world_rename(struct world *w, const char *from, const char *to)
{
	struct inode *i = inode_at(w, from);

	if (!i)
		return;
	world_unlink(w, to);
	assert_int_equal(rename(from, to), 0);
	snprintf(i->path, sizeof i->path, "%s", to);
}

static void step_append(struct world *w)
{
	struct log *l = roll(w, LOGS + 1) ? &w->logs[roll(w, LOGS)] : &w->link;

	for (unsigned n = roll(w, 12); n > 0; n--)
		log_append(w, l, false);
	if (roll(w, 3) == 0)
		log_append(w, l, true);
}

static void step_rotate(struct world *w)
{
	struct log *l = &w->logs[roll(w, LOGS)];
	char path[256], from[300], to[300];
	unsigned keep = 2 + roll(w, 2);

	log_leave(w, l);
	snprintf(path, sizeof path, "%s", l->path);
	for (unsigned i = keep; i-- > 1;) {
		snprintf(from, sizeof from, "%s.%u", path, i);
		snprintf(to, sizeof to, "%s.%u", path, i + 1);
		world_rename(w, from, to);
	}
	snprintf(to, sizeof to, "%s.1", path);
	world_rename(w, path, to);
	if (roll(w, 2)) { /* the writer has not noticed yet */
		snprintf(l->inode->path, sizeof l->inode->path, "%s", to);
		log_append(w, l, false);
	}
	close(l->fd);
	log_open(w, l, path);
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char bytes[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void step_copytruncate(struct world *w)
{
	struct log *l = &w->logs[roll(w, LOGS)];
	struct inode *copy;
	char to[300];
	size_t before;

	log_leave(w, l);
	snprintf(to, sizeof to, "%s.copy%u", l->path, l->turn++);
	copy_file(l->path, to);
	copy = inode_new(w, to);
	for (size_t k = 0; k < l->inode->n_lines; k++)
		inode_line(copy, l->inode->lines[k]);
	before = l->inode->n_lines;
	if (roll(w, 4) == 0) /* what every copytruncate may lose */
		log_append(w, l, false);
	if (w->running && roll(w, 2))
		tail_scan(w->tail);
	for (size_t k = before; k < l->inode->n_lines; k++)
		w->excused[l->inode->lines[k]] = 1;
	assert_int_equal(ftruncate(l->fd, 0), 0);
	l->inode->n_lines = 0;
	l->torn = false;
	if (roll(w, 2))
		log_append(w, l, false);
	if (l->turn > 3) {
		snprintf(to, sizeof to, "%s.copy%u", l->path, l->turn - 4);
		world_unlink(w, to);
	}
}

static void step_recreate(struct world *w)
{
	struct log *l = &w->logs[roll(w, LOGS)];
	char path[320];

	log_leave(w, l);
	snprintf(path, sizeof path, "%s", l->path);
	close(l->fd);
	world_unlink(w, path);
	log_open(w, l, path);
	log_append(w, l, false);
}

static void point_link(struct world *w)
{
	char target[256], link_path[256], beside[256];

	snprintf(target, sizeof target, "%s/targets/%u", w->root, w->link.turn++);
	snprintf(link_path, sizeof link_path, "%s/logs/current.log", w->root);
	snprintf(beside, sizeof beside, "%s/beside", w->root);
	log_open(w, &w->link, target);
	assert_int_equal(symlink(target, beside), 0);
	assert_int_equal(rename(beside, link_path), 0);
}

static void step_link(struct world *w)
{
	log_leave(w, &w->link);
	if (w->running)
		tail_scan(w->tail);
	if (w->running && w->most_open)
		while (step_read(w))
			;
	excuse_if_unseen(w, w->link.inode);
	w->link.inode->gone = true; /* nobody finds it who does not hold it */
	close(w->link.fd);
	point_link(w);
}

/* ---- the agent: reads, counts, commits, is killed ---- */

static void tail_start(struct world *w)
{
	char glob[128];
	const char *globs[] = {glob};
	struct tail_options o = {.source = "s", .globs = globs, .n_globs = 1, .follow_symlinks = true,
		.partial_us = 3 * SECOND_US, .clock = &w->clock, .most_open = w->most_open};
	struct error e = {""};

	snprintf(glob, sizeof glob, "%s/logs/*.log*", w->root);
	assert_int_equal(tail_open(NULL, &o, w->stored, w->n_stored, NULL, NULL, &w->tail, &e), 0);
	w->running = true;
}

static size_t collect(const char *at, size_t n, int *lines)
{
	size_t consumed = 0, n_lines = 0;
	const char *newline;

	while ((newline = memchr(at + consumed, '\n', n - consumed))) {
		int line = -1;

		if (newline > at + consumed && newline[-1] == '}' && sscanf(at + consumed, "{\"id\":%d,", &line) == 1)
			lines[n_lines++] = line;
		consumed = (size_t)(newline + 1 - at);
	}
	lines[n_lines] = -1;
	return consumed;
}

static void advance(struct world *w)
{
	if (w->n_done + w->mark_n[0] > w->done_room) {
		w->done_room = 2 * (w->n_done + w->mark_n[0]);
		w->done = mem_grow(w->done, w->done_room, sizeof *w->done);
	}
	tail_advance(&w->marks[0]);
	if (w->mark_n[0])
		memcpy(w->done + w->n_done, w->mark_lines[0], w->mark_n[0] * sizeof(int));
	w->n_done += w->mark_n[0];
	free(w->mark_lines[0]);
	w->n_marks--;
	memmove(w->marks, w->marks + 1, w->n_marks * sizeof *w->marks);
	memmove(w->mark_lines, w->mark_lines + 1, w->n_marks * sizeof *w->mark_lines);
	memmove(w->mark_n, w->mark_n + 1, w->n_marks * sizeof *w->mark_n);
}

static bool step_read(struct world *w)
{
	struct tail_file *f = tail_next(w->tail);
	char bytes[ROOM + 1];
	int lines[ROOM / 16];
	size_t consumed, n_lines = 0;
	struct tail_mark m;
	struct error e;
	ssize_t n;
	bool final;

	if (!f)
		return false;
	n = tail_file_read(f, bytes, ROOM / 2 + roll(w, ROOM / 2), &e);
	assert_true(n >= 0);
	if (n == 0)
		return true;
	bytes[n] = '\0';
	final = tail_file_final(f);
	consumed = collect(bytes, (size_t)n, lines);
	if (roll(w, 8) == 0 && !final && memchr(bytes, '\n', consumed / 2))
		consumed = collect(bytes, consumed / 2, lines);
	w->finals += final && consumed < (size_t)n;
	m = tail_file_take(f, bytes, final ? (size_t)n : consumed, false, TIME_NONE);
	if (consumed == 0 && !final)
		return true;
	while (lines[n_lines] >= 0)
		n_lines++;
	if (w->n_marks == MARKS_MOST)
		advance(w);
	w->marks[w->n_marks] = m;
	w->mark_lines[w->n_marks] = mem_alloc((n_lines + 1) * sizeof(int));
	memcpy(w->mark_lines[w->n_marks], lines, n_lines * sizeof(int));
	w->mark_n[w->n_marks++] = n_lines;
	return true;
}

static void store_position(void *context, const struct position *p)
{
	struct world *w = context;

	for (size_t i = 0; i < w->n_stored; i++)
		if (strcmp(w->stored[i].identity, p->identity) == 0) {
			position_done(&w->stored[i]);
			position_copy(&w->stored[i], p);
			return;
		}
	w->stored = mem_grow(w->stored, w->n_stored + 1, sizeof *w->stored);
	position_copy(&w->stored[w->n_stored++], p);
}

static void forget_position(void *context, const char *source, const char *identity)
{
	struct world *w = context;

	assert_string_equal(source, "s");
	for (size_t i = 0; i < w->n_stored; i++)
		if (strcmp(w->stored[i].identity, identity) == 0) {
			position_done(&w->stored[i]);
			w->stored[i] = w->stored[--w->n_stored];
			return;
		}
}

/* Where it stands, for whoever has to find out. */
static void tell_of(const struct world *w, int line)
{
	for (size_t i = 0; i < w->n_inodes; i++)
		for (size_t k = 0; k < w->inodes[i].n_lines; k++)
			if (w->inodes[i].lines[k] == line)
				print_error("seed %u, line %d: in %s (%s), %zu of %zu\n", w->seed, line, w->inodes[i].path,
					w->inodes[i].gone ? "gone" : "there", k, w->inodes[i].n_lines);
	for (struct tail_file *f = tail_pending(w->tail, NULL); f; f = tail_pending(w->tail, f))
		print_error("pending: %s at %llu\n", tail_file_path(f), (unsigned long long)tail_file_cursor(f));
	for (size_t i = 0; i < w->n_stored; i++)
		print_error("stored: %s at %llu of generation %llu\n", w->stored[i].path,
			(unsigned long long)w->stored[i].offset, (unsigned long long)w->stored[i].generation);
}

static void commit(struct world *w)
{
	tail_positions(w->tail, store_position, w);
	tail_forgotten(w->tail, forget_position, w);
	for (size_t i = 0; i < w->n_done; i++) {
		int line = w->done[i];

		if (w->seen[line]++) {
			tell_of(w, line);
			fail_msg("seed %u: line %d was counted twice", w->seed, line);
		}
	}
	w->n_done = 0;
}

static bool reachable(const struct world *w, int line)
{
	for (size_t i = 0; i < w->n_inodes; i++)
		for (size_t k = 0; !w->inodes[i].gone && k < w->inodes[i].n_lines; k++)
			if (w->inodes[i].lines[k] == line)
				return true;
	return false;
}

static void kill_agent(struct world *w)
{
	for (size_t i = 0; i < w->n_marks; i++)
		free(w->mark_lines[i]);
	w->n_marks = w->n_done = 0;
	tail_close(w->tail);
	w->running = false;
	w->restarts++;
	for (int line = 0; line < w->n_lines; line++)
		if (!w->seen[line] && !w->excused[line] && !reachable(w, line))
			w->excused[line] = 2;
	for (size_t i = 0; i < LOGS; i++) /* half lines are not lost with their file: they go on */
		if (w->logs[i].rest[0])
			w->excused[w->logs[i].rest_line] = 0;
	if (w->link.rest[0])
		w->excused[w->link.rest_line] = 0;
}

static void step_world(struct world *w)
{
	static void (*const steps[])(struct world *) = {step_append, step_append, step_append, step_append, step_append,
		step_rotate, step_copytruncate, step_recreate, step_link};

	steps[roll(w, sizeof steps / sizeof *steps)](w);
}

static void step_agent(struct world *w)
{
	switch (roll(w, 8)) {
	case 0:
		tail_scan(w->tail);
		break;
	case 1:
		while (step_read(w))
			;
		break;
	case 2:
		commit(w);
		break;
	case 3:
		w->clock.set_us += roll(w, 5) * SECOND_US / 2;
		break;
	case 4:
		while (w->n_marks)
			advance(w);
		break;
	default:
		step_read(w);
	}
}

static void restart(struct world *w)
{
	kill_agent(w);
	for (unsigned n = roll(w, 4); n > 0; n--)
		step_world(w);
	w->clock.set_us += roll(w, 100) * SECOND_US;
	tail_start(w);
}

/* Until nothing moves any more, quiet times included. */
static void drain(struct world *w)
{
	for (int i = 0; i < LOGS; i++)
		log_finish_line(&w->logs[i]);
	log_finish_line(&w->link);
	for (int i = 0; i < 5; i++) {
		tail_scan(w->tail);
		while (step_read(w) || w->n_marks)
			while (w->n_marks)
				advance(w);
		commit(w);
		w->clock.set_us += 4 * SECOND_US;
	}
}

static void check(const struct world *w)
{
	int excused = 0;

	for (int line = 0; line < w->n_lines; line++) {
		excused += w->excused[line] != 0;
		if (w->seen[line] || w->excused[line])
			continue;
		tell_of(w, line);
		fail_msg("seed %u: line %d was never counted", w->seed, line);
	}
	if (w->n_lines > 100 && excused > w->n_lines / 2)
		fail_msg("seed %u: the model excuses %d of %d lines: it proves nothing", w->seed, excused, w->n_lines);
}

static void world_open(struct world *w, unsigned seed, size_t most_open)
{
	char path[320];

	memset(w, 0, sizeof *w);
	w->seed = seed;
	w->random = seed * 2654435761ULL + 1;
	w->clock.set_us = 1700000000 * SECOND_US;
	w->most_open = most_open;
	snprintf(w->root, sizeof w->root, "/tmp/oodd-tail-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(path, sizeof path, "%s/logs", w->root);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/targets", w->root);
	mkdir(path, 0700);
	for (int i = 0; i < LOGS; i++) {
		snprintf(path, sizeof path, "%s/logs/%c.log", w->root, 'a' + i);
		log_open(w, &w->logs[i], path);
	}
	point_link(w);
	tail_start(w);
}

static void world_close(struct world *w)
{
	char command[128];

	tail_close(w->tail);
	for (int i = 0; i < LOGS; i++)
		close(w->logs[i].fd);
	close(w->link.fd);
	for (size_t i = 0; i < w->n_inodes; i++)
		free(w->inodes[i].lines);
	for (size_t i = 0; i < w->n_stored; i++)
		position_done(&w->stored[i]);
	free(w->stored);
	free(w->done);
	snprintf(command, sizeof command, "rm -rf '%s'", w->root);
	assert_int_equal(system(command), 0);
}

/* OODD_MODEL_SEEDS=400 for a long night, OODD_MODEL_SEED=56 for that one. */
static unsigned asked(const char *name, unsigned otherwise)
{
	return getenv(name) ? (unsigned)atoi(getenv(name)) : otherwise;
}

static void run(unsigned n_seeds, unsigned steps, size_t most_open)
{
	static struct world w;
	unsigned first = asked("OODD_MODEL_SEED", 1), n = asked("OODD_MODEL_SEEDS", first > 1 ? 1 : n_seeds);
	uint64_t lines = 0, restarts = 0, finals = 0, truncations = 0, copies = 0;

	for (unsigned seed = first; seed < first + n; seed++) {
		struct tail_stats s;

		world_open(&w, seed, most_open);
		for (unsigned i = 0; i < steps; i++) {
			step_world(&w);
			for (unsigned k = roll(&w, 6); k > 0; k--)
				step_agent(&w);
			if (roll(&w, 25) == 0)
				restart(&w);
			tail_stats(w.tail, &s);
		}
		drain(&w);
		check(&w);
		tail_stats(w.tail, &s);
		truncations += s.truncations;
		copies += s.copies;
		lines += (uint64_t)w.n_lines;
		restarts += w.restarts;
		finals += w.finals;
		world_close(&w);
	}
	printf("lines %llu, restarts %llu, unfinished lines handed out %llu, truncations %llu, copies %llu (since the last start)\n",
		(unsigned long long)lines, (unsigned long long)restarts, (unsigned long long)finals,
		(unsigned long long)truncations, (unsigned long long)copies);
}

static void every_line_once(void **state)
{
	(void)state;
	run(40, 250, 0);
}

static void every_line_once_with_few_descriptors(void **state)
{
	(void)state;
	run(20, 150, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_once),
		cmocka_unit_test(every_line_once_with_few_descriptors),
	};

	log_level_set(LOG_ERROR_);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
