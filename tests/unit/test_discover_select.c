/* SPDX-License-Identifier: MIT */
/* Which processes and files discovery looks at, which it leaves alone, and when it may not */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "discover.h"
#include "found.h"

/* ---- Which are looked at ---- */

struct count {
	size_t asked, opened;
};

static bool refuse(const struct file_id *id, void *context)
{
	struct count *count = context;

	assert_true(id->inode != 0);
	count->asked++;
	return false;
}

static int count_opened(struct mapped_file *file, void *context)
{
	struct count *count = context;

	assert_true(file->fd >= 0);
	count->opened++;
	return 0;
}

static void test_unwanted_are_not_opened(void **state)
{
	struct count count = { 0 }, all = { 0 };
	size_t skipped = 0;

	(void)state;
	assert_int_equal(discover_process(getpid(), NULL, count_opened, &all, NULL), 0);
	assert_true(all.opened >= 2); /* the test and libc */
	assert_int_equal(discover_process(getpid(), refuse, count_opened, &count, &skipped), 0);
	assert_int_equal(count.asked, all.opened);
	assert_int_equal(count.opened, 0);
	assert_int_equal(skipped, 0);
}

#define MANY 700

static bool map_many(void *context)
{
	(void)context;
	for (int round = 0; round < 2; round++) {
		static int files[MANY];

		for (int i = 0; i < MANY; i++) {
			if (!round)
				files[i] = memfd_create("many", MFD_CLOEXEC);
			if (files[i] < 0 || ftruncate(files[i], 4096) != 0 ||
			    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, files[i], 0) ==
				    MAP_FAILED)
				return false;
		}
	}
	return true;
}

static bool map_nothing(void *context)
{
	(void)context;
	return true;
}

static void test_each_file_once(void **state)
{
	struct count few = { 0 }, many = { 0 };
	pid_t without = child_start(map_nothing, NULL), with = child_start(map_many, NULL);

	(void)state;
	assert_true(with > 0 && without > 0);
	assert_int_equal(discover_process(without, NULL, count_opened, &few, NULL), 0);
	assert_int_equal(discover_process(with, NULL, count_opened, &many, NULL), 0);
	assert_int_equal(many.opened, few.opened + MANY);
	child_stop(without);
	child_stop(with);
}

static bool map_to_read(void *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
}

static void test_not_executable(void **state)
{
	char path[PATH_MAX];
	struct found found;
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s", in_directory("data"));
	write_file(path, CONTENT);
	pid = child_start(map_to_read, path);
	assert_true(pid > 0);
	found = find_in(pid, NULL);
	assert_int_equal(found.times, 0);
	assert_true(found.files > 0);
	child_stop(pid);
	unlink(path);
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_stop_and_no_leak(void **state)
{
	char path[PATH_MAX];
	pid_t pid = start_mapping("stop", path);
	size_t before = open_descriptors();
	struct found found = { .stop = 42, .pid = pid };

	(void)state;
	assert_int_equal(discover_process(pid, NULL, look, &found, NULL), 42);
	assert_int_equal(found.times, 1);
	found.stop = -ESRCH; /* not taken for a vanished process */
	assert_int_equal(discover_all(NULL, look, &found, NULL), -ESRCH);
	assert_int_equal(found.times, 2);
	assert_int_equal(open_descriptors(), before);
	child_stop(pid);
	unlink(path);
}

static void test_all(void **state)
{
	char path[PATH_MAX];
	pid_t pid = start_mapping("all", path);
	struct found found = { .pid = pid }, gone = { .pid = pid };
	size_t skipped = 0;

	(void)state;
	assert_int_equal(discover_all(NULL, look, &found, &skipped), 0);
	expect_found(&found, path, false);
	assert_true(found.files > 2);
	child_stop(pid);
	assert_int_equal(discover_all(NULL, look, &gone, NULL), 0);
	assert_int_equal(gone.times, 0);
	unlink(path);
}

/* ---- No such process, or not ours to see ---- */

static int no_file(struct mapped_file *file, void *context)
{
	(void)file;
	(void)context;
	fail();
	return 0;
}

static void test_no_process(void **state)
{
	pid_t pid = fork();
	struct count count = { 0 };
	char name[32] = "";
	siginfo_t info;
	FILE *comm;

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	/* Not reaped yet, then reaped. */
	assert_int_equal(discover_process(pid, NULL, no_file, NULL, NULL), -ESRCH);
	assert_int_equal(discover_all(refuse, count_opened, &count, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(discover_process(pid, NULL, no_file, NULL, NULL), -ESRCH);
	assert_int_equal(discover_process(INT_MAX, NULL, no_file, NULL, NULL), -ESRCH);
	assert_int_equal(discover_process(-1, NULL, no_file, NULL, NULL), -ESRCH);
	comm = fopen("/proc/2/comm", "re");
	if (comm && fgets(name, sizeof(name), comm) && strcmp(name, "kthreadd\n") == 0)
		assert_int_equal(discover_process(2, NULL, no_file, NULL, NULL), 0);
	if (comm)
		fclose(comm);
}

/* In a child, whose identity is not needed afterwards. */
static int as_nobody(void)
{
	struct count count = { 0 };
	size_t skipped = 0;
	pid_t other = getppid();

	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 77;
	if (discover_process(other, NULL, count_opened, &count, NULL) != -EACCES)
		return 1;
	if (discover_all(NULL, count_opened, &count, &skipped) != 0 || skipped == 0)
		return 2;
	/* Its own are no secret, and need no capability. */
	prctl(PR_SET_DUMPABLE, 1);
	count.opened = 0;
	if (discover_process(getpid(), NULL, count_opened, &count, NULL) != 0)
		return 3;
	return count.opened > 0 ? 0 : 4;
}

static void test_not_allowed(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unwanted_are_not_opened),
		cmocka_unit_test(test_each_file_once),
		cmocka_unit_test(test_not_executable),
		cmocka_unit_test(test_stop_and_no_leak),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_not_allowed),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
