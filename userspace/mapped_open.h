/* SPDX-License-Identifier: MIT */
/*
 * mapped_open.h - open the file behind a mapping of another process
 *
 * By way of /proc/PID/map_files (the mapped file itself, needs CAP_SYS_ADMIN or
 * CAP_CHECKPOINT_RESTORE), /proc/PID/exe, or the path within the process's root. The process may
 * have put anything at that path: what is opened is a regular file and the mapped one, or nothing. What may
 * hold whoever opens it (foreign_mount.h) is not even looked at, -EPERM, nor what lies behind it on a path.
 */
#ifndef MAPPED_OPEN_H
#define MAPPED_OPEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "proc_maps.h"

/* A descriptor (O_RDONLY | O_CLOEXEC) of the caller's, or -errno; -ESTALE: only other files are
 * there. */
int mapped_open(pid_t pid, const struct proc_mapping *mapping);

/* The regular file that is at a path of maps now, as that process sees it. */
int mapped_open_now(pid_t pid, const char *path);

/* That any path leads to, as that process sees it, or with 0 we do: through symbolic links, within its root. */
int mapped_open_through(pid_t pid, const char *path);

/* Whether two open files are the same one, also where they were opened through different overlay mounts. */
bool mapped_is_same(int fd, int other);

/*
 * What /proc/PID/maps calls an open file, which on overlayfs and btrfs is not what stat says. false:
 * it cannot be mapped.
 */
bool mapped_identity(int fd, uint64_t *dev, uint64_t *inode);

#endif /* MAPPED_OPEN_H */
