/* SPDX-License-Identifier: MIT */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attributes.h"
#include "users.h"

static int write_all(int fd, const uint8_t *bytes, size_t size, size_t at)
{
	while (size) {
		ssize_t done = pwrite(fd, bytes, size, (off_t)at);

		if (done < 0)
			return -errno;
		bytes += done;
		at += (size_t)done;
		size -= (size_t)done;
	}
	return 0;
}

/* ---- a new file ---- */

/* So that the name survives a power cut as well. Some filesystems can't; that is no failure. */
static void sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

static int fill(int fd, enum delivery delivery, const struct source *source, const uint8_t *bytes,
		size_t size, struct why *why)
{
	int err = write_all(fd, bytes, size, 0);

	if (err)
		return refuse(why, "can't be written: %s", strerror(-err));
	if (delivery == DELIVER_REPLACE)
		err = attributes_copy(source->fd, &source->stat, fd, why);
	else if (fchmod(fd, source->stat.st_mode & 0777))
		err = refuse(why, "can't get its mode: %s", strerror(errno));
	if (!err && fsync(fd))
		err = refuse(why, "can't be written: %s", strerror(errno));
	return err;
}

static int rename_over(const char *temporary, enum delivery delivery, const struct source *source,
		       const char *path, struct why *why)
{
	if (delivery == DELIVER_REPLACE && !source_is_current(source))
		return refuse(why, "was changed meanwhile: nothing was done, try again");
	if (rename(temporary, path))
		return refuse(why, "can't be put in place: %s%s", strerror(errno),
			      errno == EBUSY ? " (a mount point? try --in-place)" : "");
	sync_folder(path);
	return 0;
}

static int put_new(enum delivery delivery, const struct source *source, const char *path,
		   const uint8_t *bytes, size_t size, struct why *why)
{
	char *temporary = NULL;
	int fd, err;

	if (asprintf(&temporary, "%s.usdt-inject.XXXXXX", path) < 0)
		return refuse_memory(why);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		err = refuse(why, "can't be written beside: %s", strerror(errno));
	} else {
		err = fill(fd, delivery, source, bytes, size, why);
		err = err ? err : rename_over(temporary, delivery, source, path, why);
		if (err)
			unlink(temporary);
		close(fd);
	}
	free(temporary);
	return err;
}

static int check_output(const struct source *source, const char *output, struct why *why)
{
	struct stat there;

	if (stat(output, &there))
		return errno == ENOENT ? 0 : refuse(why, "can't be written: %s", strerror(errno));
	if (!S_ISREG(there.st_mode))
		return refuse(why, "is no regular file, and so can't be replaced by one");
	if (there.st_dev == source->stat.st_dev && there.st_ino == source->stat.st_ino)
		return refuse(why, "is the file that is read: use --replace");
	return 0;
}

/* ---- the same file ---- */

static int refuse_busy(const struct source *source, struct why *why)
{
	struct users users;

	users_find(&users, &source->stat, source->path);
	if (!users.count)
		return refuse(why, "is in use by another process, and can't be changed in place: "
				   "use --replace or -o");
	return refuse(why,
		      "is run or mapped by process %d%s, and can't be changed in place: use "
		      "--replace or -o",
		      (int)users.first, users.count > 1 ? " and others" : "");
}

/* A lease to write is given only while nobody else has the file open or mapped, and until it is
 * given back whoever opens it waits. */
static int take_lease(int fd, const struct source *source, struct why *why)
{
	struct users users;

	/* Sent to say that somebody waits. */
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return 0;
	if (errno == EAGAIN)
		return refuse_busy(source, why);
	/* No leases here: look ourselves. */
	users_find(&users, &source->stat, source->path);
	return users.count ? refuse_busy(source, why) : 0;
}

/* What makes the rest count goes last when it becomes longer, and first when it becomes shorter. */
static int overwrite(int fd, const struct source *source, const uint8_t *bytes, size_t size)
{
	size_t before = source->image.size, head = sizeof(Elf64_Ehdr);
	int err = 0;

	if (size > before)
		err = write_all(fd, bytes + before, size - before, before);
	if (!err && fsync(fd))
		err = -errno;
	err = err ? err : write_all(fd, bytes, head, 0);
	if (!err && fsync(fd))
		err = -errno;
	if (!err && size < before && ftruncate(fd, (off_t)size))
		err = -errno;
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

static int put_in_place(struct source *source, const uint8_t *bytes, size_t size, struct why *why)
{
	int fd, err;

	/* Ours would be in the way of the lease. */
	close(source->fd);
	source->fd = -1;
	fd = open(source->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ETXTBSY ? refuse_busy(source, why)
					: refuse(why, "can't be written: %s", strerror(errno));
	err = take_lease(fd, source, why);
	if (!err && !source_is_current(source))
		err = refuse(why, "was changed meanwhile: nothing was done, try again");
	if (!err) {
		err = overwrite(fd, source, bytes, size);
		if (err)
			refuse(why, "can't be written: %s", strerror(-err));
	}
	close(fd);
	return err;
}

static int deliver_now(enum delivery delivery, struct source *source, const char *output,
		       const uint8_t *bytes, size_t size, struct why *why)
{
	int err;

	switch (delivery) {
	case DELIVER_NOWHERE:
		return 0;
	case DELIVER_FILE:
		err = check_output(source, output, why);
		return err ? err : put_new(delivery, source, output, bytes, size, why);
	case DELIVER_REPLACE:
		return put_new(delivery, source, source->path, bytes, size, why);
	case DELIVER_IN_PLACE:
		return put_in_place(source, bytes, size, why);
	}
	return -EINVAL;
}

int deliver(enum delivery delivery, struct source *source, const char *output, const uint8_t *bytes,
	    size_t size, struct why *why)
{
	sigset_t block, before;
	int err;

	/* An interruption leaves no temporary file behind, and no half of a file. */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &before);
	err = deliver_now(delivery, source, output, bytes, size, why);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}
