/* SPDX-License-Identifier: MIT */
/* A file that is there once it is whole, and nothing beside it */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "new_file.h"

static int enter(void **state)
{
	char *directory = strdup("/tmp/new-file-XXXXXX");

	*state = directory;
	return !directory || !mkdtemp(directory) || chdir(directory);
}

static int leave(void **state)
{
	DIR *here = opendir(".");
	struct dirent *entry;

	while (here && (entry = readdir(here)))
		unlink(entry->d_name);
	if (here)
		closedir(here);
	rmdir(*state);
	free(*state);
	return 0;
}

static size_t files(void)
{
	DIR *here = opendir(".");
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(here);
	while ((entry = readdir(here)))
		count += *entry->d_name != '.';
	closedir(here);
	return count;
}

static void has(const char *path, const char *text)
{
	char read_[64] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, read_, sizeof(read_) - 1), (int)strlen(text));
	assert_string_equal(read_, text);
	close(fd);
}

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT, mode);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void it_is_there_at_the_end(void **state)
{
	struct new_file *f;
	struct stat stat_;

	(void)state;
	umask(027);
	assert_int_equal(new_file_open(&f, "new"), 0);
	fputs("text", new_file_stream(f));
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(new_file_flush(f), 0);
	assert_int_equal(new_file_keep(f), 0);
	has("new", "text");
	assert_int_equal(stat("new", &stat_), 0);
	assert_int_equal(stat_.st_mode & 07777, 0640);
	assert_int_equal(files(), 1);
}

static void what_is_given_up_leaves_what_was_there(void **state)
{
	struct new_file *f;

	(void)state;
	put("old", "before", 0644);
	assert_int_equal(new_file_open(&f, "old"), 0);
	fputs("text", new_file_stream(f));
	new_file_drop(f);
	new_file_drop(NULL);
	has("old", "before");
	assert_int_equal(files(), 1);
}

static void a_link_stays_one(void **state)
{
	struct new_file *f;
	struct stat stat_;

	(void)state;
	put("old", "before", 0600);
	assert_int_equal(symlink("old", "link"), 0);
	assert_int_equal(new_file_open(&f, "link"), 0);
	fputs("text", new_file_stream(f));
	assert_int_equal(new_file_keep(f), 0);
	assert_true(!lstat("link", &stat_) && S_ISLNK(stat_.st_mode));
	assert_true(!stat("link", &stat_) && (stat_.st_mode & 07777) == 0600);
	has("old", "text");
	assert_int_equal(files(), 2);
}

static void what_is_no_file_is_left_alone(void **state)
{
	struct new_file *f = NULL;

	(void)state;
	assert_int_equal(new_file_open(&f, "/dev/null"), -EEXIST);
	assert_int_equal(new_file_open(&f, "."), -EISDIR);
	assert_int_equal(new_file_open(&f, "missing/"), -EISDIR);
	assert_int_equal(new_file_open(&f, "missing/new"), -ENOENT);
	assert_null(f);
	assert_int_equal(files(), 0);
}

static void replace(const char *path, mode_t mode)
{
	struct new_file *f;
	struct stat now;

	assert_int_equal(new_file_open(&f, path), 0);
	fputs("text", new_file_stream(f));
	assert_int_equal(new_file_keep(f), 0);
	assert_false(lstat(path, &now));
	assert_int_equal(now.st_mode, S_IFREG | mode);
	assert_int_equal(now.st_uid, geteuid());
	has(path, "text");
}

#define STRANGER 65534

/* Whoever has put it there would be root by it. */
static void no_mode_of_a_strangers_is_taken_over(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	umask(022);
	put("theirs", "before", 0600);
	assert_false(chown("theirs", STRANGER, STRANGER) || chmod("theirs", 06777));
	replace("theirs", 0644);
	put("ours", "before", 0600);
	assert_false(chmod("ours", 06750));
	replace("ours", 0750);
}

/* Its folder was moved away, and a link to another one put there. */
static void what_is_put_in_the_way_is_not_replaced(void **state)
{
	struct new_file *f;

	(void)state;
	assert_false(mkdir("folder", 0755) || mkdir("other", 0755));
	put("folder/file", "before", 0600);
	put("other/file", "before", 0600);
	assert_int_equal(new_file_open(&f, "folder/file"), 0);
	fputs("text", new_file_stream(f));
	assert_false(rename("folder", "moved") || symlink("other", "folder"));
	assert_int_equal(new_file_keep(f), 0);
	has("other/file", "before");
	has("moved/file", "text");
	assert_false(unlink("other/file") || unlink("moved/file") || rmdir("other") ||
		     rmdir("moved"));
}

/* A link that the kernel does not follow, for whatever reason, is not gone behind. */
static void a_link_that_may_not_be_followed_is_left_alone(void **state)
{
	struct new_file *f = NULL;
	int err;

	(void)state;
	if (geteuid())
		skip();
	assert_false(chmod(".", 0777) || mkdir("closed", 0700));
	put("closed/file", "before", 0600);
	assert_false(symlink("closed/file", "link") || seteuid(STRANGER));
	err = new_file_open(&f, "link");
	assert_false(seteuid(0));
	assert_int_equal(err, -EACCES);
	has("link", "before");
	assert_false(unlink("closed/file") || rmdir("closed"));
	assert_int_equal(files(), 1);
}

/* Files of ours may be so large. */
static void set_limit(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The first failure is the one that is told, to the end. */
static void a_failure_leaves_nothing(void **state)
{
	struct new_file *f;

	(void)state;
	assert_int_equal(new_file_open(&f, "new"), 0);
	set_limit(1);
	fputs("text", new_file_stream(f));
	assert_int_equal(new_file_flush(f), -EFBIG);
	set_limit(RLIM_INFINITY);
	fputs("text", new_file_stream(f));
	assert_int_equal(new_file_flush(f), -EFBIG);
	assert_int_equal(new_file_keep(f), -EFBIG);
	assert_int_equal(files(), 0);
}

/* Of a write that was not asked for, too, since there was no room for more. */
static void why_is_told_of_what_failed_in_between(void **state)
{
	char much[3 * BUFSIZ];
	struct new_file *f;

	(void)state;
	memset(much, 'x', sizeof(much));
	assert_int_equal(new_file_open(&f, "new"), 0);
	set_limit(1);
	fwrite(much, 1, sizeof(much), new_file_stream(f));
	set_limit(RLIM_INFINITY);
	assert_int_equal(new_file_flush(f), -EFBIG);
	assert_int_equal(new_file_keep(f), -EFBIG);
	assert_int_equal(files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_there_at_the_end, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_given_up_leaves_what_was_there, enter,
						leave),
		cmocka_unit_test_setup_teardown(a_link_stays_one, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_left_alone, enter, leave),
		cmocka_unit_test_setup_teardown(no_mode_of_a_strangers_is_taken_over, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_put_in_the_way_is_not_replaced, enter,
						leave),
		cmocka_unit_test_setup_teardown(a_link_that_may_not_be_followed_is_left_alone,
						enter, leave),
		cmocka_unit_test_setup_teardown(a_failure_leaves_nothing, enter, leave),
		cmocka_unit_test_setup_teardown(why_is_told_of_what_failed_in_between, enter,
						leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
