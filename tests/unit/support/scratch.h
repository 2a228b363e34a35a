/* SPDX-License-Identifier: MIT */
/* scratch.h - a directory of a test's own, made by its group's set-up and gone with it */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

static char directory[] = "/tmp/pushback-test-XXXXXX";

static inline int scratch_make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

#endif /* SCRATCH_H */
