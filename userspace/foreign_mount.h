/* SPDX-License-Identifier: MIT */
/*
 * foreign_mount.h - whether what a process leads us to may hold whoever opens it
 *
 * An ordinary user may serve the files of a FUSE file system, and in a user namespace of their own put an
 * overlay over it, through which we would ask that server as its own user does. It need not answer, and no
 * signal ends the wait: of an open, of a stat, or of a look for a name. Nothing is opened here but in /proc,
 * and no server is asked.
 */
#ifndef FOREIGN_MOUNT_H
#define FOREIGN_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Whether `fd` (O_PATH), to which the process has led us, is to be closed and nothing else. What root runs is
 * taken to be root's. What is of the same mount as `known`, a descriptor that still is open and was found to
 * hold nobody, is not looked up again; -1: there is none.
 */
bool foreign_mount_holds(pid_t pid, int fd, int known);
/* Of how many file systems that was said; 1,024 stand for more. */
size_t foreign_mount_refused(void);

#endif /* FOREIGN_MOUNT_H */
