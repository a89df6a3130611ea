/* SPDX-License-Identifier: Apache-2.0
 * The state directory: that it is there and ours alone, and where a damaged database goes. Private
 * to store/. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "base/error.h"

#define PLACE_DATABASE "oodd.db"
#define PLACE_LOCK "oodd.lock"

/* Makes the directory (mode 0700, its parent must exist) and takes the lock that keeps a second
 * writer out. *ret_fd is closed to give it back; the kernel does so too when the process ends,
 * however it ends. 0 or -errno with a sentence. */
int place_take(const char *dir, int *ret_fd, struct error *e);
/* A file of mode 0600 at dir/oodd.db: made when absent, its mode narrowed when too wide. -EISDIR
 * and the like when what is there is not a plain file. */
int place_database(const char *dir, struct error *e);
/* Renames the database and its WAL to oodd.db.corrupt-<time>[-wal]; `why` goes into the log. */
int place_quarantine(const char *dir, const char *why, struct error *e);
/* Makes what was created or renamed in the directory last through a loss of power. */
int place_sync(const char *dir, struct error *e);

#endif
