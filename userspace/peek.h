/* SPDX-License-Identifier: MIT */
/* peek.h - a consumer's memory, and a step's struct in it */
#ifndef PEEK_H
#define PEEK_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "pushback.h"

/*
 * process_vm_readv(2) of a process, by any of its threads: the first one may have exited, and each may
 * have made itself unreadable. How many bytes, or -errno with -EPERM for -EACCES.
 */
ssize_t peek(pid_t pid, const struct iovec *to, size_t to_count, const struct iovec *from,
	     size_t from_count);

/*
 * Brings `step` (as of its last event) up to date from address `place` of `pid`. Its name is kept.
 * Left as it is on failure: -EAGAIN it changes while it is read, or is not watched now; -EPERM we may
 * not read that process; -ESRCH, -EFAULT, -ENOENT the process, the memory or the instance is gone.
 */
int peek_step(pid_t pid, uint64_t place, struct pushback_step *step);

#endif /* PEEK_H */
