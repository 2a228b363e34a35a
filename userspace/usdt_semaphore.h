/* SPDX-License-Identifier: MIT */
/* usdt_semaphore.h - whether somebody watches: the probes' semaphore, read from a process's memory */
#ifndef USDT_SEMAPHORE_H
#define USDT_SEMAPHORE_H

#include "discover.h"
#include "elfnote.h"

/*
 * The largest semaphore of a mapped file's sites in that process: 0, nobody watches; above 0,
 * somebody does (how many breakpoints are in place, not how many observers). Reads only. -EACCES: we
 * may not read its memory; -ENOENT: no site, or no semaphore is mapped; -E2BIG: 0 in so many mappings as
 * are read, and there are more; -ESRCH, -EFAULT: the process or its page is gone.
 */
int semaphore_read(pid_t pid, const struct file_id *id, const struct elfnote *note);

#endif /* USDT_SEMAPHORE_H */
