/* SPDX-License-Identifier: Apache-2.0
 * The state directory. Two agents on one state would both count every record and both write the one
 * database that only one process may write, so the second is refused by flock on a file beside it.
 * A damaged database is never deleted: it is renamed, WAL and all, so that sqlite3's own .recover
 * can still read it. */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

static char *beside(const char *dir, const char *name)
{
	return mem_format("%s/%s", dir, name);
}

static int directory_make(const char *dir, struct error *e)
{
	struct stat st;

	if (!mkdir(dir, 0700))
		return 0;
	if (errno == ENOENT)
		return error_set(e, -ENOENT,
			"state directory %s: it is absent and so is the one it would be made in; "
			"make it, or change `state`; "
			"oodd does not start, since it could not remember what it has read",
			dir);
	if (errno != EEXIST)
		return error_set(e, -errno,
			"state directory %s: cannot be made: %s; oodd does not start, since it "
			"could not remember what it has read",
			dir, strerror(errno));
	if (stat(dir, &st))
		return error_set(e, -errno, "state directory %s: %s; oodd does not start", dir,
			strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(e, -ENOTDIR,
			"state directory %s: is not a directory; oodd does not start", dir);
	return 0;
}

/* Who holds the lock wrote its number into the file: for the message only, the lock is what counts.
 */
static int refuse_second(const char *dir, int fd, struct error *e)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return error_set(e, -EBUSY,
		"state directory %s: another oodd%s%s already runs on it; stop that one, or give "
		"this one a `state` of its own",
		dir, *pid ? ", process " : "", pid);
}

static void lock_sign(int fd)
{
	char pid[32];
	int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

	/* The message of a second oodd would lack the number: nothing else depends on it. */
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n)
		log_debug("store", "could not sign the lock file", "error", log_s(strerror(errno)));
}

int place_take(const char *dir, int *ret_fd, struct error *e)
{
	char *path;
	int fd, code = directory_make(dir, e);

	if (code)
		return code;
	path = beside(dir, PLACE_LOCK);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		code = error_set(e, -errno,
			"state directory %s: nothing can be written there: %s; oodd does not "
			"start, since it could not remember what it has read",
			dir, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB))
		code = errno == EWOULDBLOCK ? refuse_second(dir, fd, e)
					    : error_set(e, -errno, "%s: cannot be locked: %s", path,
						      strerror(errno));
	free(path);
	if (code) {
		if (fd >= 0)
			close(fd);
		return code;
	}
	lock_sign(fd);
	*ret_fd = fd;
	return 0;
}

static int database_narrow(int fd, const char *path, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, -EEXIST,
			"%s: is not a plain file; move it away; oodd does not start", path);
	if ((st.st_mode & 0177) && fchmod(fd, 0600))
		return error_set(e, -errno,
			"%s: others may read it (mode %04o), which cannot be changed: %s; oodd "
			"does not start",
			path, (unsigned)st.st_mode & 07777, strerror(errno));
	return 0;
}

int place_database(const char *dir, struct error *e)
{
	char *path = beside(dir, PLACE_DATABASE);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int code = fd < 0 ? error_set(e, -errno,
				    "%s: cannot be opened: %s; oodd does not start, since it could "
				    "not remember what it has read",
				    path, strerror(errno))
			  : database_narrow(fd, path, e);

	if (fd >= 0)
		close(fd);
	free(path);
	return code;
}

static int rename_aside(const char *dir, const char *suffix, const char *stamp, struct error *e)
{
	char *from = mem_format("%s/" PLACE_DATABASE "%s", dir, suffix);
	char *to = mem_format("%s/" PLACE_DATABASE ".corrupt-%s%s", dir, stamp, suffix);
	int code = 0;

	if (rename(from, to) && errno != ENOENT)
		code = error_set(e, -errno,
			"%s: damaged, and cannot be renamed to %s: %s; oodd does not start", from,
			to, strerror(errno));
	else if (!*suffix)
		log_error("store", "the database is damaged: renamed, and a fresh one begun", "was",
			log_s(from), "now", log_s(to));
	free(from);
	free(to);
	return code;
}

int place_quarantine(const char *dir, const char *why, struct error *e)
{
	static const char *const suffixes[] = {"", "-wal"};
	char stamp[64], *shm;
	struct timespec now;
	struct tm day;
	int code = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &day);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &day);
	snprintf(
		stamp + strlen(stamp), sizeof stamp - strlen(stamp), ".%06ldZ", now.tv_nsec / 1000);
	for (size_t i = 0; !code && i < sizeof suffixes / sizeof *suffixes; i++)
		code = rename_aside(dir, suffixes[i], stamp, e);
	if (code)
		return code;
	/* An index into the WAL, made anew by whoever opens it. */
	shm = beside(dir, PLACE_DATABASE "-shm");
	unlink(shm);
	free(shm);
	log_error("store",
		"lost with it: how far each log was read, open windows, evidence, alerts not yet "
		"delivered, samples; "
		"logs are read again from where the configuration says, and what was counted may "
		"be counted again",
		"why", log_s(why));
	return place_sync(dir, e);
}

int place_sync(const char *dir, struct error *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;

	if (fd < 0 || fsync(fd))
		code = error_set(e, -errno, "state directory %s: cannot be synced: %s", dir,
			strerror(errno));
	if (fd >= 0)
		close(fd);
	return code;
}
