/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "child.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void stand_still(void)
{
	for (;;)
		pause();
}

pid_t child_start(bool (*set_up)(void *context), void *context)
{
	int pipes[2];
	char ready = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!set_up(context) || write(pipes[1], "y", 1) != 1)
			_exit(1);
		close(pipes[1]);
		stand_still();
	}
	close(pipes[1]);
	if (read(pipes[0], &ready, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(pipes[0]);
	return pid;
}

/*
 * A closed pipe would only tell that the old image is gone. The command line is set once the new
 * one is mapped, and ours is never the same.
 */
static bool has_arguments(pid_t pid, char *const argv[])
{
	char path[64], line[4096];
	size_t at = 0, n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(line, 1, sizeof(line), file);
	fclose(file);
	for (size_t i = 0; argv[i]; i++) {
		size_t size = strlen(argv[i]) + 1;

		if (at + size > n || memcmp(line + at, argv[i], size) != 0)
			return false;
		at += size;
	}
	return at == n;
}

/* Set after the arguments, and after all of it was copied. */
static bool has_environment(pid_t pid, char *const envp[])
{
	char path[64], byte;
	FILE *file;
	bool has;

	if (!envp[0])
		return true;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	has = fread(&byte, 1, 1, file) == 1;
	fclose(file);
	return has;
}

pid_t child_exec(const char *path, char *const argv[], char *const envp[])
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execve(path, argv, envp);
		_exit(127);
	}
	while (!has_arguments(pid, argv) || !has_environment(pid, envp)) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			abort();
		usleep(1000);
	}
	return pid;
}

void child_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

bool map_executable(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *at;

	if (fd < 0)
		return false;
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	return at != MAP_FAILED;
}

static bool set_capabilities(bool given)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	const unsigned int admin = 1u << CAP_SYS_ADMIN;
	const unsigned int restore = 1u << (CAP_CHECKPOINT_RESTORE - 32);

	if (syscall(SYS_capget, &header, data) != 0 || !(data[0].permitted & admin))
		return false;
	if (given) {
		data[0].effective |= admin;
		data[1].effective |= restore & data[1].permitted;
	} else {
		data[0].effective &= ~admin;
		data[1].effective &= ~restore;
	}
	return syscall(SYS_capset, &header, data) == 0;
}

bool drop_map_files(void)
{
	return set_capabilities(false);
}

void give_back_map_files(void)
{
	if (!set_capabilities(true))
		abort();
}
