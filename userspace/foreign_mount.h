/* SPDX-License-Identifier: MIT */
/*
 * foreign_mount.h - whether what a process maps may hold whoever opens it
 *
 * An ordinary user may serve the files of a FUSE file system, and in a user namespace of their own put an
 * overlay over it, through which we would ask that server as its own user does. It need not answer, and no
 * signal ends the wait. Nothing is opened here but in /proc.
 */
#ifndef FOREIGN_MOUNT_H
#define FOREIGN_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* `dev` is as /proc/PID/maps has it. What root runs is taken to be root's. */
bool foreign_mount_may_hold(pid_t pid, uint64_t dev);
/* Of how many file systems that was said; 1,024 stand for more. */
size_t foreign_mount_refused(void);

#endif /* FOREIGN_MOUNT_H */
