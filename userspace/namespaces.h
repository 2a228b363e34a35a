/* SPDX-License-Identifier: MIT */
/* namespaces.h - which namespaces we and other processes are in, from /proc/PID/ns */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether our process numbers, our user ids, are those of the host. If it cannot be told, they are
 * taken to be.
 */
bool namespaces_pid_is_host(void);
bool namespaces_user_is_host(void);

/* Whether `pid` is in our namespace of the kind "mnt", "pid", "user"... 1, 0, or -errno. */
int namespaces_is_ours(pid_t pid, const char *kind);
/* The same of two processes. */
int namespaces_are_same(pid_t a, pid_t b, const char *kind);

#endif /* NAMESPACES_H */
