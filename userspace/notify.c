/* SPDX-License-Identifier: MIT */
/* One datagram: smaller than libsystemd, which cannot be linked statically. */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = path ? strlen(path) : 0;
	int fd;

	if ((length && path[0] != '/' && path[0] != '@') || length < 2 ||
	    length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

/* How often it wants to hear of us, 0: not at all. Of us, and not of who has started us. */
static uint64_t watchdog_ns(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long value = us ? strtoull(us, NULL, 10) : 0;

	if ((pid && strtol(pid, NULL, 10) != getpid()) || value > UINT64_MAX / 1000)
		return 0;
	return value * 1000;
}

void notify_alive(uint64_t now)
{
	static uint64_t every = UINT64_MAX, due;

	/* Half of it, as sd_watchdog_enabled(3) advises. */
	if (every == UINT64_MAX)
		every = watchdog_ns() / 2;
	if (!every || now < due)
		return;
	due = now + every;
	notify("WATCHDOG=1");
}
