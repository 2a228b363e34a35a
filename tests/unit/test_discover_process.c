/* SPDX-License-Identifier: MIT */
/* Environment, arguments, start time and cgroup of real processes */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "discover.h"

/* This program, called so, stands still. */
#define STAND_STILL ((char *)"stand-still")

#define S (char *)

static pid_t start(char *const argv[], char *const envp[])
{
	return child_exec("/proc/self/exe", argv, envp);
}

/* ---- Environment ---- */

static void test_environment(void **state)
{
	char *const argv[] = { STAND_STILL, NULL };
	char *const envp[] = {
		S "GROUPS=no",        S "GROUP",           S "XGROUP=no", S "GROUP=yes",
		S "GROUP=later",      S "EMPTY=",          S "=nameless", S "EQUAL=a=b",
		S "LINE=a\nb|#:\377", S "LONG=0123456789", NULL
	};
	static const struct {
		const char *name;
		size_t size;
		int err;
		const char *value;
	} table[] = {
		{ "GROUP", 64, 0, "yes" },        { "EMPTY", 64, 0, "" },
		{ "EQUAL", 64, 0, "a=b" },        { "LINE", 64, 0, "a\nb|#:\377" },
		{ "LONG", 64, 0, "0123456789" },  { "LONG", 11, 0, "0123456789" },
		{ "LONG", 10, 0, "012345678" },   { "LONG", 1, 0, "" },
		{ "GROU", 64, -ENOENT, NULL },    { "group", 64, -ENOENT, NULL },
		{ "", 64, -EINVAL, NULL },        { "LONG", 0, -EINVAL, NULL },
		{ "MISSING", 64, -ENOENT, NULL },
	};
	pid_t pid = start(argv, envp);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char value[65];

		memset(value, 'x', sizeof(value));
		print_message("%s %zu\n", table[i].name, table[i].size);
		assert_int_equal(discover_environment(pid, table[i].name, value, table[i].size),
				 table[i].err);
		if (!table[i].err)
			assert_string_equal(value, table[i].value);
		assert_int_equal(value[table[i].size], 'x');
	}
	child_stop(pid);
}

/* One that is longer than what is read at once. */
static void test_long_environment(void **state)
{
	enum { LENGTH = 100000 };
	char *const argv[] = { STAND_STILL, NULL };
	char *filler = malloc(LENGTH + 1), value[16];
	pid_t pid;

	(void)state;
	assert_non_null(filler);
	memset(filler, 'f', LENGTH);
	memcpy(filler, "F=", 2);
	filler[LENGTH] = 0;
	char *const envp[] = { filler, filler, filler, S "LAST=here", NULL };

	pid = start(argv, envp);
	assert_int_equal(discover_environment(pid, "LAST", value, sizeof(value)), 0);
	assert_string_equal(value, "here");
	child_stop(pid);
	free(filler);
}

/* ---- Arguments ---- */

struct argument_case {
	char *argv[8];
	const char *option;
	int err;
	const char *value;
};

static const struct argument_case arguments[] = {
	{ { STAND_STILL, S "--group=x" }, "--group", 0, "x" },
	{ { STAND_STILL, S "--group", S "x" }, "--group", 0, "x" },
	{ { STAND_STILL, S "run", S "-v", S "--group", S "a b", S "--group=y" },
	  "--group",
	  0,
	  "a b" },
	{ { STAND_STILL, S "--group=first", S "--group", S "second" }, "--group", 0, "first" },
	{ { STAND_STILL, S "--groups=x", S "--group-id=z", S "--group=y" }, "--group", 0, "y" },
	{ { STAND_STILL, S "--group=" }, "--group", 0, "" },
	{ { STAND_STILL, S "--group", S "" }, "--group", 0, "" },
	{ { STAND_STILL, S "", S "--group=x" }, "--group", 0, "x" },
	{ { STAND_STILL, S "--group=a=b" }, "--group", 0, "a=b" },
	{ { STAND_STILL, S "-g", S "x" }, "-g", 0, "x" },
	{ { STAND_STILL, S "--group" }, "--group", -ENOENT, NULL },
	{ { STAND_STILL, S "--grou=x", S "-group=x" }, "--group", -ENOENT, NULL },
	{ { STAND_STILL }, "stand-still", -ENOENT, NULL }, /* the program itself is no option */
	{ { STAND_STILL, S "x" }, "stand-still", -ENOENT, NULL },
	{ { STAND_STILL }, "", -EINVAL, NULL },
};

static void test_arguments(void **state)
{
	char *const envp[] = { S "--group=environment", NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(*arguments); i++) {
		const struct argument_case *want = &arguments[i];
		pid_t pid = start(want->argv, envp);
		char value[32] = "";

		print_message("%zu\n", i);
		assert_int_equal(discover_argument(pid, want->option, value, sizeof(value)),
				 want->err);
		if (!want->err) {
			assert_string_equal(value, want->value);
			assert_int_equal(discover_argument(pid, want->option, value, 2), 0);
			assert_int_equal(strncmp(value, want->value, 1), 0);
			assert_true(strlen(value) < 2);
		}
		child_stop(pid);
	}
}

/* ---- Start time ---- */

static uint64_t ticks_now(void)
{
	const uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * hz + (uint64_t)t.tv_nsec * hz / 1000000000;
}

/* Names that look like fields of /proc/PID/stat. */
static bool take_name(void *name)
{
	return prctl(PR_SET_NAME, name) == 0;
}

static void test_name(void **state)
{
	static char names[][16] = {
		"", "plain", "a b", "))\n)", "\n\n", "\x1b[31m\xff", "123456789012345"
	};
	char name[16], cut[4];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		pid_t pid = child_start(take_name, names[i]);

		assert_int_equal(discover_name(pid, name, sizeof(name)), 0);
		assert_string_equal(name, names[i]);
		assert_int_equal(discover_name(pid, cut, sizeof(cut)), 0);
		assert_int_equal(strlen(cut), strnlen(names[i], 3));
		child_stop(pid);
	}
	assert_int_equal(discover_name(INT_MAX, name, sizeof(name)), -ESRCH);
}

static void test_start_time(void **state)
{
	static char names[][16] = { "plain", "a b", "a) R 1 2", ") 1 1 1 1 1 1", "((", "))\n)" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		uint64_t before = ticks_now(), after, started;
		pid_t pid = child_start(take_name, names[i]);

		after = ticks_now();
		started = discover_start_time(pid);
		/* It is when it was, not how long it took: between two looks at the clock. */
		assert_in_range(started, before - 1, after + 1);
		child_stop(pid);
		assert_int_equal(discover_start_time(pid), 0);
	}
	assert_true(discover_start_time(1) > 0);
	assert_true(discover_start_time(getpid()) >= discover_start_time(getppid()));
	assert_int_equal(discover_start_time(INT_MAX), 0);
	assert_int_equal(discover_start_time(-1), 0);
}

/* ---- Cgroups ---- */

#define ID   "5678901234567890123456789012345678901234567890123456789012345678"
#define UID  "01234567-89ab-cdef-0123-456789abcdef"
#define UID_ "01234567_89ab_cdef_0123_456789abcdef"

static char mount_point[] = "/tmp/pushback-cgroup-XXXXXX";
static const char *const groups[] = {
	"/pushback-test-kubepods.slice",
	"/pushback-test-kubepods.slice/kubepods-burstable-pod" UID_ ".slice",
	"/pushback-test-kubepods.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID
	".scope",
};
#define GROUPS (sizeof(groups) / sizeof(*groups))

static bool join(pid_t pid)
{
	char path[512];
	FILE *file;

	for (size_t i = 0; i < GROUPS; i++) {
		snprintf(path, sizeof(path), "%s%s", mount_point, groups[i]);
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return false;
	}
	strncat(path, "/cgroup.procs", sizeof(path) - strlen(path) - 1);
	file = fopen(path, "we");
	if (!file)
		return false;
	fprintf(file, "%d\n", (int)pid);
	return fclose(file) == 0;
}

static void leave(void)
{
	char path[512];

	for (size_t i = GROUPS; i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", mount_point, groups[i]);
		/* The group is busy until the kernel is done with the process. */
		for (int tries = 0; rmdir(path) != 0 && errno == EBUSY && tries < 1000; tries++)
			usleep(1000);
	}
	umount2(mount_point, MNT_DETACH);
	rmdir(mount_point);
}

/* In a group that is called as the kubelet calls them. */
static void test_container(void **state)
{
	char *const argv[] = { STAND_STILL, NULL }, *const envp[] = { NULL };
	char id[65] = "", uid[37] = "", cut[64];
	bool joined;
	int errors[3];
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(mount_point));
	if (mount("none", mount_point, "cgroup2", 0, NULL) != 0) {
		rmdir(mount_point);
		skip();
	}
	pid = start(argv, envp);
	joined = join(pid);
	errors[0] = discover_container_id(pid, id, sizeof(id));
	errors[1] = discover_pod_uid(pid, uid, sizeof(uid));
	errors[2] = discover_container_id(pid, cut, sizeof(cut));
	child_stop(pid);
	leave();
	if (!joined)
		skip();
	assert_int_equal(errors[0], 0);
	assert_int_equal(errors[1], 0);
	assert_int_equal(errors[2], -ERANGE);
	assert_string_equal(id, ID);
	assert_string_equal(uid, UID);
}

/* ---- No such process, or not ours to see ---- */

static void test_no_process(void **state)
{
	char value[65];

	(void)state;
	assert_int_equal(discover_environment(INT_MAX, "HOME", value, 65), -ESRCH);
	assert_int_equal(discover_argument(INT_MAX, "--group", value, 65), -ESRCH);
	assert_int_equal(discover_container_id(INT_MAX, value, 65), -ESRCH);
	assert_int_equal(discover_pod_uid(INT_MAX, value, 65), -ESRCH);
}

static int as_nobody(pid_t other)
{
	char value[65];

	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 77;
	return discover_environment(other, "HOME", value, sizeof(value)) == -EACCES ? 0 : 1;
}

static void test_not_allowed(void **state)
{
	pid_t other = getpid(), pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(as_nobody(other));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment), cmocka_unit_test(test_long_environment),
		cmocka_unit_test(test_arguments),   cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_container),   cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_not_allowed), cmocka_unit_test(test_name),
	};

	while (argc > 0 && strcmp(argv[0], STAND_STILL) == 0)
		pause();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
