/* SPDX-License-Identifier: MIT */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "write_all.h"

#define SUFFIX ".XXXXXX"

struct new_file {
	FILE *stream;
	int fd;
	int err; /* of the first write that failed, which the stream would forget */
	char *path, *beside;
};

/* As other new files, or as the one that is there. */
static mode_t mode_for(const struct stat *there)
{
	mode_t mask;

	if (there)
		return there->st_mode & 07777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static void free_file(struct new_file *f)
{
	free(f->path);
	free(f->beside);
	free(f);
}

static void fail(struct new_file *f, int err)
{
	if (!f->err)
		f->err = err;
}

static ssize_t put(void *context, const char *bytes, size_t size)
{
	struct new_file *f = context;

	if (!f->err)
		fail(f, write_all(f->fd, bytes, size));
	return f->err ? 0 : (ssize_t)size;
}

static int shut(void *context)
{
	struct new_file *f = context;

	if (close(f->fd))
		fail(f, -errno);
	return 0;
}

static int create(struct new_file *f, mode_t mode)
{
	static const cookie_io_functions_t functions = { .write = put, .close = shut };
	int err;

	f->fd = mkostemp(f->beside, O_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	f->stream = fchmod(f->fd, mode) ? NULL : fopencookie(f, "w", functions);
	if (f->stream)
		return 0;
	err = -errno;
	close(f->fd);
	unlink(f->beside);
	return err;
}

int new_file_open(struct new_file **out, const char *path)
{
	struct stat now;
	bool there = !stat(path, &now);
	struct new_file *f;
	int err;

	if (there && !S_ISREG(now.st_mode))
		return -EEXIST;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->path = there ? realpath(path, NULL) : strdup(path);
	f->beside = f->path ? malloc(strlen(f->path) + sizeof(SUFFIX)) : NULL;
	if (!f->beside) {
		free_file(f);
		return -ENOMEM;
	}
	stpcpy(stpcpy(f->beside, f->path), SUFFIX);
	err = create(f, mode_for(there ? &now : NULL));
	if (err)
		free_file(f);
	else
		*out = f;
	return err;
}

FILE *new_file_stream(const struct new_file *f)
{
	return f->stream;
}

int new_file_flush(struct new_file *f)
{
	if (fflush(f->stream) || ferror(f->stream))
		fail(f, -EIO);
	return f->err;
}

int new_file_keep(struct new_file *f)
{
	int err;

	new_file_flush(f);
	fclose(f->stream);
	if (!f->err && rename(f->beside, f->path))
		fail(f, -errno);
	err = f->err;
	if (err)
		unlink(f->beside);
	free_file(f);
	return err;
}

void new_file_drop(struct new_file *f)
{
	if (!f)
		return;
	fclose(f->stream);
	unlink(f->beside);
	free_file(f);
}
