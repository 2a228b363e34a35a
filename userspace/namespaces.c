/* SPDX-License-Identifier: MIT */
#include "namespaces.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* The first ones have fixed numbers: PROC_PID_INIT_INO, PROC_USER_INIT_INO. */
#define HOST_PID  0xeffffffcu
#define HOST_USER 0xeffffffdu

static bool is_or_unknown(const char *path, ino_t inode)
{
	struct stat st;

	return stat(path, &st) || st.st_ino == inode;
}

bool namespaces_pid_is_host(void)
{
	return is_or_unknown("/proc/self/ns/pid", HOST_PID);
}

bool namespaces_user_is_host(void)
{
	return is_or_unknown("/proc/self/ns/user", HOST_USER);
}

/* "self", or a number. 0 or -errno. */
static int find(const char *process, const char *kind, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, kind);
	return stat(path, st) ? -errno : 0;
}

static int are_same(const char *a, const char *b, const char *kind)
{
	struct stat of_a, of_b;
	int err = find(a, kind, &of_a);

	if (!err)
		err = find(b, kind, &of_b);
	return err ? err : of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int namespaces_is_ours(pid_t pid, const char *kind)
{
	char process[16];

	snprintf(process, sizeof(process), "%d", (int)pid);
	return are_same("self", process, kind);
}

int namespaces_are_same(pid_t a, pid_t b, const char *kind)
{
	char of_a[16], of_b[16];

	snprintf(of_a, sizeof(of_a), "%d", (int)a);
	snprintf(of_b, sizeof(of_b), "%d", (int)b);
	return are_same(of_a, of_b, kind);
}
