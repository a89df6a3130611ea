/* SPDX-License-Identifier: Apache-2.0
 * The law of the one transaction, under kill -9: a child commits as fast as it can and reports each
 * commit that ended; the parent kills it at a random instant, again and again over the same
 * database. After each kill position, window, counters and outbox must be of one and the same
 * commit, and not older than the last that was reported. */
#include "store/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define ROUNDS 60
#define MOST_US 40000
#define IN_OUTBOX 3

#define CHECK(x)                                                                                   \
	((x) ? (void)0                                                                             \
	     : (fprintf(stderr, "%s:%d: round %d: %s\n", __FILE__, __LINE__, round_now, #x),       \
		       exit(1)))

static int round_now;

/* Shared with the child: what it was told is committed. */
static struct shared {
	volatile int64_t reported;
} * shared;

static struct txn *step(int64_t i)
{
	struct txn *t = txn_open();
	struct position p = {.source = (char *)"a",
		.identity = (char *)"f",
		.offset = (uint64_t)i,
		.newest_us = TIME_NONE};
	struct counts c = {.read = {i, i}};
	struct outbox_row row = {.endpoint = "e",
		.number = i,
		.key = "k",
		.state = ALERT_FIRING,
		.expires_us = TIME_NONE,
		.dead_us = TIME_NONE};
	size_t n = 1 + (size_t)(hash_unit(hash_bytes(&i, sizeof i, 1)) * 100000);
	int64_t *window = mem_zero(n + 1, sizeof *window);

	window[0] = window[n - 1] = i;
	txn_put_position(t, &p);
	txn_put_state(t, STATE_WINDOW, "w", window, n * sizeof *window);
	txn_put_counts(t, "a", &c);
	if (i % 4 == 0)
		txn_put_outbox(t, &row);
	if (i % 4 == 0 && i / 4 > IN_OUTBOX)
		txn_done_outbox(t, "e", i - 4 * IN_OUTBOX);
	free(window);
	return t;
}

struct writer {
	struct store *store;
	int64_t next, done;
};

static void hand_over(struct writer *w);

static void on_done(void *context, int code, const char *text)
{
	struct writer *w = context;

	if (code) {
		fprintf(stderr, "writer: %s\n", text);
		_exit(2);
	}
	shared->reported = ++w->done;
	hand_over(w);
}

static void hand_over(struct writer *w)
{
	struct txn *t = step(w->next++);

	store_commit(w->store, &t, on_done, w);
}

static void write_for_ever(const char *dir, int64_t from)
{
	uv_loop_t loop;
	struct error e;
	struct writer w = {.next = from + 1, .done = from};
	struct store_options o = {.dir = dir, .loop = &loop, .checkpoint_bytes = 1 << 20};

	uv_loop_init(&loop);
	if (store_open(&o, &w.store, &e)) {
		fprintf(stderr, "writer: %s\n", e.text);
		_exit(2);
	}
	if (store_lost(w.store))
		_exit(3);
	hand_over(&w);
	hand_over(&w); /* two in flight, as the agent has */
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(4);
}

struct seen {
	int64_t offset, window, rows, newest, oldest;
};

static int on_position(void *context, const struct position *p)
{
	((struct seen *)context)->offset = (int64_t)p->offset;
	return 0;
}

static int on_window(void *context, const char *key, const void *at, size_t n)
{
	struct seen *seen = context;
	int64_t first, last;

	(void)key;
	memcpy(&first, at, sizeof first);
	memcpy(&last, (const char *)at + n - sizeof last, sizeof last);
	CHECK(first == last);
	seen->window = first;
	return 0;
}

static int on_row(void *context, const struct outbox_row *row)
{
	struct seen *seen = context;

	if (!seen->rows++)
		seen->oldest = row->number;
	seen->newest = row->number;
	return 0;
}

static int64_t check_law(const char *dir)
{
	struct store_options o = {.dir = dir};
	struct store *s;
	struct error e;
	struct seen seen = {0};
	struct counts c;
	int64_t puts;

	if (store_open(&o, &s, &e)) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	CHECK(!store_lost(s));
	CHECK(!store_each_position(s, "a", on_position, &seen, &e));
	CHECK(!store_each_state(s, STATE_WINDOW, on_window, &seen, &e));
	CHECK(!store_counts(s, "a", &c, &e));
	CHECK(!store_each_outbox(s, "e", on_row, &seen, &e));
	store_close(s);
	CHECK(seen.offset == seen.window && seen.offset == c.read.records &&
		seen.offset == c.read.bytes);
	puts = seen.offset / 4;
	CHECK(seen.rows == (puts < IN_OUTBOX ? puts : IN_OUTBOX));
	CHECK(!puts || (seen.newest == 4 * puts && seen.oldest == 4 * (puts - seen.rows + 1)));
	CHECK(seen.offset >= shared->reported);
	return seen.offset;
}

int main(void)
{
	char dir[] = "/tmp/ooddkillXXXXXX";
	int64_t at = 0;
	uint64_t seed = (uint64_t)getpid();
	char *command;
	int status;

	shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !mkdtemp(dir))
		return 1;
	/* A busy machine lets few commits pass between two kills: then kill more often. */
	for (round_now = 0; round_now < ROUNDS || (at < 2 * ROUNDS && round_now < 5 * ROUNDS);
		round_now++) {
		pid_t child = fork();

		if (!child)
			write_for_ever(dir, at);
		usleep((useconds_t)(2000 + MOST_US * hash_unit(hash_bytes(
							     &round_now, sizeof round_now, seed))));
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		CHECK(WIFSIGNALED(status));
		at = check_law(dir);
	}
	printf("%d kills, %lld commits\n", round_now, (long long)at);
	CHECK(at >= ROUNDS);
	command = mem_format("rm -rf '%s'", dir);
	status = system(command);
	free(command);
	return status != 0;
}
