/* SPDX-License-Identifier: MIT */
/* execs.h - which processes have a new image, as the kernel tells */
#ifndef EXECS_H
#define EXECS_H

#include <sys/types.h>

struct execs;

/* `map` is attach_maps.execs and stays the attach's. NULL: none, or out of memory. */
struct execs *execs_new(int map);
void execs_free(struct execs *e);

/* Readable where there are some, once they all were taken before. -1 of NULL. */
int execs_fd(const struct execs *e);

/*
 * Calls `fn` for each until it returns non-zero, which takes that one and leaves the rest. They may have
 * ended by now. Nothing of NULL.
 */
void execs_take(struct execs *e, int (*fn)(pid_t pid, void *context), void *context);

#endif /* EXECS_H */
