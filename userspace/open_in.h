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
 * Whether whoever looks into `fd`, for a name or for what it is, may be held there by a server: walked no
 * further, -EPERM. `from` is where it was found, or -1 of the root.
 */
struct open_in_guard {
	bool (*holds)(int fd, int from, void *context);
	void *context;
};

/*
 * What `path` names below the open directory `root`, for O_PATH: a descriptor, or -errno. ".." at the root
 * stays there. Symbolic links lead on within the root, or with `links` false are refused, -ELOOP.
 * With a `guard`, all on the way was shown to it, the root and the last included, before it was used.
 */
int open_in(int root, const char *path, bool links, const struct open_in_guard *guard);

#endif /* OPEN_IN_H */
