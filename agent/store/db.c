/* SPDX-License-Identifier: Apache-2.0
 * The one SQLite connection, and the only file that meets sqlite3.h. Versions up to 3.51.2 can
 * damage a WAL that two connections checkpoint (the "WAL reset" bug); we are safe by having exactly
 * one that writes and checkpoints, which is why wal_autocheckpoint is off and everything here runs
 * on the store's thread.
 *
 * WAL with synchronous NORMAL loses nothing to kill -9: the page cache outlives the process. A loss
 * of power takes the newest whole transactions with it, never a part of one. Commits that must
 * survive that too are made with FULL. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/place.h"

#define APPLICATION_ID 0x6f6f6464 /* "oodd" */
#define PAGE_BYTES 4096
#define WAL_FRAME_BYTES (PAGE_BYTES + 24) /* sqlite.org/fileformat2.html#walformat */
#define BUSY_MS 2000 /* somebody looks at the database with sqlite3 and holds its lock */
#define MOST_COLUMNS 16

struct db {
	sqlite3 *sqlite;
	char *path;
	sqlite3_stmt *prepared[STATEMENT_N];
	size_t wal_pages;
	bool wal_used; /* the file of the WAL is not empty */
	bool look;
	bool durable; /* what synchronous is set to */
};

/* What SQLite says, as an errno the store can decide by. */
static const struct {
	int sqlite, code;
	const char *means;
} meanings[] = {
	{SQLITE_FULL, -ENOSPC, "the disk is full"},
	{SQLITE_BUSY, -EBUSY, "another program holds the database"},
	{SQLITE_LOCKED, -EBUSY, "another program holds the database"},
	{SQLITE_NOMEM, -ENOMEM, "out of memory"},
	{SQLITE_CORRUPT, -EBADMSG, "the database is damaged"},
	{SQLITE_NOTADB, -EBADMSG, "this is not a database"},
	{SQLITE_READONLY, -EROFS, "the database cannot be written"},
	{SQLITE_CANTOPEN, -EACCES, "the database cannot be opened"},
	{SQLITE_PERM, -EACCES, "the database cannot be opened"},
	{SQLITE_IOERR, -EIO, "the disk failed"},
};

static int db_error(struct db *db, const char *doing, struct error *e)
{
	int extended = sqlite3_extended_errcode(db->sqlite);

	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (meanings[i].sqlite == (extended & 0xff))
			return error_set(e, meanings[i].code,
				"%s: %s: %s (%s, sqlite %d, errno %d)", db->path, doing,
				meanings[i].means, sqlite3_errmsg(db->sqlite), extended,
				sqlite3_system_errno(db->sqlite));
	return error_set(e, -EINVAL, "%s: %s: %s (sqlite %d)", db->path, doing,
		sqlite3_errmsg(db->sqlite), extended);
}

static int db_sql(struct db *db, const char *sql, const char *doing, struct error *e)
{
	return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : db_error(db, doing, e);
}

static int db_number(struct db *db, const char *sql, int64_t *ret, struct error *e)
{
	sqlite3_stmt *s = NULL;
	int code = 0;

	if (sqlite3_prepare_v2(db->sqlite, sql, -1, &s, NULL) || sqlite3_step(s) != SQLITE_ROW)
		code = db_error(db, sql, e);
	else
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return code;
}

/* ---- opening ---- */

static int wal_grew(void *context, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = context;

	(void)sqlite;
	(void)name;
	db->wal_pages = (size_t)pages;
	db->wal_used = true;
	return SQLITE_OK;
}

/* quick_check reads every page, so it also finds what nobody would touch until much later. */
static int db_check(struct db *db, struct error *e)
{
	sqlite3_stmt *s = NULL;
	const char *said;
	int code = 0;

	if (sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &s, NULL) ||
		sqlite3_step(s) != SQLITE_ROW)
		code = db_error(db, "checking it", e);
	else if (strcmp(said = (const char *)sqlite3_column_text(s, 0), "ok"))
		code = error_set(e, -EBADMSG, "%s: the database is damaged: %s", db->path, said);
	sqlite3_finalize(s);
	return code;
}

static int db_ours(struct db *db, int64_t *ret_version, struct error *e)
{
	int64_t id = 0, tables = 0;
	int code = db_number(db, "PRAGMA application_id", &id, e);

	if (!code)
		code = db_number(db, "PRAGMA user_version", ret_version, e);
	if (!code)
		code = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, e);
	if (code)
		return code;
	if (id != APPLICATION_ID && (id || *ret_version || tables))
		return error_set(e, -EEXIST,
			"%s: is another program's database (application id %#llx); oodd leaves it "
			"alone and does not start; "
			"move it away, or change `state`",
			db->path, (unsigned long long)id);
	if (*ret_version > (int64_t)n_migrations)
		return error_set(e, -EPROTO,
			"%s: was written by a newer oodd (tables of version %lld, this one knows "
			"%zu); oodd leaves it alone and does "
			"not start; install the newer one again, or move the file away",
			db->path, (long long)*ret_version, n_migrations);
	return 0;
}

static int db_migrate(struct db *db, int64_t version, struct error *e)
{
	int code = 0;

	for (size_t v = (size_t)version; !code && v < n_migrations; v++) {
		char *sql = mem_format("BEGIN IMMEDIATE; PRAGMA application_id = %d; %s PRAGMA "
				       "user_version = %zu; COMMIT",
			APPLICATION_ID, migrations[v], v + 1);

		code = db_sql(db, sql, "making its tables", e);
		free(sql);
		if (code)
			db_rollback(db);
	}
	return code;
}

static int db_settings(struct db *db, const struct db_options *o, struct error *e)
{
	char limit[64];
	int code = db_sql(db,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint "
		"= 0;"
		"PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY",
		"setting it up", e);

	if (!code && o->page_limit) {
		snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld",
			(long long)o->page_limit);
		code = db_sql(db, limit, "limiting it", e);
	}
	sqlite3_wal_hook(db->sqlite, wal_grew, db);
	return code;
}

/* A fresh file is looked at before anything is written to it, so that a stranger's stays as it is.
 */
static int db_ready(struct db *db, const struct db_options *o, struct error *e)
{
	int64_t version = 0;
	int code = db_ours(db, &version, e);

	if (!code && o->look && version < (int64_t)n_migrations)
		return version ? error_set(e, -EPROTO, "%s: was written by an older oodd; it is brought up to date when the agent starts", db->path)
			       : error_set(e, -ENOENT, "%s: has no tables yet: an agent is just starting", db->path);
	if (!code)
		code = db_check(db, e);
	if (code || o->look)
		return code;
	/* A killed process may have left one. */
	db->wal_used = true;
	code = db_settings(db, o, e);
	return code ? code : db_migrate(db, version, e);
}

static int db_attach(struct db *db, const struct db_options *o, struct error *e)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE |
		    (o->look ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int code = o->look ? 0 : place_database(o->dir, e);

	if (code)
		return code;
	if (o->look && access(db->path, F_OK))
		return error_set(e, -errno, "%s: %s: no agent has run on this state directory",
			db->path, strerror(errno));
	if (sqlite3_open_v2(db->path, &db->sqlite, flags, NULL))
		return db_error(db, "opening it", e);
	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	return db_ready(db, o, e);
}

static void db_detach(struct db *db)
{
	for (size_t i = 0; i < STATEMENT_N; i++) {
		sqlite3_finalize(db->prepared[i]);
		db->prepared[i] = NULL;
	}
	/* Does not fail: nothing is left prepared. It checkpoints what it can. */
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
}

int db_open(const struct db_options *o, struct db **ret, bool *ret_lost, struct error *e)
{
	struct db *db = mem_zero(1, sizeof *db);
	struct error why = {""};
	char real[PATH_MAX];
	bool lost = false;
	int code;

	/* SQLITE_OPEN_NOFOLLOW looks at every part of the path; only the file itself may not be a
	 * link. */
	db->path = mem_format("%s/" PLACE_DATABASE, realpath(o->dir, real) ? real : o->dir);
	db->look = o->look;
	code = db_attach(db, o, &why);
	if (code == -EBADMSG && !o->look) {
		db_detach(db);
		code = place_quarantine(o->dir, why.text, &why);
		lost = !code;
		if (!code)
			code = db_attach(db, o, &why);
	}
	if (!code && !o->look)
		code = place_sync(o->dir, &why);
	if (code) {
		db_close(db);
		return error_set(e, code, "%s%s", why.text,
			o->look || strstr(why.text, "does not start") ? "" : "; oodd does not start");
	}
	*ret = db;
	*ret_lost = lost;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	if (db->sqlite && !db->look)
		db_checkpoint(db, true, NULL);
	db_detach(db);
	free(db->path);
	free(db);
}

/* ---- statements ---- */

static int value_bind(sqlite3_stmt *s, int at, const struct value *v)
{
	switch (v->kind) {
	case VALUE_INT:
		return sqlite3_bind_int64(s, at, v->integer);
	case VALUE_REAL:
		return sqlite3_bind_double(s, at, v->real);
	case VALUE_TEXT:
		return sqlite3_bind_text64(s, at, v->at, v->n, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BLOB:
		/* A NULL pointer would be bound as NULL; no bytes are still a blob. */
		return sqlite3_bind_blob64(s, at, v->n ? v->at : "", v->n, SQLITE_STATIC);
	case VALUE_NULL:
		break;
	}
	return sqlite3_bind_null(s, at);
}

static struct value value_read(sqlite3_stmt *s, int at)
{
	switch (sqlite3_column_type(s, at)) {
	case SQLITE_INTEGER:
		return (struct value){.kind = VALUE_INT, .integer = sqlite3_column_int64(s, at)};
	case SQLITE_FLOAT:
		return (struct value){.kind = VALUE_REAL, .real = sqlite3_column_double(s, at)};
	case SQLITE_TEXT:
		return (struct value){.kind = VALUE_TEXT,
			.at = (const char *)sqlite3_column_text(s, at),
			.n = (size_t)sqlite3_column_bytes(s, at)};
	case SQLITE_BLOB:
		return (struct value){.kind = VALUE_BLOB,
			.at = sqlite3_column_blob(s, at),
			.n = (size_t)sqlite3_column_bytes(s, at)};
	default:
		return (struct value){.kind = VALUE_NULL};
	}
}

static int db_bound(struct db *db, enum statement which, const struct value *values, size_t n,
	sqlite3_stmt **ret, struct error *e)
{
	sqlite3_stmt **s = &db->prepared[which];

	if (!*s && sqlite3_prepare_v3(db->sqlite, statement_sql[which], -1,
			   SQLITE_PREPARE_PERSISTENT, s, NULL))
		return db_error(db, statement_sql[which], e);
	assert(sqlite3_bind_parameter_count(*s) == (int)n);
	for (size_t i = 0; i < n; i++)
		if (value_bind(*s, (int)i + 1, &values[i]))
			return db_error(db, statement_sql[which], e);
	*ret = *s;
	return 0;
}

static void statement_rest(sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

int db_run(
	struct db *db, enum statement which, const struct value *values, size_t n, struct error *e)
{
	sqlite3_stmt *s;
	int code = db_bound(db, which, values, n, &s, e);

	if (code)
		return code;
	if (sqlite3_step(s) != SQLITE_DONE)
		code = db_error(db, statement_sql[which], e);
	statement_rest(s);
	return code;
}

int db_each(struct db *db, enum statement which, const struct value *values, size_t n,
	int (*fn)(void *context, const struct value *row), void *context, struct error *e)
{
	struct value row[MOST_COLUMNS];
	sqlite3_stmt *s;
	int step, code = db_bound(db, which, values, n, &s, e);

	if (code)
		return code;
	assert(sqlite3_column_count(s) <= MOST_COLUMNS);
	while (!code && (step = sqlite3_step(s)) != SQLITE_DONE) {
		if (step != SQLITE_ROW) {
			code = db_error(db, statement_sql[which], e);
			break;
		}
		for (int i = 0; i < sqlite3_column_count(s); i++)
			row[i] = value_read(s, i);
		code = fn(context, row);
	}
	statement_rest(s);
	return code;
}

/* ---- transactions ---- */

/* On a file that was moved away SQLite would go on writing where nobody will look again. */
static int db_still_there(struct db *db, struct error *e)
{
	int moved = 0;

	sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved)
		return error_set(e, -ESTALE,
			"%s: was deleted or renamed while oodd ran; what it held is gone; oodd "
			"stops",
			db->path);
	return 0;
}

int db_begin(struct db *db, bool durable, struct error *e)
{
	int code = db_still_there(db, e);

	assert(!db->look);
	if (!code && durable != db->durable) {
		code = db_sql(db,
			durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
			"setting it up", e);
		if (!code)
			db->durable = durable;
	}
	return code ? code : db_sql(db, "BEGIN IMMEDIATE", "beginning a transaction", e);
}

int db_commit(struct db *db, struct error *e)
{
	return db_sql(db, "COMMIT", "committing", e);
}

void db_rollback(struct db *db)
{
	/* After some failures SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(db->sqlite))
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

size_t db_wal_bytes(const struct db *db)
{
	return db->wal_pages * WAL_FRAME_BYTES;
}

bool db_wal_used(const struct db *db)
{
	return db->wal_used;
}

int db_checkpoint(struct db *db, bool truncate, struct error *e)
{
	int in_log = 0, done = 0;

	if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL,
		    truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_log,
		    &done))
		return db_error(db, "checkpointing", e);
	if (in_log == done)
		db->wal_pages = 0;
	if (truncate)
		db->wal_used = false;
	return 0;
}
