/* SPDX-License-Identifier: MIT */
/* Mapped files of real processes: deleted, replaced, oddly named, elsewhere mounted, unwanted */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "discover.h"
#include "found.h"

/* Both ways: by map_files, and without the capability for it. */
static void expect_both(pid_t pid, const char *path, bool deleted)
{
	struct found found = find_in(pid, NULL);

	expect_found(&found, path, deleted);
	if (!drop_map_files())
		return;
	found = find_in(pid, NULL);
	give_back_map_files();
	expect_found(&found, path, deleted);
}

static void test_odd_names(void **state)
{
	static const char *const names[][2] = {
		{ "plain", "plain" },
		{ " a  b ", " a  b " },
		{ "new\nline", "new\\012line" },
		{ "back\\012slash", NULL }, /* ambiguous in maps */
		{ "tab\tand\377byte", "tab\tand\377byte" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[PATH_MAX];
		pid_t pid = start_mapping(names[i][0], path);
		struct found found;

		if (names[i][1]) {
			expect_both(pid, in_directory(names[i][1]), false);
		} else {
			found = find_in(pid, NULL);
			expect_found(&found, path, false);
		}
		child_stop(pid);
		unlink(path);
	}
}

/* A file that is called as deleted ones are shown. */
static void test_called_deleted(void **state)
{
	char path[PATH_MAX];
	pid_t pid = start_mapping("x (deleted)", path);

	(void)state;
	expect_both(pid, in_directory("x"), true);
	child_stop(pid);
	unlink(path);
}

static void test_deleted(void **state)
{
	char path[PATH_MAX];
	pid_t pid = start_mapping("deleted", path);
	struct found found;
	size_t skipped = 5;

	(void)state;
	assert_int_equal(unlink(path), 0);
	found = find_in(pid, &skipped);
	expect_found(&found, path, true);
	assert_int_equal(skipped, 5);
	if (drop_map_files()) {
		found = find_in(pid, &skipped);
		give_back_map_files();
		assert_int_equal(found.times, 0);
		assert_true(found.files > 0);
		assert_int_equal(skipped, 6);
	}
	child_stop(pid);
}

/* Something else at the path: with map_files still the mapped file, without it nothing. */
static void check_replaced(pid_t pid, const char *path)
{
	struct found found = find_in(pid, NULL);
	size_t skipped = 0;

	expect_found(&found, path, true);
	if (drop_map_files()) {
		found = find_in(pid, &skipped);
		give_back_map_files();
		assert_int_equal(found.times, 0);
		assert_int_equal(skipped, 1);
	}
	unlink(path);
	rmdir(path);
}

static void test_replaced(void **state)
{
	char path[PATH_MAX];
	pid_t pid = start_mapping("replaced", path);

	(void)state;
	unlink(path);
	write_file(path, CONTENT);
	check_replaced(pid, path);
	assert_int_equal(mkfifo(path, 0600), 0); /* would block an open */
	check_replaced(pid, path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	check_replaced(pid, path);
	assert_int_equal(mkdir(path, 0700), 0);
	check_replaced(pid, path);
	if (mknod(path, S_IFCHR | 0600, makedev(1, 5)) == 0)
		check_replaced(pid, path);
	child_stop(pid);
}

/* The directory was renamed, and a link left in its place. */
static void test_link_on_the_way(void **state)
{
	char path[PATH_MAX];
	struct found found;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir(in_directory("way"), 0700), 0);
	pid = start_mapping("way/file", path);
	assert_int_equal(rename(in_directory("way"), in_directory("gone")), 0);
	assert_int_equal(symlink(in_directory("gone"), in_directory("way")), 0);
	found = find_in(pid, NULL);
	expect_found(&found, in_directory("gone/file"), false);
	child_stop(pid);
}

/* ---- Programs ---- */

static void copy_sleep(const char *to)
{
	char command[PATH_MAX + 64];

	snprintf(command, sizeof(command), "cp \"$(readlink -f /bin/sleep)\" '%s'", to);
	assert_int_equal(system(command), 0);
}

struct wanted_one {
	struct file_id id; /* as a stat has it */
	size_t asked, times;
	bool deleted;
	int taken;
};

static bool is_wanted_one(const struct file_id *id, void *context)
{
	struct wanted_one *one = context;

	one->asked++;
	return id->inode == one->id.inode && id->dev == one->id.dev;
}

static int take_one(struct mapped_file *file, void *context)
{
	struct wanted_one *one = context;

	one->times++;
	one->deleted = file->deleted;
	one->taken = file->fd;
	file->fd = -1;
	return 0;
}

static void expect_program(pid_t pid, const struct stat *program, bool deleted)
{
	struct wanted_one one = { .id = { program->st_dev, program->st_ino }, .taken = -1 };
	struct stat st;

	assert_int_equal(discover_process(pid, is_wanted_one, take_one, &one, NULL), 0);
	assert_int_equal(one.times, 1);
	assert_int_equal(one.deleted, deleted);
	assert_int_equal(fstat(one.taken, &st), 0); /* still open: it was taken */
	assert_true(st.st_ino == program->st_ino && st.st_size == program->st_size);
	close(one.taken);
}

/* /proc/PID/exe leads to a deleted program also without map_files. */
static void test_deleted_program(void **state)
{
	char *const argv[] = { (char *)"consumer", (char *)"1000", NULL }, *const envp[] = { NULL };
	struct stat program;
	char path[PATH_MAX];
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s", in_directory("program"));
	copy_sleep(path);
	assert_int_equal(stat(path, &program), 0);
	pid = child_exec(path, argv, envp);
	expect_program(pid, &program, false);
	assert_int_equal(unlink(path), 0);
	expect_program(pid, &program, true);
	if (drop_map_files()) {
		expect_program(pid, &program, true);
		give_back_map_files();
	}
	child_stop(pid);
}

static void test_program_in_memory(void **state)
{
	char *const argv[] = { (char *)"memory", (char *)"1000", NULL }, *const envp[] = { NULL };
	int source, memory = memfd_create("consumer", MFD_CLOEXEC);
	struct stat program;
	char link[64], buffer[4096];
	ssize_t n;
	pid_t pid;

	(void)state;
	source = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	assert_true(memory >= 0 && source >= 0);
	while ((n = read(source, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(memory, buffer, (size_t)n), n);
	close(source);
	assert_int_equal(fstat(memory, &program), 0);
	/* By another descriptor: one that is open for writing can't be executed. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", memory);
	source = open(link, O_RDONLY | O_CLOEXEC);
	close(memory);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", source);
	pid = child_exec(link, argv, envp);
	close(source);
	expect_program(pid, &program, true);
	child_stop(pid);
}

/* ---- Other mounts and roots: the child sees at these paths what this process does not ---- */

static bool write_content(const char *path)
{
	FILE *file = fopen(path, "we");
	bool written = file && fputs(CONTENT, file) >= 0;

	return file && fclose(file) == 0 && written;
}

static bool mount_tmpfs(const char *path)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", path, "tmpfs", 0, NULL) == 0 && chdir(path) == 0;
}

static bool map_in_tmpfs(void *path)
{
	return mount_tmpfs(path) && write_content("file") && map_executable("file");
}

/* A process that has set itself up in a directory of this name; skips the test if it can't. */
static pid_t start_in(const char *name, bool (*set_up)(void *path))
{
	char path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s", in_directory(name));
	assert_int_equal(mkdir(path, 0700), 0);
	pid = child_start(set_up, path);
	if (!pid)
		skip();
	return pid;
}

static void test_other_mount_namespace(void **state)
{
	pid_t pid = start_in("mount", map_in_tmpfs);

	(void)state;
	assert_int_equal(access(in_directory("mount/file"), F_OK), -1);
	expect_both(pid, in_directory("mount/file"), false);
	/* The same path here is another file, and is not taken for it. */
	write_file(in_directory("mount/file"), "something else");
	expect_both(pid, in_directory("mount/file"), false);
	child_stop(pid);
}

/* As in a container: a root of its own, its lower layer on another file system than the upper. */
static bool map_in_overlay(void *path)
{
	return mount_tmpfs(path) && mkdir("lower", 0700) == 0 && mkdir("upper", 0700) == 0 &&
	       mkdir("work", 0700) == 0 && mkdir("root", 0700) == 0 &&
	       mount("tmpfs", "lower", "tmpfs", 0, NULL) == 0 && write_content("lower/layered") &&
	       mount("overlay", "root", "overlay", 0,
		     "lowerdir=lower,upperdir=upper,workdir=work") == 0 &&
	       chdir("root") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
	       umount2(".", MNT_DETACH) == 0 && chdir("/") == 0 && map_executable("/layered");
}

static void test_overlay(void **state)
{
	pid_t pid = start_in("overlay", map_in_overlay);
	char link[64];
	struct stat st;

	(void)state;
	expect_both(pid, "/layered", false);
	/* Here maps and stat differ, or this test shows nothing. */
	snprintf(link, sizeof(link), "/proc/%d/root/layered", (int)pid);
	assert_int_equal(stat(link, &st), 0);
	assert_true(st.st_dev != find_in(pid, NULL).id.dev);
	child_stop(pid);
}

static bool map_in_chroot(void *path)
{
	return chroot(path) == 0 && write_content("/rooted") && map_executable("/rooted");
}

static void test_changed_root(void **state)
{
	pid_t pid = start_in("chroot", map_in_chroot);

	(void)state;
	expect_both(pid, in_directory("chroot/rooted"), false);
	child_stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_called_deleted),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_link_on_the_way),
		cmocka_unit_test(test_deleted_program),
		cmocka_unit_test(test_program_in_memory),
		cmocka_unit_test(test_other_mount_namespace),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_changed_root),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
