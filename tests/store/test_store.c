/* SPDX-License-Identifier: Apache-2.0
 * The store: what goes in comes out, one transaction or nothing, one writer, and what it does when
 * the world says no. Real files, a real SQLite; the disk is filled with max_page_count and broken
 * with a VFS of the test's own. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/mem.h"

#define PATIENCE_US (SECOND_US / 5)

/* ---- a disk that can break: the system's VFS, with its own sync and a count of them ---- */

static struct {
	sqlite3_vfs vfs;
	sqlite3_io_methods methods;
	const sqlite3_io_methods *real;
	bool fail_sync;
	int wal_syncs;
} shim;

static int shim_sync(sqlite3_file *file, int flags)
{
	if (shim.fail_sync)
		return SQLITE_IOERR_FSYNC;
	shim.wal_syncs++;
	return shim.real->xSync(file, flags);
}

static int shim_open(
	sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *unix_vfs = vfs->pAppData;
	int code = unix_vfs->xOpen(unix_vfs, name, file, flags, out);

	if (code || !(flags & SQLITE_OPEN_WAL))
		return code;
	if (!shim.real) {
		shim.real = file->pMethods;
		shim.methods = *file->pMethods;
		shim.methods.xSync = shim_sync;
	}
	file->pMethods = &shim.methods;
	return code;
}

static void shim_install(void)
{
	shim.vfs = *sqlite3_vfs_find(NULL);
	shim.vfs.pAppData = sqlite3_vfs_find(NULL);
	shim.vfs.zName = "shim";
	shim.vfs.xOpen = shim_open;
	sqlite3_vfs_register(&shim.vfs, 1);
}

/* ---- a directory of its own for each test ---- */

struct room {
	char parent[64], dir[96];
	uv_loop_t loop;
	struct store *store;
	struct error e;
	int notices[3];
	int ended, code;
};

static int room_open(void **state)
{
	struct room *r = mem_zero(1, sizeof *r);
	const char *base = getenv("TMPDIR");

	snprintf(r->parent, sizeof r->parent, "%.40s/ooddXXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(r->parent));
	snprintf(r->dir, sizeof r->dir, "%s/state", r->parent);
	uv_loop_init(&r->loop);
	*state = r;
	return 0;
}

static void close_store(struct room *r)
{
	store_close(r->store);
	r->store = NULL;
	uv_run(&r->loop, UV_RUN_DEFAULT);
}

static int room_close(void **state)
{
	struct room *r = *state;
	char *command = mem_format("rm -rf '%s'", r->parent);

	close_store(r);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	assert_int_equal(system(command), 0);
	free(command);
	free(r);
	return 0;
}

static void on_notice(void *context, enum store_state state, const char *text)
{
	(void)text;
	((struct room *)context)->notices[state]++;
}

static struct store_options options(struct room *r)
{
	return (struct store_options){.dir = r->dir,
		.loop = &r->loop,
		.notice = on_notice,
		.context = r,
		.retry_us = 20000};
}

static void open_store(struct room *r)
{
	struct store_options o = options(r);

	if (store_open(&o, &r->store, &r->e))
		fail_msg("%s", r->e.text);
}

static void commit(struct room *r, struct txn **t)
{
	if (store_commit_wait(r->store, t, PATIENCE_US, &r->e))
		fail_msg("%s", r->e.text);
}

static char *database(struct room *r)
{
	return mem_format("%s/oodd.db", r->dir);
}

static void on_commit(void *context, int code, const char *text)
{
	struct room *r = context;

	(void)text;
	r->ended++;
	r->code = code;
}

/* ---- what goes in comes out ---- */

static const struct position position = {.source = (char *)"a",
	.identity = (char *)"handle:1",
	.path = (char *)"/var/log/a.jsonl",
	.generation = UINT64_MAX,
	.offset = 1 << 30,
	.skipping = true,
	.head_n = 256,
	.marker_n = 17,
	.head_hash = 0xfedcba9876543210,
	.marker_hash = 3,
	.newest_us = TIME_NONE,
	.touched_us = 12};

static int same_position(void *context, const struct position *p)
{
	assert_string_equal(p->source, position.source);
	assert_string_equal(p->identity, position.identity);
	assert_string_equal(p->path, position.path);
	assert_true(p->generation == position.generation && p->offset == position.offset &&
		    p->skipping);
	assert_true(p->head_n == 256 && p->marker_n == 17 && p->head_hash == position.head_hash &&
		    p->marker_hash == 3);
	assert_true(p->newest_us == TIME_NONE && p->touched_us == 12);
	++*(int *)context;
	return 0;
}

static int same_state(void *context, const char *key, const void *at, size_t n)
{
	assert_string_equal(key, "stream/1");
	assert_int_equal(n, 5);
	assert_memory_equal(at, "a\0b\0c", 5);
	++*(int *)context;
	return 0;
}

static int same_sample(void *context, const struct sample *s)
{
	int *n = context;

	assert_string_equal(s->model, "m");
	assert_int_equal(s->time_us, 5 - *n); /* the newest of five first */
	assert_true(*n ? s->p == 0.25 : isnan(s->p));
	assert_null(s->id);
	assert_int_equal(s->n_record, 2);
	++*n;
	return 0;
}

static int same_outbox(void *context, const struct outbox_row *row)
{
	assert_string_equal(row->endpoint, "oncall");
	assert_int_equal(row->number, 7);
	assert_int_equal(row->state, ALERT_RESOLVED);
	assert_memory_equal(row->alert, "body", 4);
	assert_int_equal(row->attempts, 3);
	assert_string_equal(row->said, "503");
	assert_true(row->expires_us == TIME_NONE && row->dead_us == 99);
	++*(int *)context;
	return 0;
}

static void put_all(struct txn *t)
{
	struct counts c = {
		.read = {10, 100}, .in_flight = {1, 9}, .flagged = 2, .truncated_bytes_unread = 77, .truncations = 3};
	struct sample s = {.model = (char *)"m",
		.version = (char *)"1",
		.p = 0.25,
		.record = (char *)"{}",
		.n_record = 2};
	struct outbox_row row = {.endpoint = "oncall",
		.number = 7,
		.key = "k",
		.state = ALERT_RESOLVED,
		.alert = "body",
		.n_alert = 4,
		.expires_us = TIME_NONE,
		.dead_us = TIME_NONE};

	c.rejected[REJECT_UTF8] = (struct tally){3, 33};
	txn_put_position(t, &position);
	txn_put_state(t, STATE_JUDGE, "stream/1", "a\0b\0c", 5);
	txn_put_state(t, STATE_JUDGE, "gone", "", 0);
	txn_drop_state(t, STATE_JUDGE, "gone");
	txn_put_counts(t, "a", &c);
	for (s.time_us = 1; s.time_us <= 5; s.time_us++) {
		s.p = s.time_us == 5 ? NAN : 0.25;
		txn_put_sample(t, &s, 3);
	}
	txn_put_outbox(t, &row);
	txn_attempt_outbox(t, "oncall", 7, 2, 50, "502");
	txn_dead_outbox(t, "oncall", 7, 3, "503", 99, 10);
	row.number = 8;
	txn_put_outbox(t, &row);
	txn_done_outbox(t, "oncall", 8);
}

static int settled_sample(void *context, const struct sample *s)
{
	int *n = context;

	assert_string_equal(s->model, "odd");
	assert_int_equal(s->window_us, 60);
	assert_true(s->hash == (*n ? UINT64_MAX : 3)); /* the newest first */
	assert_string_equal(s->kind, *n ? "unsure" : "novel_class");
	assert_string_equal(s->nearest, "cat");
	assert_string_equal(s->why, "the model is unsure");
	assert_string_equal(s->reasons, "{}");
	assert_true(s->confidence == 0.5);
	++*n;
	return 0;
}

/* Three are kept; one has to go for another, one turns out to be of another kind, and another window's is not meant. */
static void test_samples(void **state)
{
	struct room *r = *state;
	struct txn *t = txn_open();
	struct sample s = {.model = (char *)"odd", .version = (char *)"1", .id = (char *)"a", .record = (char *)"{}", .n_record = 2,
		.window_us = 60, .kind = "unsure", .nearest = (char *)"cat", .why = (char *)"the model is unsure",
		.reasons = (char *)"{}", .confidence = 0.5};
	uint64_t hashes[] = {UINT64_MAX, 2, 3};
	int n = 0;

	open_store(r);
	for (size_t i = 0; i < 3; i++) {
		s.hash = hashes[i];
		txn_put_sample(t, &s, 100);
	}
	s.hash = 2;
	txn_drop_sample(t, "odd", "1", &s);
	s.hash = 3;
	s.kind = "novel_class";
	txn_settle_sample(t, "odd", "1", &s);
	s.window_us = 120;
	s.hash = UINT64_MAX;
	txn_settle_sample(t, "odd", "1", &s);
	txn_drop_sample(t, "odd", "1", &s);
	commit(r, &t);
	assert_int_equal(store_each_sample(r->store, "odd", 100, settled_sample, &n, &r->e), 0);
	assert_int_equal(n, 2);
	close_store(r);
}

static void test_round_trip(void **state)
{
	struct room *r = *state;
	struct txn *t = txn_open();
	struct counts c;
	int positions = 0, states = 0, samples = 0, rows = 0;

	open_store(r);
	assert_true(txn_empty(t));
	put_all(t);
	assert_false(txn_empty(t));
	commit(r, &t);
	assert_null(t);
	close_store(r);
	open_store(r);
	assert_false(store_lost(r->store));
	assert_int_equal(store_each_position(r->store, "a", same_position, &positions, &r->e), 0);
	assert_int_equal(store_each_position(r->store, "b", same_position, &positions, &r->e), 0);
	assert_int_equal(store_each_state(r->store, STATE_JUDGE, same_state, &states, &r->e), 0);
	assert_int_equal(store_each_state(r->store, STATE_WINDOW, same_state, &states, &r->e), 0);
	assert_int_equal(store_each_sample(r->store, "m", 100, same_sample, &samples, &r->e), 0);
	assert_int_equal(store_each_outbox(r->store, NULL, same_outbox, &rows, &r->e), 0);
	assert_true(positions == 1 && states == 1 && samples == 3 && rows == 1);
	assert_int_equal(store_counts(r->store, "a", &c, &r->e), 0);
	assert_true(c.read.records == 10 && c.read.bytes == 100 && c.in_flight.bytes == 9 &&
		    c.flagged == 2);
	assert_true(c.rejected[REJECT_UTF8].records == 3 && c.rejected[REJECT_UTF8].bytes == 33 &&
		    c.truncated_bytes_unread == 77 && c.truncations == 3);
	assert_int_equal(store_counts(r->store, "never seen", &c, &r->e), 0);
	assert_int_equal(c.read.records, 0);
}

static int stop_reading(void *context, const struct position *p)
{
	(void)context;
	(void)p;
	return -EDOM;
}

static void test_reader_may_stop(void **state)
{
	struct room *r = *state;
	struct txn *t = txn_open();

	open_store(r);
	txn_put_position(t, &position);
	commit(r, &t);
	assert_int_equal(store_each_position(r->store, NULL, stop_reading, NULL, &r->e), -EDOM);
}

/* ---- commits on the loop ---- */

static int hooks_heard[8], n_hooks;

static void hook(void *context, uint64_t number, int code)
{
	assert_int_equal(number, *(uint64_t *)context);
	hooks_heard[n_hooks++] = code;
}

static void test_commits_end_on_the_loop_in_order(void **state)
{
	struct room *r = *state;
	uint64_t numbers[3];

	open_store(r);
	n_hooks = 0;
	for (int i = 0; i < 3; i++) {
		struct txn *t = txn_open();

		numbers[i] = txn_number(t);
		txn_after(t, hook, &numbers[i]);
		store_commit(r->store, &t, on_commit, r);
	}
	assert_int_equal(store_in_flight(r->store), 3);
	assert_int_equal(r->ended, 0);
	uv_run(&r->loop, UV_RUN_DEFAULT); /* ends by itself: only commits in flight keep it alive */
	assert_true(r->ended == 3 && n_hooks == 3 && r->code == 0);
	assert_int_equal(store_in_flight(r->store), 0);
}

static void test_dropped_transaction_tells_its_hooks(void **state)
{
	struct txn *t = txn_open();
	uint64_t number = txn_number(t);

	(void)state;
	n_hooks = 0;
	txn_after(t, hook, &number);
	txn_close(&t);
	assert_null(t);
	assert_int_equal(n_hooks, 1);
	assert_int_equal(hooks_heard[0], -ECANCELED);
}

/* ---- one writer, our file ---- */

static void test_second_oodd_is_refused(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);
	struct store *second;
	char pid[32];

	open_store(r);
	assert_int_equal(store_open(&o, &second, &r->e), -EBUSY);
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_non_null(strstr(r->e.text, pid));
	o.look = true;
	assert_int_equal(store_open(&o, &second, &r->e), 0);
	store_close(second);
}

static void test_mode_is_narrow(void **state)
{
	struct room *r = *state;
	char *path = database(r);
	struct stat st;

	umask(0);
	open_store(r);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close_store(r);
	chmod(path, 0644);
	open_store(r);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	umask(022);
	free(path);
}

static void sql(struct room *r, const char *text)
{
	char *path = database(r);
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	free(path);
}

static void refused(struct room *r, int code, const char *sentence)
{
	struct store_options o = options(r);

	assert_int_equal(store_open(&o, &r->store, &r->e), code);
	if (!strstr(r->e.text, sentence))
		fail_msg("not in the message: '%s': %s", sentence, r->e.text);
	r->store = NULL;
}

static void test_strangers_database_is_left_alone(void **state)
{
	struct room *r = *state;

	mkdir(r->dir, 0700);
	sql(r, "CREATE TABLE theirs(x); PRAGMA application_id = 4711");
	refused(r, -EEXIST, "another program's database");
	sql(r, "INSERT INTO theirs VALUES(1)"); /* still as it was */
}

static void test_newer_oodds_database_is_left_alone(void **state)
{
	struct room *r = *state;

	open_store(r);
	close_store(r);
	sql(r, "PRAGMA user_version = 99");
	refused(r, -EPROTO, "newer oodd");
}

static void test_directory_that_cannot_be(void **state)
{
	struct room *r = *state;
	int fd;

	snprintf(r->dir, sizeof r->dir, "%s/absent/state", r->parent);
	refused(r, -ENOENT, "does not start");
	snprintf(r->dir, sizeof r->dir, "%s/file", r->parent);
	fd = open(r->dir, O_CREAT | O_WRONLY, 0600);
	close(fd);
	refused(r, -ENOTDIR, "is not a directory");
	snprintf(r->dir, sizeof r->dir, "%s/locked", r->parent);
	mkdir(r->dir, 0500);
	if (geteuid()) /* root may write anywhere */
		refused(r, -EACCES, "nothing can be written there");
}

static void test_looking_at_nothing(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);

	o.look = true;
	mkdir(r->dir, 0700);
	assert_int_equal(store_open(&o, &r->store, &r->e), -ENOENT);
	assert_non_null(strstr(r->e.text, "no agent has run"));
	r->store = NULL;
}

/* ---- damage ---- */

static int count_files(struct room *r, const char *pattern)
{
	char *command = mem_format("ls -d '%s'/%s 2>/dev/null | wc -l", r->dir, pattern),
	     answer[16] = "";
	FILE *f = popen(command, "r");

	assert_non_null(fgets(answer, sizeof answer, f));
	pclose(f);
	free(command);
	return atoi(answer);
}

static void overwrite(struct room *r, off_t at, const char *with, size_t n)
{
	char *path = database(r);
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, with, n, at), n);
	close(fd);
	free(path);
}

static void damaged_is_set_aside(struct room *r, off_t at, size_t n)
{
	struct txn *t = txn_open();
	char *junk = mem_alloc(n);
	int positions = 0;

	memset(junk, 0x5a, n);
	open_store(r);
	put_all(t);
	commit(r, &t);
	close_store(r);
	overwrite(r, at, junk, n);
	free(junk);
	open_store(r);
	assert_true(store_lost(r->store));
	assert_int_equal(count_files(r, "oodd.db.corrupt-*"), 1);
	assert_int_equal(store_each_position(r->store, NULL, same_position, &positions, &r->e), 0);
	assert_int_equal(positions, 0);
	t = txn_open();
	put_all(t);
	commit(r, &t); /* and it works */
}

static void test_damaged_header_is_set_aside(void **state)
{
	damaged_is_set_aside(*state, 0, 100);
}

static void test_damaged_page_is_set_aside(void **state)
{
	damaged_is_set_aside(*state, 4096, 8192);
}

/* ---- the disk says no ---- */

static void put_much(struct txn *t, const char *key)
{
	static const char bytes[1 << 18];

	txn_put_state(t, STATE_MISC, key, bytes, sizeof bytes);
}

static void test_full_disk_stalls_until_there_is_room(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);
	struct txn *t = txn_open();
	sqlite3 *looker;
	char *path = database(r);

	o.page_limit = 100; /* 400 KiB */
	assert_int_equal(store_open(&o, &r->store, &r->e), 0);
	put_much(t, "one");
	commit(r, &t);
	t = txn_open();
	put_much(t, "two");
	store_commit(r->store, &t, on_commit, r);
	for (int i = 0; i < 200 && !r->notices[STORE_STALLED]; i++) {
		uv_run(&r->loop, UV_RUN_NOWAIT);
		usleep(5000);
	}
	assert_int_equal(r->notices[STORE_STALLED], 1);
	assert_int_equal(r->ended, 0);
	/* Somebody makes room: what was there is dropped behind our back, as a person deleting
	 * files would. */
	assert_int_equal(sqlite3_open(path, &looker), SQLITE_OK);
	sqlite3_busy_timeout(looker, 2000);
	assert_int_equal(
		sqlite3_exec(looker, "DELETE FROM state WHERE key = 'one'", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(looker);
	for (int i = 0; i < 400 && !r->ended; i++) {
		uv_run(&r->loop, UV_RUN_NOWAIT);
		usleep(5000);
	}
	assert_true(r->ended == 1 && r->code == 0);
	assert_int_equal(r->notices[STORE_WELL], 1);
	free(path);
}

static void test_full_disk_at_start_is_refused(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);

	o.page_limit = 2;
	assert_int_equal(store_open(&o, &r->store, &r->e), -ENOSPC);
	assert_non_null(strstr(r->e.text, "the disk is full"));
	assert_non_null(strstr(r->e.text, "does not start"));
	r->store = NULL;
}

static void test_full_disk_at_shutdown_is_given_up(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);
	struct txn *t = txn_open();

	o.page_limit = 30;
	assert_int_equal(store_open(&o, &r->store, &r->e), 0);
	put_much(t, "one");
	assert_int_equal(store_commit_wait(r->store, &t, PATIENCE_US, &r->e), -ENOSPC);
	assert_non_null(strstr(r->e.text, "the disk is full"));
	t = txn_open();
	txn_put_position(t, &position); /* would fit, but may not pass the one before it */
	assert_int_equal(store_commit_wait(r->store, &t, PATIENCE_US, &r->e), -EIO);
}

static void test_failed_fsync_ends_everything(void **state)
{
	struct room *r = *state;
	struct txn *t = txn_open();

	open_store(r);
	txn_put_position(t, &position);
	txn_durable(t);
	shim.fail_sync = true;
	store_commit(r->store, &t, on_commit, r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_true(r->ended == 1 && r->code == -EIO);
	assert_int_equal(r->notices[STORE_BROKEN], 1);
	shim.fail_sync = false;
	t = txn_open();
	store_commit(r->store, &t, on_commit, r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_true(r->ended == 2 && r->code == -EIO);
}

static void test_only_durable_commits_wait_for_the_disk(void **state)
{
	struct room *r = *state;
	struct outbox_row row = {.endpoint = "e",
		.key = "k",
		.state = ALERT_FIRING,
		.expires_us = TIME_NONE,
		.dead_us = TIME_NONE};
	struct txn *t = txn_open();
	int before;

	open_store(r);
	txn_put_position(t, &position);
	commit(r, &t); /* the first may sync the new WAL's header */
	before = shim.wal_syncs;
	t = txn_open();
	txn_put_position(t, &position);
	commit(r, &t);
	assert_int_equal(shim.wal_syncs, before);
	t = txn_open();
	txn_put_outbox(t, &row);
	commit(r, &t);
	assert_int_equal(shim.wal_syncs, before + 1);
}

static void test_deleted_database_ends_everything(void **state)
{
	struct room *r = *state;
	struct txn *t = txn_open();
	char *path = database(r);

	open_store(r);
	unlink(path);
	txn_put_position(t, &position);
	assert_int_equal(store_commit_wait(r->store, &t, PATIENCE_US, &r->e), -ESTALE);
	free(path);
}

static off_t wal_size(struct room *r)
{
	char *path = mem_format("%s/oodd.db-wal", r->dir);
	struct stat st = {.st_size = 0};

	stat(path, &st);
	free(path);
	return st.st_size;
}

static void test_wal_is_bounded_and_emptied_when_idle(void **state)
{
	struct room *r = *state;
	struct store_options o = options(r);

	o.checkpoint_bytes = 1 << 20;
	o.idle_us = SECOND_US / 10;
	assert_int_equal(store_open(&o, &r->store, &r->e), 0);
	for (int i = 0; i < 40; i++) {
		struct txn *t = txn_open();

		put_much(t, "same");
		commit(r, &t);
		assert_true(wal_size(r) < 4 << 20);
	}
	for (int i = 0; i < 200 && wal_size(r); i++)
		usleep(10000);
	assert_int_equal(wal_size(r), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, room_open, room_close)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_samples),
		TEST(test_reader_may_stop),
		TEST(test_commits_end_on_the_loop_in_order),
		TEST(test_dropped_transaction_tells_its_hooks),
		TEST(test_second_oodd_is_refused),
		TEST(test_mode_is_narrow),
		TEST(test_strangers_database_is_left_alone),
		TEST(test_newer_oodds_database_is_left_alone),
		TEST(test_directory_that_cannot_be),
		TEST(test_looking_at_nothing),
		TEST(test_damaged_header_is_set_aside),
		TEST(test_damaged_page_is_set_aside),
		TEST(test_full_disk_stalls_until_there_is_room),
		TEST(test_full_disk_at_start_is_refused),
		TEST(test_full_disk_at_shutdown_is_given_up),
		TEST(test_failed_fsync_ends_everything),
		TEST(test_only_durable_commits_wait_for_the_disk),
		TEST(test_deleted_database_ends_everything),
		TEST(test_wal_is_bounded_and_emptied_when_idle),
	};

	shim_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
