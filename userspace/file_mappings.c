/* SPDX-License-Identifier: MIT */
#include "file_mappings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int file_mappings_each(pid_t pid, const struct file_id *id, file_mapping_fn fn, void *arg)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		if (proc_maps_parse(line, &mapping) && mapping.inode == id->inode &&
		    mapping.dev == id->dev)
			fn(arg, &mapping);
	}
	free(line);
	fclose(maps);
	return 0;
}

bool file_mapping_holds(const struct proc_mapping *mapping, uint64_t offset, uint64_t *address)
{
	if (offset < mapping->offset || offset - mapping->offset >= mapping->end - mapping->start)
		return false;
	*address = mapping->start + (offset - mapping->offset);
	return true;
}
