/* SPDX-License-Identifier: MIT */
/* found.h - files of a test's own, processes that map them, and what was discovered of those */
#ifndef FOUND_H
#define FOUND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "discover.h"

/* By this a file of the test is known. */
#define CONTENT "a file of this test"

/* Set-up and tear-down of a group of tests. */
int make_directory(void **state);
int remove_directory(void **state);

/* A path in the test's directory; static, of the last four calls. */
const char *in_directory(const char *name);
void write_file(const char *path, const char *content);

/* A process that maps a new file of this name, with CONTENT; the path with it. */
pid_t start_mapping(const char *name, char path[PATH_MAX]);

/* What was found of the one file with CONTENT. */
struct found {
	size_t times;
	bool deleted;
	char path[PATH_MAX];
	struct file_id id;
	pid_t pid;    /* only this one's, if not 0 */
	size_t files; /* in all */
	int stop;     /* returned when it is found */
};

/* Fills the struct found that is its context. */
int look(struct mapped_file *file, void *context);
struct found find_in(pid_t pid, size_t *skipped);
void expect_found(const struct found *found, const char *path, bool deleted);

#endif /* FOUND_H */
