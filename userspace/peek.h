/* SPDX-License-Identifier: MIT */
/* peek.h - a step's struct, read from the memory of its process */
#ifndef PEEK_H
#define PEEK_H

#include <stdint.h>
#include <sys/types.h>

#include "pushback.h"

/*
 * Brings `step` (as of its last event) up to date from address `place` of `pid`. Its name is kept.
 * Left as it is on failure: -EAGAIN it changes while it is read, or is not watched now; -EPERM we may
 * not read that process; -ESRCH, -EFAULT, -ENOENT the process, the memory or the instance is gone.
 */
int peek_step(pid_t pid, uint64_t place, struct pushback_step *step);

#endif /* PEEK_H */
