/* SPDX-License-Identifier: MIT */
/*
 * open_in.h - a path within a root that is another's, as openat2(2) with RESOLVE_IN_ROOT
 *
 * Part by part and by descriptor, so that nothing which is changed meanwhile leads out of the root. Not
 * openat2 itself: a filter of system calls cannot see whether that opens for writing, so the agent does
 * without; and Linux has it since 5.6 only.
 */
#ifndef OPEN_IN_H
#define OPEN_IN_H

#include <stdbool.h>

/*
 * What `path` names below the open directory `root`, for O_PATH: a descriptor, or -errno. ".." at the root
 * stays there. Symbolic links lead on within the root, or with `links` false are refused, -ELOOP.
 */
int open_in(int root, const char *path, bool links);

#endif /* OPEN_IN_H */
