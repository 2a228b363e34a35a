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

int namespaces_is_ours(pid_t pid, const char *kind)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	if (stat(path, &ours))
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	if (stat(path, &theirs))
		return -errno;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}
