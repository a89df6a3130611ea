/* SPDX-License-Identifier: Apache-2.0
 * See notify.h. */
#include "notify.h"

#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *lines)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') /* the abstract namespace */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

void notify_ready(const char *status)
{
	char lines[256];

	snprintf(lines, sizeof lines, "READY=1\nSTATUS=%s\n", status);
	say(lines);
}

void notify_reloading(void)
{
	char lines[96];

	snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld\n", (long long)clock_monotonic_us());
	say(lines);
}

void notify_stopping(void)
{
	say("STOPPING=1\n");
}

/* The variables may have been meant for another process that we were started by. */
uint64_t notify_alive_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long n = us ? strtoull(us, NULL, 10) : 0;

	if (!getenv("NOTIFY_SOCKET") || (pid && strtoll(pid, NULL, 10) != (long long)getpid()))
		return 0;
	return n / 2000;
}

void notify_alive(void)
{
	say("WATCHDOG=1\n");
}
