/* SPDX-License-Identifier: MIT */
/* silent.h - a step's struct, read from the memory of its process */
#ifndef SILENT_H
#define SILENT_H

#include <stdint.h>
#include <sys/types.h>

#include "pushback.h"

/*
 * Brings `step` (as of its last event) up to date from address `place` of `pid`. Its name is kept.
 * Left as it is on failure: -EAGAIN it changes while it is read, or is not watched now; -EPERM we may
 * not read that process; -ESRCH, -EFAULT, -ENOENT the process, the memory or the instance is gone.
 */
int silent_read(pid_t pid, uint64_t place, struct pushback_step *step);

#endif /* SILENT_H */
