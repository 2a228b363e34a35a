/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "clock.h"

#define START_MS 10000
#define END_MS   3000

static void run_broker(pid_t parent, int out, const char *topic, uint64_t rate)
{
	char rate_text[32];
	int null = open("/dev/null", O_RDONLY);

	snprintf(rate_text, sizeof(rate_text), "%llu", (unsigned long long)rate);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before that. */
	if (getppid() != parent)
		_exit(1);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execl("/proc/self/exe", "pushback-demo", "broker", "--topic", topic, "--rate", rate_text,
	      (char *)NULL);
	_exit(127);
}

/* Reads a line, without its end. */
static int read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used < size) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&ready, 1, START_MS);

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			n = read(fd, line + used, 1);
		if (n == 0)
			return -EPIPE; /* it ended; what is wrong it has said itself */
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (line[used] == '\n') {
			line[used] = '\0';
			return 0;
		}
		used++;
	}
	return -EPROTO;
}

pid_t broker_spawn(const char *topic, uint64_t rate, char address[BROKER_ADDRESS_SIZE])
{
	pid_t parent = getpid();
	int fds[2];
	pid_t pid;
	int err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run_broker(parent, fds[1], topic, rate);
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = read_line(fds[0], address, BROKER_ADDRESS_SIZE);
	close(fds[0]);
	if (err && pid > 0)
		broker_end(pid);
	return err ? err : pid;
}

void broker_end(pid_t pid)
{
	const struct timespec pause = clock_timespec(NSEC_PER_SEC / 1000);

	kill(pid, SIGTERM);
	for (int i = 0; i < END_MS; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
