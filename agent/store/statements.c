/* SPDX-License-Identifier: Apache-2.0
 * Every SQL statement of the agent, and the history of its tables. STRICT keeps a wrong type out of
 * a column, so that what is read back needs no second check. Unsigned 64-bit numbers are kept as
 * the signed ones of the same bits. */
#include "store/statements.h"

const char *const statement_sql[STATEMENT_N] = {
#define X(name, sql) [STATEMENT_##name] = sql,
	STATEMENTS(X)
#undef X
};

const char *const migrations[] = {
	/* 0 -> 1 */
	"CREATE TABLE position("
	" source TEXT NOT NULL, identity TEXT NOT NULL, path TEXT NOT NULL,"
	" generation INTEGER NOT NULL, offset INTEGER NOT NULL, skipping INTEGER NOT NULL,"
	" head_n INTEGER NOT NULL, head_hash INTEGER NOT NULL,"
	" marker_n INTEGER NOT NULL, marker_hash INTEGER NOT NULL,"
	" newest_us INTEGER, touched_us INTEGER NOT NULL,"
	" PRIMARY KEY(source, identity)) STRICT, WITHOUT ROWID;"

	/* What a room packed for itself; kind is a word of state_words. */
	"CREATE TABLE state("
	" kind TEXT NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY(kind, key)) STRICT;"

	/* One row for each tally of struct counts, by its word: reasons may come and go. */
	"CREATE TABLE count("
	" source TEXT NOT NULL, what TEXT NOT NULL,"
	" records INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" PRIMARY KEY(source, what)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE sample("
	" number INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, id TEXT,"
	" time_us INTEGER NOT NULL, p REAL, prediction TEXT, record BLOB NOT NULL) STRICT;"
	"CREATE INDEX sample_by_model ON sample(model, number);"

	/* state: enum alert_state as its word; alert: alert_pack; dead_us: NULL while it is to be
	   sent. */
	"CREATE TABLE outbox("
	" endpoint TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL,"
	" alert BLOB NOT NULL, made_us INTEGER NOT NULL, expires_us INTEGER,"
	" attempts INTEGER NOT NULL, next_us INTEGER NOT NULL, said TEXT, dead_us INTEGER,"
	" PRIMARY KEY(endpoint, number)) STRICT;",

	/* What kind of odd, and why. */
	"ALTER TABLE sample ADD COLUMN window_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE sample ADD COLUMN hash INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE sample ADD COLUMN kind TEXT NOT NULL DEFAULT 'other';"
	"ALTER TABLE sample ADD COLUMN confidence REAL;"
	"ALTER TABLE sample ADD COLUMN nearest TEXT;"
	"ALTER TABLE sample ADD COLUMN why TEXT;"
	"ALTER TABLE sample ADD COLUMN reasons TEXT;"
	"CREATE INDEX sample_by_window ON sample(model, version, window_us, hash);",
};
const size_t n_migrations = sizeof migrations / sizeof *migrations;
