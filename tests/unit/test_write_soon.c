/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "write_soon.h"

#define LARGE (1u << 20)

static char data[LARGE];
static int ends[2];

static int open_pipe(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return pipe(ends);
}

static int open_sockets(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	return ends[1] >= 0 ? close(ends[1]) : 0;
}

/* With more than there is room for, though poll says that there is some. */
static void test_part_of_it(void **state)
{
	ssize_t n = write_soon(ends[1], data, LARGE);

	(void)state;
	assert_true(n > 0 && n < LARGE);
	assert_int_equal(write_soon(ends[1], data, LARGE), -EAGAIN);
	assert_int_equal(write_soon(ends[1], data, 1), -EAGAIN);
	/* It is not what others have of it that was changed. */
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
}

static void test_goes_on_when_it_is_read(void **state)
{
	(void)state;
	assert_true(write_soon(ends[1], data, LARGE) > 0);
	assert_int_equal(read(ends[0], data, 2 * PIPE_BUF), 2 * PIPE_BUF);
	assert_int_equal(write_soon(ends[1], data, PIPE_BUF), PIPE_BUF);
}

static void test_reader_is_gone(void **state)
{
	(void)state;
	close(ends[0]);
	ends[0] = dup(ends[1]);
	assert_int_equal(write_soon(ends[1], data, 1), -EPIPE);
}

static void test_other_errors(void **state)
{
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_int_equal(write_soon(full, data, 1), -ENOSPC);
	close(full);
	assert_int_equal(write_soon(full, data, 1), -EBADF);
}

#define TEST(test, open) cmocka_unit_test_setup_teardown(test, open, close_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_part_of_it, open_pipe),
		{ "test_part_of_it_socket", test_part_of_it, open_sockets, close_ends, NULL },
		TEST(test_goes_on_when_it_is_read, open_pipe),
		TEST(test_reader_is_gone, open_pipe),
		TEST(test_other_errors, open_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
