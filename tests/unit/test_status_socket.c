/* SPDX-License-Identifier: MIT */
/* A file that is asked for at a socket, and what may come in its place */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "scratch.h"
#include "status_socket.h"

#define WAIT_MS 10000

/* What comes with a message is said to be this: no kernel of today has another level for such a socket. */
static int level, type;

/* In the place of the C library's. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, message, flags);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(message);

	if (header) {
		header->cmsg_level = level;
		header->cmsg_type = type;
	}
	return n;
}

static int give(void *context)
{
	(void)context;
	return memfd_create("given", MFD_CLOEXEC);
}

static void *answer_once(void *context)
{
	struct pollfd fd;

	if (status_socket_fds(context, 1, &fd) && poll(&fd, 1, WAIT_MS) == 1)
		status_socket_poll_file(context, 1, give, NULL);
	return NULL;
}

/* What who asks makes of such a message, of an agent in this very process. */
static int ask(int said_level, int said_type)
{
	struct status_socket *s;
	char path[64], why[256];
	pthread_t agent;
	int file, pid, err;

	level = said_level;
	type = said_type;
	snprintf(path, sizeof(path), "%s/agent", directory);
	assert_int_equal(status_socket_new(&s, path, why, sizeof(why)), 0);
	assert_int_equal(pthread_create(&agent, NULL, answer_once, s), 0);
	err = status_ask_file(path, WAIT_MS, &file, &pid);
	pthread_join(agent, NULL);
	status_socket_free(s);
	assert_int_equal(pid, getpid());
	if (!err)
		assert_int_equal(close(file), 0);
	return err;
}

static void only_files_are_taken(void **state)
{
	(void)state;
	assert_int_equal(ask(SOL_SOCKET, SCM_RIGHTS), 0);
	assert_int_equal(ask(SOL_SOCKET, SCM_CREDENTIALS), -EBADMSG);
	assert_int_equal(ask(SOL_SOCKET + 1, SCM_RIGHTS), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_files_are_taken),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
