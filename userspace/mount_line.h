/* SPDX-License-Identifier: MIT */
/* mount_line.h - a line of /proc/PID/mountinfo: which mount it is, and whom its file system asks */
#ifndef MOUNT_LINE_H
#define MOUNT_LINE_H

#include <stdbool.h>
#include <stdint.h>

enum mount_kind {
	MOUNT_LOCAL, /* the kernel itself has what is in it */
	MOUNT_OTHER, /* asks what lies beneath, or a server of the user who is 0 where it was mounted */
	MOUNT_USERS, /* asks a server of an ordinary user's */
};

struct mount_line {
	uint64_t id;
	uint64_t dev; /* of the file system, the same for all of its mounts */
	enum mount_kind kind;
};

/* false: it is none. */
bool mount_line_parse(const char *line, struct mount_line *mount);

#endif /* MOUNT_LINE_H */
