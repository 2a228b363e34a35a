/* SPDX-License-Identifier: MIT */
/* child.h - child processes that stand still, to be looked at */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* A fork that has run `set_up` and waits until it is stopped. 0: `set_up` said false (it can't). */
pid_t child_start(bool (*set_up)(void *context), void *context);

/* A program, started with these; waits until it is the one that runs. */
pid_t child_exec(const char *path, char *const argv[], char *const envp[]);

void child_stop(pid_t pid);

/* Maps a file executable in this process and leaves it so. */
bool map_executable(const char *path);

/* Effective capabilities that opening map_files needs: gone (until given back). false: not root. */
bool drop_map_files(void);
void give_back_map_files(void);

#endif /* CHILD_H */
