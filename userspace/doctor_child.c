/* SPDX-License-Identifier: MIT */
#include "doctor_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX     4096
#define ANSWER_WAIT_MS 10000

static _Noreturn void serve(int commands, int answers, doctor_child_fn fn, size_t size)
{
	char answer[ANSWER_MAX] __attribute__((aligned(16)));
	char command;

	while (read(commands, &command, 1) == 1) {
		fn(command, answer);
		if (write(answers, answer, size) != (ssize_t)size)
			break;
	}
	_exit(0);
}

int doctor_child_start(struct doctor_child *child, doctor_child_fn fn, size_t size)
{
	pid_t parent = getpid();
	int down[2], up[2], err;

	*child = (struct doctor_child){ .commands = -1, .answers = -1, .size = size };
	if (size > ANSWER_MAX)
		return -E2BIG;
	if (pipe2(down, O_CLOEXEC))
		return -errno;
	if (pipe2(up, O_CLOEXEC)) {
		err = -errno;
		goto close_down;
	}
	child->pid = fork();
	if (child->pid < 0) {
		err = -errno;
		child->pid = 0;
		goto close_up;
	}
	if (!child->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		if (getppid() != parent)
			_exit(1);
		serve(down[0], up[1], fn, size);
	}
	close(down[0]);
	close(up[1]);
	child->commands = down[1];
	child->answers = up[0];
	return 0;

close_up:
	close(up[0]);
	close(up[1]);
close_down:
	close(down[0]);
	close(down[1]);
	return err;
}

/* Answers are small: the pipe hands them over whole. */
int doctor_child_ask(struct doctor_child *child, char command, void *answer)
{
	struct pollfd poll_fd = { .fd = child->answers, .events = POLLIN };
	ssize_t n;

	if (write(child->commands, &command, 1) != 1)
		return -EPIPE;
	if (poll(&poll_fd, 1, ANSWER_WAIT_MS) != 1)
		return -ETIMEDOUT;
	n = read(child->answers, answer, child->size);
	return n == (ssize_t)child->size ? 0 : -EPIPE;
}

void doctor_child_end(struct doctor_child *child)
{
	if (child->pid <= 0)
		return;
	close(child->commands);
	close(child->answers);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	child->pid = 0;
}
