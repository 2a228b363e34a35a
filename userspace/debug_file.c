/* SPDX-License-Identifier: MIT */
#include "debug_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "/usr/lib/debug/.build-id/"

static void path_of(const struct elfnote *note, char *out)
{
	out += sprintf(out, FOLDER);
	for (size_t i = 0; i < note->build_id_size; i++)
		out += sprintf(out, i == 1 ? "/%02x" : "%02x", note->build_id[i]);
	strcpy(out, ".debug");
}

static bool is_of(int fd, const struct elfnote *note)
{
	struct elfnote found;

	return !elfnote_read(fd, &found) && found.build_id_size == note->build_id_size &&
	       !memcmp(found.build_id, note->build_id, note->build_id_size);
}

int debug_file_open(const struct elfnote *note)
{
	char path[sizeof(FOLDER) + 2ul * ELFNOTE_BUILD_ID_MAX + sizeof("/.debug")];
	int fd;

	if (note->build_id_size < 2)
		return -ENOENT;
	path_of(note, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !is_of(fd, note)) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -ENOENT : fd;
}
