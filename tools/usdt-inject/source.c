/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole file is in memory, and so is the outcome. */
#define SIZE_MOST (1u << 30)

static uint8_t *read_all(int fd, size_t size, struct why *why)
{
	uint8_t *bytes = malloc(size + 1);
	size_t at = 0;

	while (bytes && at < size) {
		ssize_t got = pread(fd, bytes + at, size - at, (off_t)at);

		if (got > 0) {
			at += (size_t)got;
			continue;
		}
		refuse(why, "can't be read: %s", got ? strerror(errno) : "it became shorter");
		free(bytes);
		return NULL;
	}
	if (!bytes)
		refuse_memory(why);
	return bytes;
}

static int load(struct source *source, struct why *why)
{
	uint8_t *bytes;

	if (fstat(source->fd, &source->stat))
		return refuse(why, "can't be read: %s", strerror(errno));
	if (!S_ISREG(source->stat.st_mode))
		return refuse(why, "is no regular file");
	if (source->stat.st_size > SIZE_MOST)
		return refuse(why, "is larger than 1 GiB, which is not supported");
	bytes = read_all(source->fd, (size_t)source->stat.st_size, why);
	if (!bytes)
		return -EIO;
	return image_open(&source->image, bytes, (size_t)source->stat.st_size, why);
}

int source_open(struct source *source, const char *path, struct why *why)
{
	int err;

	memset(source, 0, sizeof(*source));
	source->path = realpath(path, NULL);
	source->fd = source->path ? open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (source->fd < 0) {
		err = refuse(why, "can't be opened: %s", strerror(errno));
		free(source->path);
		return err;
	}
	err = load(source, why);
	if (err) {
		close(source->fd);
		free(source->path);
	}
	return err;
}

void source_close(struct source *source)
{
	image_close(&source->image);
	if (source->fd >= 0)
		close(source->fd);
	free(source->path);
	memset(source, 0, sizeof(*source));
}

bool source_is_current(const struct source *source)
{
	const struct stat *then = &source->stat;
	struct stat now;

	return stat(source->path, &now) == 0 && now.st_dev == then->st_dev &&
	       now.st_ino == then->st_ino && now.st_size == then->st_size &&
	       now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}
