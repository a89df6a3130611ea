/* SPDX-License-Identifier: Apache-2.0
 * Who asks and who meets it hold the file's lock meanwhile. Meeting it removes the file, so whoever waited for the lock looks
 * whether it is still there. */
#include "resend.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASK_MOST = 64 * 1024 };

static char *ask_path(const char *state)
{
	return mem_format("%s/resend", state);
}

/* Locked, or -errno. */
static int ask_open(const char *path, int flags)
{
	for (;;) {
		int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		struct stat st;

		if (fd < 0)
			return -errno;
		if (!flock(fd, LOCK_EX) && !fstat(fd, &st) && st.st_nlink)
			return fd;
		close(fd);
	}
}

int resend_ask(const char *state, const char *const *endpoints, size_t n, struct error *e)
{
	char *path = ask_path(state);
	int fd = ask_open(path, O_CREAT | O_APPEND), status = fd < 0 ? fd : 0;

	if (!status)
		status = file_give(fd, state);
	if (!status && !n && dprintf(fd, "\n") < 0)
		status = -EIO;
	for (size_t i = 0; i < n && !status; i++)
		if (dprintf(fd, "%s\n", endpoints[i]) < 0)
			status = -EIO;
	if (fd >= 0)
		close(fd);
	if (status)
		error_set(e, status, "%s: the request cannot be written: %s", path, strerror(-status));
	free(path);
	return status;
}

void resend_meet(const char *state, void (*fn)(void *context, const char *endpoint), void *context)
{
	char *path = ask_path(state), *text, *rest, *line;
	int fd = access(path, F_OK) ? -1 : ask_open(path, 0);
	ssize_t n;

	if (fd >= 0) {
		rest = text = mem_zero(ASK_MOST + 1, 1);
		n = read(fd, text, ASK_MOST);
		unlink(path);
		close(fd);
		while (n > 0 && *rest && (line = strsep(&rest, "\n")) && rest)
			fn(context, *line ? line : NULL);
		free(text);
	}
	free(path);
}
