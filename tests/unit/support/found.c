/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "found.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "scratch.h"

int make_directory(void **state)
{
	return scratch_make(state);
}

int remove_directory(void **state)
{
	return scratch_remove(state);
}

const char *in_directory(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return path;
}

void write_file(const char *path, const char *content)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

int look(struct mapped_file *file, void *context)
{
	struct found *found = context;
	char content[sizeof(CONTENT)] = "";

	assert_true(fcntl(file->fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(file->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	found->files++;
	if (pread(file->fd, content, sizeof(content) - 1, 0) < 0 || strcmp(content, CONTENT) != 0 ||
	    (found->pid && found->pid != file->pid))
		return 0;
	found->times++;
	found->deleted = file->deleted;
	found->id = file->id;
	snprintf(found->path, sizeof(found->path), "%s", file->path);
	return found->stop;
}

struct found find_in(pid_t pid, size_t *skipped)
{
	struct found found = { 0 };

	assert_int_equal(discover_process(pid, NULL, look, &found, skipped), 0);
	return found;
}

static bool map_it(void *path)
{
	return map_executable(path) && map_executable(path);
}

pid_t start_mapping(const char *name, char path[PATH_MAX])
{
	pid_t pid;

	snprintf(path, PATH_MAX, "%s", in_directory(name));
	write_file(path, CONTENT);
	pid = child_start(map_it, path);
	assert_true(pid > 0);
	return pid;
}

void expect_found(const struct found *found, const char *path, bool deleted)
{
	assert_int_equal(found->times, 1);
	assert_string_equal(found->path, path);
	assert_int_equal(found->deleted, deleted);
}
