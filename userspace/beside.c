/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "beside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES  100
#define RANDOM 6 /* letters */

/* ---- The place ---- */

static int open_folder(struct beside *b, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

	b->name = strdup(name);
	if (!folder || !b->name) {
		free(folder);
		return -ENOMEM;
	}
	b->folder = *name ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	free(folder);
	if (b->folder >= 0)
		return 0;
	return *name ? -errno : -EISDIR;
}

/* Where the file is that a path has led to, under its own name. */
static int open_folder_of(struct beside *b, int file, const struct stat *there)
{
	char link[64], name[PATH_MAX];
	struct stat named;
	ssize_t size;
	int err;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	size = readlink(link, name, sizeof(name) - 1);
	if (size <= 0)
		return size ? -errno : -ENOENT;
	name[size] = '\0';
	err = open_folder(b, name);
	if (!err && fstatat(b->folder, b->name, &named, AT_SYMLINK_NOFOLLOW))
		err = -errno;
	/* Moved meanwhile, or something else is there now. */
	if (!err && (named.st_dev != there->st_dev || named.st_ino != there->st_ino))
		err = -ESTALE;
	return err;
}

static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int find_place(struct beside *b, const char *path)
{
	int file = open(path, O_PATH | O_CLOEXEC), err;
	struct stat there;

	b->mode = usual_mode();
	/* A link to nothing is replaced itself. */
	if (file < 0)
		return errno == ENOENT ? open_folder(b, path) : -errno;
	if (fstat(file, &there))
		err = -errno;
	else if (S_ISDIR(there.st_mode))
		err = -EISDIR;
	else if (!S_ISREG(there.st_mode))
		err = -EEXIST;
	else
		err = open_folder_of(b, file, &there);
	if (!err && there.st_uid == geteuid())
		b->mode = there.st_mode & 0777;
	close(file);
	return err;
}

/* ---- What lies beside it ---- */

static void add_random(char *to)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned char random[RANDOM] = { 0 };

	/* Whoever guesses them has made a file that is not ours, which O_EXCL finds. */
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
		random[0] = (unsigned char)getpid();
	for (size_t i = 0; i < RANDOM; i++)
		to[i] = letters[random[i] % (sizeof(letters) - 1)];
}

static int create(struct beside *b)
{
	size_t length = strlen(b->name) + 1;

	b->temporary = calloc(1, length + RANDOM + 1);
	if (!b->temporary)
		return -ENOMEM;
	strcat(strcpy(b->temporary, b->name), ".");
	for (int i = 0; i < TRIES && b->fd < 0; i++) {
		add_random(b->temporary + length);
		b->fd = openat(b->folder, b->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			       0600);
		if (b->fd < 0 && errno != EEXIST)
			return -errno;
	}
	return b->fd < 0 ? -EAGAIN : 0;
}

static void forget(struct beside *b)
{
	if (b->fd >= 0)
		close(b->fd);
	if (b->folder >= 0)
		close(b->folder);
	free(b->name);
	free(b->temporary);
	*b = (struct beside){ .fd = -1, .folder = -1 };
}

int beside_open(struct beside *b, const char *path)
{
	int err;

	*b = (struct beside){ .fd = -1, .folder = -1 };
	err = find_place(b, path);
	if (!err)
		err = create(b);
	if (err)
		forget(b);
	return err;
}

/* ---- Its end ---- */

static int take_place(struct beside *b)
{
	int err;

	/* A disk that is full may say so only now. */
	if (fchmod(b->fd, b->mode) || (fsync(b->fd) && errno != EINVAL))
		return -errno;
	err = close(b->fd) ? -errno : 0;
	b->fd = -1;
	if (!err && renameat(b->folder, b->temporary, b->folder, b->name))
		err = -errno;
	return err;
}

int beside_keep(struct beside *b)
{
	int err = take_place(b);

	if (err)
		beside_drop(b);
	else
		forget(b);
	return err;
}

void beside_drop(struct beside *b)
{
	if (b->temporary)
		unlinkat(b->folder, b->temporary, 0);
	forget(b);
}
