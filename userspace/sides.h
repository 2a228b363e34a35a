/* SPDX-License-Identifier: MIT */
/*
 * sides.h - which of two sides a process is on: two PIDs, or two executables or libraries
 *
 * Decided once for each image of a process, as matcher.h does. Does not print. Not thread-safe.
 */
#ifndef SIDES_H
#define SIDES_H

#include <stddef.h>

#include "record.h"

#define SIDES         2
#define SIDES_NEITHER (-1)

struct sides_left_out {
	uint64_t undecided; /* processes that had ended before it could be seen what they run, */
	uint64_t both;      /* that run both files, */
	uint64_t neither;   /* and that run a file of this name elsewhere, as in a container */
};

struct sides;

/* Whether it is text of digits only: a PID. What else is called so is given as ./4711. */
bool sides_is_pid(const char *operand);
/* 0; -EINVAL: they cannot be compared; -errno: a file cannot be looked at; all with one line in `why`. */
int sides_new(struct sides **out, const char *const operands[SIDES], char *why, size_t why_size);
void sides_free(struct sides *s);

/* 0, 1, or SIDES_NEITHER; -ENOMEM. */
int sides_of(struct sides *s, const struct record *record);

size_t sides_processes(const struct sides *s, int side);
/* Of its first process, any bytes; "" before there is one. */
const char *sides_name(const struct sides *s, int side);
struct sides_left_out sides_left_out(const struct sides *s);

#endif /* SIDES_H */
