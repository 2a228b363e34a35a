/* SPDX-License-Identifier: MIT */
#include "mount_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* NULL: there is none. One may be empty. */
static const char *next_field(const char *field)
{
	const char *space = field ? strchr(field, ' ') : NULL;

	return space ? space + 1 : NULL;
}

/* Of the options of a FUSE file system: whose server it asks. 0 also where that is not said. */
static unsigned long user_of(const char *options)
{
	static const char user[] = "user_id=";

	while (options && strncmp(options, user, sizeof(user) - 1) != 0) {
		options = strpbrk(options, ", \n");
		options = options && *options == ',' ? options + 1 : NULL;
	}
	return options ? strtoul(options + sizeof(user) - 1, NULL, 10) : 0;
}

/* "TYPE[.SUBTYPE] SOURCE OPTIONS"; subtype and source may be any text of the user's, without spaces. */
static enum mount_kind kind_of(const char *type)
{
	if (!strncmp(type, "overlay ", 8))
		return MOUNT_OTHER;
	if (strncmp(type, "fuse", 4) != 0)
		return MOUNT_LOCAL;
	return user_of(next_field(next_field(type))) ? MOUNT_USERS : MOUNT_OTHER;
}

bool mount_line_parse(const char *line, struct mount_line *mount)
{
	static const char separator[] = " - ";
	const char *end = strstr(line, separator);
	unsigned int major, minor;

	if (!end || sscanf(line, "%" SCNu64 " %*u %u:%u", &mount->id, &major, &minor) != 3)
		return false;
	mount->dev = makedev(major, minor);
	mount->kind = kind_of(end + sizeof(separator) - 1);
	return true;
}
