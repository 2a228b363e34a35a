/* SPDX-License-Identifier: MIT */
#include "proc_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DELETED " (deleted)"

/* A number at *at, followed by `after`; *at moves behind that. */
static bool take_number(char **at, int base, char after, uint64_t *value)
{
	char *end;

	/* strtoull would take blanks and signs. */
	if (**at == ' ' || **at == '-' || **at == '+')
		return false;
	errno = 0;
	*value = strtoull(*at, &end, base);
	if (end == *at || errno || *end != after)
		return false;
	*at = end + 1;
	return true;
}

bool proc_maps_parse(char *line, struct proc_mapping *mapping)
{
	uint64_t major, minor;
	char *at = line, *end;

	line[strcspn(line, "\n")] = 0;
	if (!take_number(&at, 16, '-', &mapping->start) ||
	    !take_number(&at, 16, ' ', &mapping->end) || strcspn(at, " ") != 4)
		return false;
	mapping->writable = at[1] == 'w';
	mapping->executable = at[2] == 'x';
	mapping->shared = at[3] == 's';
	at += 4;
	if (*at++ != ' ' || !take_number(&at, 16, ' ', &mapping->offset) ||
	    !take_number(&at, 16, ':', &major) || !take_number(&at, 16, ' ', &minor))
		return false;
	mapping->dev = makedev((unsigned int)major, (unsigned int)minor);
	/* No path: a blank follows the inode or nothing does. */
	errno = 0;
	mapping->inode = strtoull(at, &end, 10);
	if (end == at || *at == '-' || errno || (*end != ' ' && *end != 0))
		return false;
	mapping->path = end + strspn(end, " ");
	return true;
}

bool proc_maps_cut_deleted(char *path)
{
	size_t size = strlen(path), tail = strlen(DELETED);

	if (size <= tail || strcmp(path + size - tail, DELETED) != 0)
		return false;
	path[size - tail] = 0;
	return true;
}

void proc_maps_unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to = '\n';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}
