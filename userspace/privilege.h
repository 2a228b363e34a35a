/* SPDX-License-Identifier: MIT */
/*
 * privilege.h - which capabilities the agent works with, and giving up all others
 *
 * Of one thread only, as the kernel has it: before there are others. The man page of `pushback run` says
 * what each is for; privilege.c has the table.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether we have what nothing works without: 0, or -EPERM with a line in `why` that names it. */
int privilege_check(char *why, size_t why_size);

/* Those that we do without, and what that takes away: false and "" if there are none. */
bool privilege_missing(char *text, size_t size);

/*
 * Keeps those of the table that we have, CAP_SYS_ADMIN only if `admin`, or where it stands in for one
 * that an old container runtime does not know; clears the bounding and the ambient set, and sets
 * no_new_privs. There is no way back. 0, or -errno with a line in `why`.
 */
int privilege_drop(bool admin, char *why, size_t why_size);

#endif /* PRIVILEGE_H */
