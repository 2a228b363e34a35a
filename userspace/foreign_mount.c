/* SPDX-License-Identifier: MIT */
#include "foreign_mount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "discover.h"
#include "namespaces.h"

#define REFUSED_MOST 1024

enum kind {
	ABSENT,
	LOCAL, /* the kernel itself has what is in it */
	OTHER, /* asks what lies beneath, or a server of the user who is 0 where it was mounted */
	USERS, /* asks a server of an ordinary user's */
};

static enum kind kind_of(const char *line)
{
	static const char served_by[] = "user_id=";
	const char *type = strstr(line, " - "), *user;

	if (!type)
		return ABSENT;
	type += 3;
	if (!strncmp(type, "overlay ", 8))
		return OTHER;
	if (strncmp(type, "fuse", 4) != 0)
		return LOCAL;
	user = strstr(type, served_by);
	return user && strtoul(user + sizeof(served_by) - 1, NULL, 10) ? USERS : OTHER;
}

/* How the mounts there have it; one file system is the same in all of them. */
static enum kind find_mount(const char *process, uint64_t dev)
{
	enum kind kind = ABSENT;
	unsigned int major, minor;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *mounts;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", process);
	mounts = fopen(path, "re");
	while (mounts && kind == ABSENT && getline(&line, &size, mounts) > 0) {
		if (sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
		    makedev(major, minor) == dev)
			kind = kind_of(line);
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return kind;
}

/* What memfd_create() makes is of a mount that nobody sees. */
static bool is_of_memory(uint64_t dev)
{
	static uint64_t memory;
	struct stat st;
	int fd;

	if (!memory) {
		fd = memfd_create("", MFD_CLOEXEC);
		memory = fd >= 0 && !fstat(fd, &st) ? st.st_dev : UINT64_MAX;
		if (fd >= 0)
			close(fd);
	}
	return dev == memory;
}

static bool may_hold(pid_t pid, uint64_t dev)
{
	enum kind kind;
	char process[16];
	uid_t user = 0;

	if (discover_user(pid, &user) || !user)
		return false;
	kind = find_mount("self", dev);
	if (kind == ABSENT)
		kind = find_mount("1", dev);
	if (kind != ABSENT)
		return kind == USERS;
	snprintf(process, sizeof(process), "%d", (int)pid);
	kind = find_mount(process, dev);
	if (kind == ABSENT)
		return !is_of_memory(dev);
	/* In a user namespace of their own users mount what they like, and are 0. */
	return kind == USERS || (kind == OTHER && namespaces_is_ours(pid, "user") != 1);
}

/* Each of them once: they are met again at each look. */
static uint64_t refused[REFUSED_MOST];
static size_t refused_count;

static void refuse(uint64_t dev)
{
	size_t i = 0;

	while (i < refused_count && refused[i] != dev)
		i++;
	if (i == refused_count && i < REFUSED_MOST)
		refused[refused_count++] = dev;
}

bool foreign_mount_may_hold(pid_t pid, uint64_t dev)
{
	bool holds = may_hold(pid, dev);

	if (holds)
		refuse(dev);
	return holds;
}

size_t foreign_mount_refused(void)
{
	return refused_count;
}
