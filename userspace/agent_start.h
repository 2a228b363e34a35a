/* SPDX-License-Identifier: MIT */
/* agent_start.h - what the agent does once, before its loop; `why` has ATTACH_WHY_SIZE */
#ifndef AGENT_START_H
#define AGENT_START_H

#include <stdbool.h>

#include "exit_status.h"
#include "recipe.h"

/* Whether we are allowed to do what is to come; and what takes privileges that are given up later. */
enum exit_status agent_start_check(char *why);
/* NULL-terminated; of none, or of NULL, *out is NULL. */
enum exit_status agent_start_recipes(struct recipes **out, const char *const *paths, char *why);
/* A descriptor that is readable by the signals that the loop takes, or -errno. */
int agent_start_signals(char *why);
/* Warns of what we are not allowed to do. */
void agent_start_tell(void);

struct agent_start_confines {
	bool multi, pins;
	bool no_seccomp;
};

/* See agent_confine(). 0 or -errno. */
int agent_start_confine(const struct agent_start_confines *confines, char *why);

#endif /* AGENT_START_H */
