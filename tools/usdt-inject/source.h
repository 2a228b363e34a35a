/* SPDX-License-Identifier: MIT */
/*
 * source.h - the file that is read
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <sys/stat.h>

#include "image.h"

struct source {
	int fd;
	char *path; /* without symbolic links */
	struct stat stat;
	struct image image;
};

/* On failure there is nothing to close. */
int source_open(struct source *source, const char *path, struct why *why);
void source_close(struct source *source);

/* The path still names the file that was read, and nobody has written to it. */
bool source_is_current(const struct source *source);

#endif /* SOURCE_H */
