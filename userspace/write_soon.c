/* SPDX-License-Identifier: MIT */
#include "write_soon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_US 10000

static void wake(int number)
{
	(void)number;
}

/* Without SA_RESTART, so that a write that waits returns with what it has. */
static void take_alarm(void)
{
	struct sigaction action = { .sa_handler = wake };
	sigset_t set;

	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Again and again: the first one may come before the write does. */
static void set_alarm(bool on)
{
	struct itimerval timer = { .it_value.tv_usec = on ? PATIENCE_US : 0,
				   .it_interval.tv_usec = on ? PATIENCE_US : 0 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

ssize_t write_soon(int fd, const void *data, size_t size)
{
	static bool ready;
	struct pollfd there = { .fd = fd, .events = POLLOUT };
	ssize_t n;
	int err;

	if (!ready)
		take_alarm();
	ready = true;
	if (poll(&there, 1, 0) == 0)
		return -EAGAIN;
	/* There is room, but perhaps not for all of it, or others take it first. */
	set_alarm(true);
	n = write(fd, data, size);
	err = errno;
	set_alarm(false);
	if (n >= 0)
		return n ? n : -EAGAIN;
	return err == EINTR || err == EAGAIN ? -EAGAIN : -err;
}
