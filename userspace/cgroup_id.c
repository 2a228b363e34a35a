/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cgroup_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILEID_KERNFS 0xfe /* exportfs.h of the kernel: the handle is the number */

/* Where the hierarchy is mounted as a whole, in a line of mountinfo. */
static bool find_mount(const char *line, char *path, size_t size)
{
	char root[CGROUP_PATH_SIZE], at[CGROUP_PATH_SIZE];
	const char *type = strstr(line, " - ");

	return type && !strncmp(type, " - cgroup2 ", 11) &&
	       sscanf(line, "%*u %*u %*s %4095s %4095s", root, at) == 2 && !strcmp(root, "/") &&
	       (size_t)snprintf(path, size, "%s", at) < size;
}

static int open_hierarchy(char *path, size_t size)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	while (mounts && !found && getline(&line, &room, mounts) > 0)
		found = find_mount(line, path, size);
	free(line);
	if (mounts)
		fclose(mounts);
	return found ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* What is behind the mount point in the name of an open directory. */
static int name_within(int fd, const char *mount, char *path, size_t size)
{
	char link[64], name[CGROUP_PATH_SIZE];
	size_t length = strlen(mount);
	const char *within;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < 0 || (size_t)n < length || strncmp(name, mount, length) != 0)
		return -ENOENT;
	name[n] = '\0';
	within = name[length] ? name + length : "/";
	return (size_t)snprintf(path, size, "%s", within) < size ? 0 : -ERANGE;
}

int cgroup_id_path(uint64_t id, char *path, size_t size)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} by_id = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	char mount[CGROUP_PATH_SIZE];
	int hierarchy = open_hierarchy(mount, sizeof(mount)), fd, err;

	if (hierarchy < 0)
		return -ENOENT;
	memcpy(by_id.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(hierarchy, &by_id.handle, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? (errno == ESTALE ? -ENOENT : -errno) : 0;
	close(hierarchy);
	if (err)
		return err;
	err = name_within(fd, mount, path, size);
	close(fd);
	return err;
}
