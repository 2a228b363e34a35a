/* SPDX-License-Identifier: MIT */
/*
 * peek.h - a consumer's memory, and steps' structs in it
 *
 *	peek.c        any of it
 *	peek_steps.c  steps, many at once
 */
#ifndef PEEK_H
#define PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "pushback.h"

/* What is to be read of one process, all that is in `from` one after the other. */
struct peek_request {
	pid_t pid;
	const struct iovec *from; /* stays the caller's */
	size_t from_count;
	/* How many bytes, or -errno as peek() has it; and where they are, until the next call of any. */
	ssize_t result;
	const char *found;
};

/* Through a reader, which is woken once for all of them. For one caller at a time. */
void peek_all(struct peek_request *requests, size_t count);

/*
 * process_vm_readv(2) of a process, by any of its threads: the first one may have exited, and each may
 * have made itself unreadable. How many bytes, or -errno with -EPERM for -EACCES, and for a process that
 * holds whoever reads it: see reader.h. For one caller at a time.
 */
ssize_t peek(pid_t pid, uint64_t place, void *to, size_t size);

/* The same in a reader, which is held for as long as it takes. */
ssize_t peek_here(pid_t pid, const struct iovec *to, size_t to_count, const struct iovec *from,
		  size_t from_count);

struct peek_step {
	pid_t pid;
	uint64_t place;
	/* As it was when it was whole, at its last event; brought up to date but for its name. */
	struct pushback_step *step;
	/*
	 * 0, or `step` is as it was: -EAGAIN it changes while it is read, or is not watched now; -EPERM
	 * we may not read that process; -ESRCH, -EFAULT, -ENOENT the process, the memory or the
	 * instance is gone.
	 */
	int result;
	bool same; /* `step` was as it is */
};

/* Room to read into; one for any number of calls. */
struct peeker;
/* NULL when out of memory. */
struct peeker *peeker_new(void);
void peeker_free(struct peeker *p);

/* Looks at `count` steps, best in order of their processes and places: a call for many. */
void peek_steps(struct peeker *p, struct peek_step *steps, size_t count);

#endif /* PEEK_H */
