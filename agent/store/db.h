/* SPDX-License-Identifier: Apache-2.0
 * The one SQLite connection, with its statements prepared. Private to store/: other rooms use
 * store.h and txn.h. One thread at a time; nothing here takes a lock. Codes: -ENOSPC disk full,
 * -EBUSY somebody else holds the database, -ENOMEM (these three may pass when tried again); -EIO
 * the disk failed, -EBADMSG damaged, -ESTALE the file was moved away, -EROFS not writable, -EINVAL
 * a mistake of ours (these will not). */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/error.h"
#include "store/statements.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BLOB };

struct value {
	enum value_kind kind;
	int64_t integer;
	double real;
	const char *at; /* text (a NUL follows it) or bytes */
	size_t n;
};

struct db_options {
	const char *dir;    /* the state directory, exists */
	bool look;          /* read only: beside a running agent */
	int64_t page_limit; /* 0: none; the database may not grow beyond so many pages of 4096 bytes
			       (the disk full, for tests) */
};

struct db;

/* Opens dir/oodd.db, made with mode 0600 when absent, checked (quick_check) and migrated. A damaged
 * one is renamed oodd.db.corrupt-<time> and a fresh one begun: then *ret_lost is true and the log
 * says what is lost. */
int db_open(const struct db_options *o, struct db **ret, bool *ret_lost, struct error *e);
void db_close(struct db *db); /* accepts NULL; truncates the WAL */

/* durable: on the disk (fsync) when db_commit returns, else safe from kill -9 but not from loss of
 * power. */
int db_begin(struct db *db, bool durable, struct error *e);
int db_commit(struct db *db, struct error *e);
void db_rollback(struct db *db);

int db_run(struct db *db, enum statement s, const struct value *values, size_t n, struct error *e);
/* Each row to fn; its values live until fn returns. fn returns 0, or a negative errno that ends the
 * reading. */
int db_each(struct db *db, enum statement s, const struct value *values, size_t n,
	int (*fn)(void *context, const struct value *row), void *context, struct error *e);

size_t db_wal_bytes(const struct db *db); /* written since the last checkpoint that finished */
bool db_wal_used(const struct db *db);    /* its file holds something, needed or not */
int db_checkpoint(struct db *db, bool truncate, struct error *e);

#endif
