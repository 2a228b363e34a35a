/* SPDX-License-Identifier: MIT */
/* Semaphores in memory: which mapping holds them, and what cannot be read */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "file_mappings.h"
#include "reader.h"
#include "reader_ends.h"
#include "usdt_semaphore.h"

#define PAGE 4096

/* A file of four pages; its sites count in the second one, the first and the last of them in the
 * same place. */
static int fd;
static struct file_id id;
static const struct elfnote note = {
	.sites_count = 3,
	.sites = { { .semaphore = PAGE + 16 },
		   { .semaphore = PAGE + 64 },
		   { .semaphore = PAGE + 16 } },
};

static int make_file(void **state)
{
	struct stat st;

	(void)state;
	fd = memfd_create("semaphore", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 4 * PAGE) || fstat(fd, &st))
		return -1;
	id = (struct file_id){ st.st_dev, st.st_ino };
	return 0;
}

static char *map(int rights, int kind, off_t offset, size_t size)
{
	char *memory = mmap(NULL, size, rights, kind, fd, offset);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static void set(char *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static int value(void)
{
	return semaphore_read(getpid(), &id, &note);
}

static void test_values(void **state)
{
	char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, 2 * PAGE);

	(void)state;
	assert_int_equal(value(), 0);
	set(memory + 64, 3);
	assert_int_equal(value(), 3);
	set(memory + 16, 0xffff);
	assert_int_equal(value(), 0xffff);
	set(memory + 64, 0);
	assert_int_equal(value(), 0xffff);
	set(memory + 16, 0);
	assert_int_equal(value(), 0);
	munmap(memory, 2 * PAGE);
	assert_int_equal(value(), -ENOENT);
}

/* A loader leaves several mappings of a file; the kernel counts in writable private ones. */
static void test_other_mappings(void **state)
{
	char *whole = map(PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, 4 * PAGE);
	char *shared = map(PROT_READ | PROT_WRITE, MAP_SHARED, 0, 4 * PAGE);
	char *behind = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * PAGE, PAGE);
	char *before = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, PAGE);
	char *right;

	(void)state;
	set(shared + PAGE + 16, 7);
	set(behind + 16, 7);
	assert_int_equal(value(), -ENOENT);
	set(shared + PAGE + 16, 0);
	right = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, 4 * PAGE);
	assert_int_equal(value(), 0);
	set(right + PAGE + 16, 2);
	assert_int_equal(value(), 2);
	munmap(whole, 4 * PAGE);
	munmap(shared, 4 * PAGE);
	munmap(behind, PAGE);
	munmap(before, PAGE);
	munmap(right, 4 * PAGE);
}

/* A process may have any number of them: that nobody watches cannot be said of so many. */
static void test_too_many(void **state)
{
	char *memory[FILE_MAPPINGS_MOST + 1];
	size_t i;

	(void)state;
	for (i = 0; i < FILE_MAPPINGS_MOST; i++)
		memory[i] = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, PAGE);
	assert_int_equal(value(), 0);
	memory[i] = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, PAGE);
	assert_int_equal(value(), -E2BIG);
	/* One of two is read, wherever they lie. */
	set(memory[0] + 16, 1);
	set(memory[i] + 16, 1);
	assert_int_equal(value(), 1);
	for (i = 0; i <= FILE_MAPPINGS_MOST; i++)
		munmap(memory[i], PAGE);
}

static void test_other_files(void **state)
{
	char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, PAGE);
	struct file_id inode = { id.dev, id.inode + 1 }, dev = { id.dev + 1, id.inode };
	struct elfnote none = { 0 };

	(void)state;
	assert_int_equal(semaphore_read(getpid(), &inode, &note), -ENOENT);
	assert_int_equal(semaphore_read(getpid(), &dev, &note), -ENOENT);
	assert_int_equal(semaphore_read(getpid(), &id, &none), -ENOENT);
	assert_int_equal(semaphore_read(INT_MAX, &id, &note), -ESRCH);
	munmap(memory, PAGE);
}

/* The file has become shorter than its mapping: one place can't be read, which is not 0. */
static void test_page_is_gone(void **state)
{
	struct elfnote two = { .sites_count = 2,
			       .sites = { { .semaphore = 16 }, { .semaphore = 3 * PAGE } } };
	char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, 4 * PAGE);

	(void)state;
	assert_int_equal(ftruncate(fd, 3 * PAGE), 0);
	assert_int_equal(semaphore_read(getpid(), &id, &two), -EFAULT);
	set(memory + 16, 1);
	assert_int_equal(semaphore_read(getpid(), &id, &two), 1);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	munmap(memory, 4 * PAGE);
}

#define NOBODY 65534

static bool be_nobody(void *unused)
{
	(void)unused;
	map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, PAGE);
	/* A change of user forgets what is to happen when the parent dies. */
	return !setgid(NOBODY) && !setuid(NOBODY) && !prctl(PR_SET_DUMPABLE, 1) &&
	       !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Sees the mappings of nobody's, by its effective user, and not the memory, by its real one. */
static int as_half_nobody(pid_t other)
{
	int err;

	if (setgid(NOBODY) || setresuid(NOBODY - 1, NOBODY, NOBODY))
		return 77;
	err = semaphore_read(other, &id, &note);
	reader_end();
	return err == -EACCES ? 0 : 1;
}

static void test_not_allowed(void **state)
{
	pid_t other = child_start(be_nobody, NULL), pid;
	int status;

	(void)state;
	if (!other)
		skip();
	assert_int_equal(semaphore_read(other, &id, &note), 0);
	/* A child has no thread of ours; the sanitizer of threads would still know of one. */
	reader_end();
	pid = fork();
	if (pid == 0)
		_exit(as_half_nobody(other));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	child_stop(other);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),      cmocka_unit_test(test_other_mappings),
		cmocka_unit_test(test_other_files), cmocka_unit_test(test_page_is_gone),
		cmocka_unit_test(test_not_allowed), cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("semaphore", tests, make_file, reader_ends);
}
