/* SPDX-License-Identifier: Apache-2.0
 * Every SQL statement of the agent, and the history of its tables. Private to store/. */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include <stddef.h>

#define STATEMENTS(X)                                                                              \
	X(POSITION_PUT,                                                                            \
		"INSERT OR REPLACE INTO position(source, identity, path, generation, offset,"      \
		" skipping, head_n, head_hash, marker_n, marker_hash, newest_us, touched_us)"      \
		" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")                                 \
	X(POSITION_DROP, "DELETE FROM position WHERE source = ?1 AND identity = ?2")               \
	X(POSITION_EACH,                                                                           \
		"SELECT source, identity, path, generation, offset, skipping, head_n, head_hash,"  \
		" marker_n, marker_hash, newest_us, touched_us FROM position"                      \
		" WHERE ?1 IS NULL OR source = ?1 ORDER BY source, identity")                      \
	X(STATE_PUT, "INSERT OR REPLACE INTO state(kind, key, bytes) VALUES(?1,?2,?3)")            \
	X(STATE_DROP, "DELETE FROM state WHERE kind = ?1 AND key = ?2")                            \
	X(STATE_EACH, "SELECT key, bytes FROM state WHERE kind = ?1 ORDER BY key")                 \
	X(COUNT_PUT,                                                                               \
		"INSERT OR REPLACE INTO count(source, what, records, bytes) VALUES(?1,?2,?3,?4)")  \
	X(COUNT_EACH, "SELECT source, what, records, bytes FROM count"                             \
		      " WHERE ?1 IS NULL OR source = ?1 ORDER BY source, what")                    \
	X(SAMPLE_PUT,                                                                              \
		"INSERT INTO sample(model, version, id, time_us, p, prediction, record, window_us,"  \
		" hash, kind, confidence, nearest, why, reasons)"                                  \
		" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)")                         \
	X(SAMPLE_DROP, "DELETE FROM sample WHERE model = ?1 AND version = ?2 AND window_us = ?3"   \
		       " AND hash = ?4")                                                           \
	X(SAMPLE_SETTLE, "UPDATE sample SET kind = ?5 WHERE model = ?1 AND version = ?2"           \
			 " AND window_us = ?3 AND hash = ?4 AND kind <> ?5")                       \
	X(SAMPLE_TRIM, /* the newest ?2 of a model stay */                                         \
		"DELETE FROM sample WHERE model = ?1 AND number <= (SELECT number FROM sample"     \
		" WHERE model = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)")                       \
	X(SAMPLE_EACH,                                                                             \
		"SELECT model, version, id, time_us, p, prediction, record, window_us, hash, kind,"  \
		" confidence, nearest, why, reasons FROM sample"                                   \
		" WHERE ?1 IS NULL OR model = ?1 ORDER BY number DESC LIMIT ?2")                   \
	X(OUTBOX_PUT,                                                                              \
		"INSERT OR REPLACE INTO outbox(endpoint, number, key, state, alert, made_us,"      \
		" expires_us, attempts, next_us, said, dead_us)"                                   \
		" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,NULL)")                                    \
	X(OUTBOX_ATTEMPT, "UPDATE outbox SET attempts = ?3, next_us = ?4, said = ?5"               \
			  " WHERE endpoint = ?1 AND number = ?2")                                  \
	X(OUTBOX_DONE, "DELETE FROM outbox WHERE endpoint = ?1 AND number = ?2")                   \
	X(OUTBOX_DEAD, "UPDATE outbox SET attempts = ?3, said = ?4, dead_us = ?5"                  \
		       " WHERE endpoint = ?1 AND number = ?2")                                     \
	X(OUTBOX_TRIM, /* the newest ?2 dead letters of an endpoint stay */                        \
		"DELETE FROM outbox WHERE endpoint = ?1 AND dead_us IS NOT NULL AND number <="     \
		" (SELECT number FROM outbox WHERE endpoint = ?1 AND dead_us IS NOT NULL"          \
		" ORDER BY number DESC LIMIT 1 OFFSET ?2)")                                        \
	X(OUTBOX_EACH,                                                                             \
		"SELECT endpoint, number, key, state, alert, made_us, expires_us, attempts,"       \
		" next_us, said, dead_us FROM outbox"                                              \
		" WHERE ?1 IS NULL OR endpoint = ?1 ORDER BY endpoint, number")

enum statement {
#define X(name, sql) STATEMENT_##name,
	STATEMENTS(X)
#undef X
		STATEMENT_N
};

extern const char *const statement_sql[STATEMENT_N];

/* migrations[v] takes a database of version v (PRAGMA user_version) to v + 1. Append only. */
extern const char *const migrations[];
extern const size_t n_migrations;

#endif
