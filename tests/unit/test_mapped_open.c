/* SPDX-License-Identifier: MIT */
/* Files that processes with mounts of their own lead to: each mount on the way there costs a look through all of them */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "mapped_open.h"
#include "scratch.h"

#define NOBODY 65534

#define WAY_MOST    16   /* mounts on a way, the root's among them */
#define THEIRS_MOST 4096 /* mounts that are looked through for an ordinary user's process */

/* ---- Processes with mounts of their own ---- */

static bool make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd >= 0 && write(fd, "a file", 6) == 6 && !close(fd);
}

/* All that it sees is in a file system of its own, which goes with it. */
static bool enter(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", directory, "tmpfs", 0, "mode=755") == 0 && chdir(directory) == 0 &&
	       chroot(".") == 0;
}

/* In each mount a folder on which is the next one. */
static bool mount_in_each_other(void *context)
{
	bool ok = enter();

	(void)context;
	for (int i = 0; ok && i < WAY_MOST; i++)
		ok = make_file("file") && mkdir("d", 0755) == 0 &&
		     mount("tmpfs", "d", "tmpfs", 0, "mode=755") == 0 && chdir("d") == 0;
	return ok && make_file("file");
}

/* One folder in one file system, a hundred levels deep. */
static bool make_folders(void *context)
{
	bool ok = enter();

	(void)context;
	for (int i = 0; ok && i < 100; i++)
		ok = mkdir("d", 0755) == 0 && chdir("d") == 0;
	return ok && make_file("file");
}

/* With the root's, one more than are looked through, each on a folder of its number; the last has a file mapped. */
static bool mount_many(void *user)
{
	bool ok = enter() && mkdir("all", 0755) == 0 && make_file("all/file");
	char path[32];

	for (int i = 2; ok && i <= THEIRS_MOST + 1; i++) {
		snprintf(path, sizeof(path), "%d", i);
		ok = mkdir(path, 0755) == 0 && mount("all", path, "none", MS_BIND, NULL) == 0;
	}
	snprintf(path, sizeof(path), "%d/file", THEIRS_MOST + 1);
	/* Of a process that has changed its user /proc/self is root's, and it does not end with who began it. */
	return ok && map_executable(path) && setuid(*(uid_t *)user) == 0 &&
	       prctl(PR_SET_DUMPABLE, 1) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

static pid_t start(bool (*set_up)(void *context), void *context)
{
	pid_t pid = child_start(set_up, context);

	assert_true(pid > 0);
	return pid;
}

/* ---- Where they lead ---- */

/* 0: to a file. */
static int opened(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static int open_below(pid_t pid, int folders)
{
	char path[512] = "";

	for (int i = 0; i < folders; i++)
		strcat(path, "/d");
	strcat(path, "/file");
	assert_int_equal(opened(mapped_open_now(pid, path)),
			 opened(mapped_open_through(pid, path)));
	return opened(mapped_open_through(pid, path));
}

static void mounts_on_a_way(void **state)
{
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	pid = start(mount_in_each_other, NULL);
	assert_int_equal(open_below(pid, 0), 0);
	assert_int_equal(open_below(pid, WAY_MOST - 1), 0);
	assert_int_equal(open_below(pid, WAY_MOST), -EPERM);
	child_stop(pid);
	pid = start(make_folders, NULL);
	assert_int_equal(open_below(pid, 100), 0);
	child_stop(pid);
}

static int open_of(pid_t pid, int mount)
{
	char path[32];

	snprintf(path, sizeof(path), "/%d/file", mount);
	return opened(mapped_open_now(pid, path));
}

/* What it has mapped at a path that has this in it; that is cut down to it. */
static struct proc_mapping mapping_of(pid_t pid, char *part)
{
	struct proc_mapping mapping;
	char path[64], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	assert_non_null(maps);
	while (!found && getline(&line, &size, maps) > 0)
		found = proc_maps_parse(line, &mapping) && strstr(mapping.path, part);
	assert_true(found);
	mapping.path = part;
	free(line);
	fclose(maps);
	return mapping;
}

/* What is behind so many may be anything: an ordinary user's is not opened, by whatever way. */
static void mounts_of_a_process(void **state)
{
	static char last[] = "/4097/file";
	uid_t users[] = { NOBODY, 0 };

	(void)state;
	if (geteuid())
		skip();
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = start(mount_many, &users[i]);
		struct proc_mapping mapping = mapping_of(pid, last);
		int err = users[i] ? -EPERM : 0;

		assert_int_equal(open_of(pid, THEIRS_MOST), 0);
		assert_int_equal(open_of(pid, THEIRS_MOST + 1), err);
		assert_int_equal(opened(mapped_open(pid, &mapping)), err);
		child_stop(pid);
	}
}

/* What was mapped by the time that it is opened, where it is the program itself. */
static void a_mapping_that_is_gone(void **state)
{
	static char program[] = "/usr/bin/sleep", nowhere[] = "/nowhere";
	char *argv[] = { program, "600", NULL }, *envp[] = { NULL };
	/* Not a fork: in valgrind what that runs is valgrind. */
	pid_t pid = child_exec(program, argv, envp);
	struct proc_mapping mapping = mapping_of(pid, program);

	(void)state;
	assert_int_equal(opened(mapped_open(pid, &mapping)), 0);
	mapping.start = 0x1000;
	mapping.end = 0x2000;
	mapping.path = nowhere;
	assert_int_equal(opened(mapped_open(pid, &mapping)), 0);
	/* Of another file it is not. */
	mapping.inode++;
	assert_int_equal(opened(mapped_open(pid, &mapping)), -ENOENT);
	child_stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_on_a_way),
		cmocka_unit_test(mounts_of_a_process),
		cmocka_unit_test(a_mapping_that_is_gone),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
