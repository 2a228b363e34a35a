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
 * taken to be root's, but for a server of an ordinary user's. What is not among its first 4,096 mounts, nor
 * those of its parents in the same mount namespace, nor among ours, may hold.
 */
bool foreign_mount_holds(pid_t pid, int fd);
/* Whether both, still open, are of one mount: who was found to hold nobody is not to be asked again. */
bool foreign_mount_is_same(int fd, int other);
/* Of how many file systems that was said; 1,024 stand for more. */
size_t foreign_mount_refused(void);

#endif /* FOREIGN_MOUNT_H */
