/* SPDX-License-Identifier: MIT */
/*
 * target.h - what a user points at, a file or a process, and the line that says why it is none
 *
 * `why` gets one line, what is wrong and what would help; names in it are as they were given.
 */
#ifndef TARGET_H
#define TARGET_H

#include "discover.h"
#include "elfnote.h"

/*
 * Opens a regular file for reading: a descriptor of the caller's, and in `id` what stat says, which
 * on overlayfs and btrfs is not what maps does. -errno with a reason; -EINVAL: not a regular file.
 */
int target_open(const char *path, struct file_id *id, char *why, size_t why_size);

/*
 * Why a file cannot be watched: `err` is elfnote_read()'s, 0 where `note` has no site. Returns
 * `err`, for 0 -ENODATA.
 */
int target_explain(const char *path, int err, const struct elfnote *note, char *why,
		   size_t why_size);

/* Why a process cannot be looked into: `err` is discover_process()'s, or -ENODATA: it has none of
 * our probes. Returns it, -EPERM for
 * -EACCES. */
int target_explain_process(pid_t pid, int err, char *why, size_t why_size);

#endif /* TARGET_H */
