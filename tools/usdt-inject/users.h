/* SPDX-License-Identifier: MIT */
/*
 * users.h - which processes run a file, or have it mapped as a library
 */
#ifndef USERS_H
#define USERS_H

#include <sys/stat.h>
#include <sys/types.h>

struct users {
	size_t count;
	pid_t first;
};

/* Those that may be looked at: root sees all. */
void users_find(struct users *users, const struct stat *file, const char *path);

#endif /* USERS_H */
