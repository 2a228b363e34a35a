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
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "top_out.h"

static int ends[2];
static struct top_out *out;

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, 2 * PIPE_BUF) != 2 * PIPE_BUF)
		return -1;
	out = top_out_new(ends[1]);
	return out ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	top_out_free(out);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Of `count` lines, each `length` characters and a newline. Whether it was taken. */
static bool refresh(char what, size_t count, size_t length, bool last)
{
	FILE *to = top_out_begin(out, last);

	if (!to)
		return false;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < length; k++)
			fputc(what, to);
		fputc('\n', to);
	}
	top_out_end(out);
	return true;
}

/* What is in the pipe now: so many lines of `what`, of this length, and not a character more. */
static void assert_lines(char what, size_t count, size_t length)
{
	static char text[1 << 20];
	int size;

	assert_int_equal(ioctl(ends[0], FIONREAD, &size), 0);
	assert_int_equal(size, count * (length + 1));
	assert_int_equal(read(ends[0], text, sizeof(text)), size);
	for (int i = 0; i < size; i++)
		assert_int_equal(text[i], (size_t)i % (length + 1) == length ? '\n' : what);
}

static uint64_t left_out(void)
{
	static const struct agent_stats none;
	struct agent_stats all = top_out_stats(out, &none);

	if (!all.lost[0].reason)
		return 0;
	assert_string_equal(all.lost[0].reason, "output_stuck");
	assert_null(all.lost[1].reason);
	return all.lost[0].count;
}

static void test_goes_out_at_once(void **state)
{
	(void)state;
	assert_true(refresh('a', 10, 50, false));
	assert_false(top_out_waits(out));
	assert_lines('a', 10, 50);
	assert_int_equal(left_out(), 0);
}

/* 40 a page, two pages: what is read at any time is whole lines, in the end all of them. */
static void test_only_whole_lines(void **state)
{
	size_t count = 0;

	(void)state;
	assert_true(refresh('a', 1000, 99, false));
	assert_int_equal(top_out_poll(out).events, POLLOUT);
	while (top_out_waits(out)) {
		assert_lines('a', 80, 99);
		count += 80;
		top_out_push(out);
	}
	assert_lines('a', 1000 - count, 99);
	assert_int_equal(top_out_poll(out).events, 0);
}

static void test_later_ones_are_left_out(void **state)
{
	(void)state;
	assert_true(refresh('a', 100, 99, false));
	assert_false(refresh('b', 1, 99, false));
	assert_false(refresh('b', 1, 99, false));
	assert_int_equal(left_out(), 2);
	assert_lines('a', 80, 99);
	top_out_push(out);
	assert_lines('a', 20, 99);
	assert_true(refresh('c', 3, 9, false));
	assert_lines('c', 3, 9);
	assert_int_equal(left_out(), 2);
}

static void test_last_one_waits_too(void **state)
{
	(void)state;
	assert_true(refresh('a', 100, 99, false));
	assert_true(refresh('b', 5, 99, true));
	assert_int_equal(left_out(), 0);
	top_out_linger(out);
	assert_true(top_out_waits(out));
	assert_lines('a', 80, 99);
	top_out_push(out);
	top_out_drop(out);
	assert_false(top_out_waits(out));
}

/* A line that is more than a pipe takes at once has it to itself. */
static void test_long_line(void **state)
{
	(void)state;
	assert_true(refresh('a', 1, 9, false));
	assert_true(refresh('b', 1, PIPE_BUF + 99, false));
	assert_true(top_out_waits(out));
	assert_int_equal(top_out_poll(out).events, 0);
	assert_lines('a', 1, 9);
	top_out_finish(out);
	assert_lines('b', 1, PIPE_BUF + 99);
}

static void test_reader_goes(void **state)
{
	(void)state;
	assert_true(refresh('a', 100, 99, false));
	assert_int_equal(top_out_error(out), 0);
	close(ends[0]);
	top_out_push(out);
	assert_int_equal(top_out_error(out), -EPIPE);
	assert_false(top_out_waits(out));
	ends[0] = -1;
}

/* Also while there is nothing to be written. */
static void test_idle_reader_goes(void **state)
{
	struct pollfd fd = top_out_poll(out);

	(void)state;
	close(ends[0]);
	assert_int_equal(poll(&fd, 1, 0), 1);
	top_out_push(out);
	assert_int_equal(top_out_error(out), -EPIPE);
	ends[0] = -1;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_goes_out_at_once),
		TEST(test_only_whole_lines),
		TEST(test_later_ones_are_left_out),
		TEST(test_last_one_waits_too),
		TEST(test_long_line),
		TEST(test_reader_goes),
		TEST(test_idle_reader_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
