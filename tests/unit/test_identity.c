/* SPDX-License-Identifier: MIT */
/* Whether a file is still what it was */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "identity.h"

static int open_new(const char *text)
{
	char path[] = "/tmp/pushback-identity-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(unlink(path), 0);
	return fd;
}

static int open_again(int fd)
{
	char link[64];
	FILE *file;
	int again;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	file = fopen(link, "r");
	assert_non_null(file);
	again = dup(fileno(file));
	fclose(file);
	return again;
}

static struct file_stamp stamp_of(int fd)
{
	struct file_stamp stamp;

	assert_int_equal(identity_stamp(fd, &stamp), 0);
	return stamp;
}

static void a_stamp_shows_writes(void **state)
{
	const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	int fd = open_new("one");
	struct file_stamp before = stamp_of(fd), after;

	(void)state;
	after = stamp_of(fd);
	assert_true(identity_stamp_is_same(&before, &after));
	assert_int_equal(write(fd, "x", 1), 1);
	after = stamp_of(fd);
	assert_false(identity_stamp_is_same(&before, &after));
	/* Set back, it is still another one. */
	before = stamp_of(fd);
	assert_int_equal(futimens(fd, long_ago), 0);
	after = stamp_of(fd);
	assert_false(identity_stamp_is_same(&before, &after));
	assert_true(identity_stamp_is_fresh(&after));
	after.changed_ns -= 10000000000;
	assert_false(identity_stamp_is_fresh(&after));
	close(fd);
	assert_true(identity_stamp(-1, &after) < 0);
}

static void a_view_tells_inodes_apart(void **state)
{
	int fd = open_new("the same"), other_fd = open_new("the same"), again = open_again(fd);
	struct inode_view *view = identity_view(fd), *other = identity_view(other_fd);
	struct inode_view *second = identity_view(again);

	(void)state;
	assert_non_null(view);
	assert_non_null(other);
	assert_non_null(second);
	assert_false(identity_view_is_same(view, other));
	assert_false(identity_view_is_same(view, NULL));
	assert_false(identity_view_is_same(NULL, NULL));
	if (geteuid() == 0)
		assert_true(identity_view_is_same(view, second));
	/* There is no page any more, and nothing dies of that. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(identity_view_is_same(view, second));
	assert_null(identity_view(-1));
	identity_view_free(view);
	identity_view_free(other);
	identity_view_free(second);
	identity_view_free(NULL);
	close(fd);
	close(again);
	close(other_fd);
}

static void where_it_lies(void **state)
{
	int fd = open_new("x"), again = open_again(fd);
	struct file_id one = identity_where(fd), other = identity_where(again);

	(void)state;
	assert_true(one.inode);
	assert_int_equal(one.dev, other.dev);
	assert_int_equal(one.inode, other.inode);
	one = identity_where(-1);
	assert_int_equal(one.inode, 0);
	close(fd);
	close(again);
}

static void nobody_has_probed_it(void **state)
{
	int fd = open_new("not a program");

	(void)state;
	assert_int_equal(identity_is_probed(fd, 4), 0);
	assert_true(identity_is_probed(fd, 100) < 0);
	assert_true(identity_is_probed(-1, 0) < 0);
	assert_false(identity_is_overlay(fd));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_shows_writes),
		cmocka_unit_test(a_view_tells_inodes_apart),
		cmocka_unit_test(where_it_lies),
		cmocka_unit_test(nobody_has_probed_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
