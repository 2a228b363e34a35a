/* SPDX-License-Identifier: MIT */
/*
 * doctor_child.h - a process of our own to try things on
 *
 * A fork that answers commands of one byte, and ends when its parent does. It gets SIGKILL with us, and
 * may die of what is tried on it without harm to anybody.
 */
#ifndef DOCTOR_CHILD_H
#define DOCTOR_CHILD_H

#include <stddef.h>
#include <sys/types.h>

/* Runs in the child, for each command: fills `answer`. */
typedef void (*doctor_child_fn)(char command, void *answer);

struct doctor_child {
	pid_t pid;
	int commands;
	int answers;
	size_t size; /* of each answer */
};

/* 0 or -errno. `size` is at most 4,096. */
int doctor_child_start(struct doctor_child *child, doctor_child_fn fn, size_t size);
/* One command and its answer. -EPIPE: it has died; -ETIMEDOUT: no answer in 10 s. */
int doctor_child_ask(struct doctor_child *child, char command, void *answer);
/* Ends and reaps it. Fine if it was never started. */
void doctor_child_end(struct doctor_child *child);

#endif /* DOCTOR_CHILD_H */
