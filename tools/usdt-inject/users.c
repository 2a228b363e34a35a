/* SPDX-License-Identifier: MIT */
#include "users.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The inode's number, and its device or path: overlayfs and btrfs show another device in maps. */
static bool is_of_file(const char *line, const struct stat *file, const char *path)
{
	unsigned long long inode;
	unsigned major, minor;
	int name = 0;

	if (sscanf(line, "%*s %*s %*s %x:%x %llu %n", &major, &minor, &inode, &name) != 3 ||
	    inode != file->st_ino)
		return false;
	return makedev(major, minor) == file->st_dev ||
	       (name && strncmp(line + name, path, strlen(path)) == 0);
}

static bool maps_it(const char *pid, const struct stat *file, const char *path)
{
	char name[64], *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%.20s/maps", pid);
	maps = fopen(name, "re");
	while (maps && !found && getline(&line, &room, maps) > 0)
		found = is_of_file(line, file, path);
	free(line);
	if (maps)
		fclose(maps);
	return found;
}

void users_find(struct users *users, const struct stat *file, const char *path)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	memset(users, 0, sizeof(*users));
	while (processes && (entry = readdir(processes)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    maps_it(entry->d_name, file, path) && !users->count++)
			users->first = (pid_t)atol(entry->d_name);
	if (processes)
		closedir(processes);
}
