/* SPDX-License-Identifier: Apache-2.0
 * The tail in a process of its own, for stories that rotate its files and kill it: tail_driver JOURNAL GLOB...
 *
 * What it read and where it stands go to the journal in one write, ended by a line "C", every 20 ms: a transaction as the store
 * would make it. A group without its "C" was cut by a kill and is dropped at the next start. Lines begin with what they are:
 * "L text", "P fields", "F identity". SIGTERM: commit, say what was lost on standard output, end. */
#include "input/tail.h"

#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 1 << 16 };

static struct tail *tail;
static int journal;
static struct buf group;
static struct position *known;
static size_t n_known;
static char room[ROOM];

static void forget_known(const char *identity)
{
	for (size_t i = 0; i < n_known; i++)
		if (strcmp(known[i].identity, identity) == 0) {
			position_done(&known[i]);
			known[i] = known[--n_known];
			return;
		}
}

static void load_position(char *fields)
{
	struct position p = {.source = (char *)"s"};
	int skipping = 0, used = 0;
	char *path;

	if (sscanf(fields,
		    "%" SCNu64 " %" SCNu64 " %d %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %n",
		    &p.generation, &p.offset, &skipping, &p.head_n, &p.head_hash, &p.marker_n, &p.marker_hash,
		    &p.newest_us, &p.touched_us, &used) < 9)
		exit(3);
	p.skipping = skipping;
	p.identity = fields + used;
	path = strchr(p.identity, ' ');
	*path++ = '\0';
	p.path = path;
	forget_known(p.identity);
	known = mem_grow(known, n_known + 1, sizeof *known);
	position_copy(&known[n_known++], &p);
}

/* Groups that are whole; what follows the last of them is cut off. */
static void load_journal(const char *path)
{
	FILE *f = fopen(path, "a+");
	char **held = NULL, *line = NULL;
	size_t n_held = 0, n = 0;
	long whole = 0;

	if (!f)
		exit(2);
	rewind(f);
	while (getline(&line, &n, f) > 0) {
		size_t length = strlen(line);

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		held = mem_grow(held, n_held + 1, sizeof *held);
		held[n_held++] = mem_copy_text(line);
		if (strcmp(line, "C") != 0)
			continue;
		for (size_t i = 0; i < n_held; i++) {
			if (held[i][0] == 'P')
				load_position(held[i] + 2);
			else if (held[i][0] == 'F')
				forget_known(held[i] + 2);
			free(held[i]);
		}
		n_held = 0;
		whole = ftell(f);
	}
	for (size_t i = 0; i < n_held; i++)
		free(held[i]);
	free(held);
	free(line);
	fclose(f);
	if (truncate(path, whole) < 0)
		exit(2);
	journal = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static void put_position(void *context, const struct position *p)
{
	(void)context;
	buf_format(&group,
		"P %" PRIu64 " %" PRIu64 " %d %" PRIu32 " %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRId64 " %" PRId64 " %s %s\n",
		p->generation, p->offset, p->skipping, p->head_n, p->head_hash, p->marker_n, p->marker_hash, p->newest_us,
		p->touched_us, p->identity, p->path);
}

static void put_forgotten(void *context, const char *source, const char *identity)
{
	(void)context;
	(void)source;
	buf_format(&group, "F %s\n", identity);
}

static void commit(void)
{
	tail_positions(tail, put_position, NULL);
	tail_forgotten(tail, put_forgotten, NULL);
	if (group.n == 0)
		return;
	buf_text(&group, "C\n");
	if (write(journal, group.at, group.n) != (ssize_t)group.n)
		exit(2);
	buf_clear(&group);
}

/* Whole lines, or what is final. Returns how many bytes that is. */
static size_t take_lines(const char *at, size_t n, bool final)
{
	size_t taken = 0;

	while (taken < n) {
		const char *newline = memchr(at + taken, '\n', n - taken);
		size_t length = newline ? (size_t)(newline - at) - taken : n - taken;

		if (!newline && !final)
			break;
		buf_text(&group, "L ");
		buf_put(&group, at + taken, length);
		buf_text(&group, "\n");
		taken += length + (newline != NULL);
	}
	return taken;
}

static void on_ready(void *context)
{
	struct tail_file *f;

	(void)context;
	while ((f = tail_next(tail))) {
		struct error e;
		ssize_t n = tail_file_read(f, room, sizeof room, &e);
		struct tail_mark m;
		size_t taken;

		if (n <= 0)
			continue;
		taken = take_lines(room, (size_t)n, tail_file_final(f));
		m = tail_file_take(f, room, taken, false, TIME_NONE);
		if (taken > 0)
			tail_advance(&m);
	}
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	commit();
}

static void on_end(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

int main(int argc, char **argv)
{
	struct tail_options o = {.source = "s", .globs = (const char *const *)argv + 2, .n_globs = (size_t)argc - 2,
		.partial_us = SECOND_US};
	struct tail_stats s;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t end;
	struct error e;

	if (argc < 3)
		return 64;
	load_journal(argv[1]);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &timer);
	uv_signal_init(&loop, &end);
	uv_signal_start(&end, on_end, SIGTERM);
	if (tail_open(&loop, &o, known, n_known, on_ready, NULL, &tail, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 64;
	}
	uv_timer_start(&timer, on_timer, 20, 20);
	uv_run(&loop, UV_RUN_DEFAULT);
	tail_scan(tail);
	commit();
	tail_stats(tail, &s);
	printf("{\"lost\":%" PRIu64 ",\"truncations\":%" PRIu64 ",\"copies\":%" PRIu64 ",\"unread\":%" PRIu64 "}\n",
		s.truncated_bytes_unread, s.truncations, s.copies, s.unread_bytes);
	tail_close(tail);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&end, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	for (size_t i = 0; i < n_known; i++)
		position_done(&known[i]);
	free(known);
	buf_done(&group);
	return 0;
}
