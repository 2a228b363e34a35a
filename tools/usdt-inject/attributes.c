/* SPDX-License-Identifier: MIT */
#include "attributes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What the kernel has given the new file by itself (a label) needs no setting. */
static bool is_same(int to, const char *name, const void *value, ssize_t size)
{
	char there[4096];

	return size <= (ssize_t)sizeof(there) &&
	       fgetxattr(to, name, there, sizeof(there)) == size &&
	       memcmp(there, value, (size_t)size) == 0;
}

static int copy_one(int from, int to, const char *name)
{
	ssize_t size = fgetxattr(from, name, NULL, 0);
	void *value;
	int err = 0;

	if (size < 0)
		return -errno;
	value = malloc((size_t)size + 1);
	if (!value)
		return -ENOMEM;
	size = fgetxattr(from, name, value, (size_t)size);
	if (size < 0 ||
	    (!is_same(to, name, value, size) && fsetxattr(to, name, value, (size_t)size, 0)))
		err = -errno;
	free(value);
	return err;
}

static int copy_extended(int from, int to, struct why *why)
{
	ssize_t size = flistxattr(from, NULL, 0);
	char *names;
	int err = 0;

	if (size <= 0)
		return size == 0 || errno == ENOTSUP ? 0 : refuse(why, "has unreadable attributes");
	names = malloc((size_t)size);
	if (!names)
		return refuse_memory(why);
	size = flistxattr(from, names, (size_t)size);
	for (const char *name = names; !err && name < names + size; name += strlen(name) + 1) {
		err = copy_one(from, to, name);
		if (err)
			refuse(why,
			       "has attribute '%.60s', which can't be given to a new file: %s; use "
			       "-o or --in-place",
			       name, strerror(-err));
	}
	free(names);
	return err;
}

int attributes_copy(int from, const struct stat *stat, int to, struct why *why)
{
	/* A change of owner takes set-user-ID and capabilities away: owner first, those last. */
	if (fchown(to, stat->st_uid, stat->st_gid))
		return refuse(why, "belongs to somebody else, and a new file can't: %s; use -o",
			      strerror(errno));
	/* What the folder gives to new files. */
	fremovexattr(to, "system.posix_acl_access");
	if (fchmod(to, stat->st_mode & 07777))
		return refuse(why, "can't get its mode: %s", strerror(errno));
	return copy_extended(from, to, why);
}
