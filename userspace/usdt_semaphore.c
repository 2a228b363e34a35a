/* SPDX-License-Identifier: MIT */
#include "usdt_semaphore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peek.h"
#include "proc_maps.h"

static int read_value(pid_t pid, uint64_t address)
{
	uint16_t value;
	ssize_t n = peek(pid, address, &value, sizeof(value));

	if (n < 0)
		return n == -EPERM ? -EACCES : (int)n;
	return n == sizeof(value) ? value : -EFAULT;
}

/* Where the kernel counts: the file's own data, private to the process. */
static bool holds(const struct proc_mapping *mapping, const struct file_id *id, uint64_t offset)
{
	return mapping->inode == id->inode && mapping->dev == id->dev && mapping->writable &&
	       !mapping->shared && offset >= mapping->offset &&
	       offset - mapping->offset < mapping->end - mapping->start;
}

/* Above 0 says it all, and what could not be read is worse than a 0. */
static int worse(int a, int b)
{
	if (a > 0 || b > 0)
		return a > b ? a : b;
	return a < b ? a : b;
}

static int read_in(pid_t pid, const struct proc_mapping *mapping, const struct file_id *id,
		   const struct elfnote *note, bool *found)
{
	int result = 0;
	size_t i;

	for (i = 0; i < note->sites_count; i++) {
		uint64_t offset = note->sites[i].semaphore;

		/* An object's sites share one. */
		if (!holds(mapping, id, offset) || (i && offset == note->sites[i - 1].semaphore))
			continue;
		*found = true;
		result =
			worse(result, read_value(pid, mapping->start + (offset - mapping->offset)));
	}
	return result;
}

int semaphore_read(pid_t pid, const struct file_id *id, const struct elfnote *note)
{
	char path[64], *line = NULL;
	bool found = false;
	size_t size = 0;
	int result = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		if (proc_maps_parse(line, &mapping))
			result = worse(result, read_in(pid, &mapping, id, note, &found));
	}
	free(line);
	fclose(maps);
	return found ? result : -ENOENT;
}
