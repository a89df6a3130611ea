/* SPDX-License-Identifier: Apache-2.0
 * What waits comes back in order, by model, each byte once, from where it was left, also after a restart; a file that is not the one
 * that was committed is given up with its count. */
#include "backlog.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/oodd-backlog-XXXXXX";
static struct source_config sources[2] = {{.name = "one"}, {.name = "two"}};
static struct model_config models[2] = {{.name = "a", .learn = {.spool_bytes = 200}}, {.name = "b", .learn = {.spool_bytes = 1 << 20}}};
static struct config config = {.sources = sources, .n_sources = 2, .models = models, .n_models = 2};
static struct tally given_up[2];

static int make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int clean(void **state)
{
	char *command = mem_format("rm -rf %s", folder);
	int status = system(command);

	(void)state;
	free(command);
	return status;
}

static bool always(void *context, const char *model)
{
	return !context || strcmp(context, model) != 0;
}

static void lost(void *context, size_t source, struct tally tally)
{
	(void)context;
	given_up[source] = tally;
}

static void put(struct backlogs *b, const char *model, size_t source, int64_t hold_us, const char *text)
{
	struct backlog_piece piece = {source, hold_us, strlen(text)};
	struct error e;

	assert_int_equal(backlogs_put(b, model, &piece, text, (struct tally){1, (int64_t)piece.n}, &e), 0);
}

/* The next piece of a model other than `but` is this; `take` of its bytes are dealt with. */
static void next_is(struct backlogs *b, const char *but, size_t source, int64_t hold_us, const char *text, size_t take)
{
	struct backlog_piece piece;
	struct backlog *one = backlogs_next(b, always, (void *)(uintptr_t)but, &piece);
	char at[100] = "";
	struct error e;

	assert_non_null(one);
	assert_int_equal(piece.source, source);
	assert_int_equal(piece.hold_us, hold_us);
	assert_int_equal(piece.n, strlen(text));
	assert_int_equal(backlog_read(one, &piece, at, &e), 0);
	assert_string_equal(at, text);
	backlog_took(one, &piece, (struct tally){1, (int64_t)take});
}

static void save(struct backlogs *b, struct store *s)
{
	struct txn *t = txn_open();
	struct error e;

	backlogs_save(b, t);
	assert_int_equal(store_commit_wait(s, &t, SECOND_US, &e), 0);
	txn_close(&t);
}

static bool there(const char *model)
{
	char *path = mem_format("%s/%s.behind", folder, model);
	bool is = access(path, F_OK) == 0;

	free(path);
	return is;
}

static void test_in_order_once_and_after_a_restart(void **state)
{
	struct store_options o = {.dir = folder};
	struct backlogs *b = backlogs_open(&config, folder);
	struct backlog_piece piece;
	struct store *s;
	struct error e;
	char *path;
	int fd;

	(void)state;
	assert_int_equal(store_open(&o, &s, &e), 0);
	assert_null(backlogs_waits(b, "a", false));
	put(b, "a", 0, 7, "first\n");
	put(b, "a", 1, INT64_MAX, "second\n");
	put(b, "b", 0, 9, "of b\n");
	assert_string_equal(backlogs_waits(b, "a", false), "a");
	assert_string_equal(backlogs_waits(b, "?", true), "a");
	assert_null(backlogs_waits(b, "?", false));
	next_is(b, NULL, 0, 7, "first\n", 2);
	save(b, s);
	/* Written behind the commit: cut off again by the next start. */
	put(b, "a", 0, 1, "uncommitted\n");
	next_is(b, "b", 0, 7, "rst\n", 4);
	backlogs_close(b);

	b = backlogs_open(&config, folder);
	sources[0].name = "two"; /* a reload has changed their places */
	sources[1].name = "one";
	assert_int_equal(backlogs_load(b, s, lost, NULL, &e), 0);
	next_is(b, "b", 1, 7, "rst\n", 4);
	next_is(b, "b", 0, INT64_MAX, "second\n", 7);
	assert_null(backlogs_waits(b, "a", false));
	assert_null(backlogs_next(b, always, "b", &piece));
	/* The file goes when it is on record that it is empty. */
	save(b, s);
	assert_true(there("a"));
	save(b, s);
	assert_false(there("a"));
	assert_true(there("b"));
	assert_false(backlogs_full(b));
	for (int i = 0; i < 6; i++)
		put(b, "a", 0, 0, "twenty bytes or more.\n");
	assert_true(backlogs_full(b));
	save(b, s);
	backlogs_close(b);

	path = mem_format("%s/a.behind", folder);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "not ours", 8), 8);
	close(fd);
	free(path);
	b = backlogs_open(&config, folder);
	assert_int_equal(backlogs_load(b, s, lost, NULL, &e), 0);
	assert_int_equal(given_up[0].records, 6);
	assert_int_equal(given_up[0].bytes, 6 * 22);
	assert_null(backlogs_waits(b, "a", false));
	next_is(b, NULL, 1, 9, "of b\n", 5);
	backlogs_close(b);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order_once_and_after_a_restart)};

	return cmocka_run_group_tests(tests, make, clean);
}
