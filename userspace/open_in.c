/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "open_in.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MOST 128
#define LINKS_MOST 40 /* as the kernel */

struct walk {
	int fds[DEPTH_MOST]; /* the way from the root, which is none of ours, to where we are */
	int depth;
	char rest[2 * PATH_MAX]; /* what is still to be walked */
	int links;               /* that may still be followed */
	const struct open_in_guard *guard;
};

static bool holds(const struct walk *w, int fd, int from)
{
	return w->guard && w->guard->holds(fd, from, w->guard->context);
}

static void go_up(struct walk *w)
{
	if (w->depth > 1)
		close(w->fds[--w->depth]);
}

static void go_to_root(struct walk *w)
{
	while (w->depth > 1)
		go_up(w);
}

/* Cuts the first part off the rest. false: there is none. */
static bool take_part(struct walk *w, char part[NAME_MAX + 1], int *err)
{
	size_t skip = strspn(w->rest, "/"), length = strcspn(w->rest + skip, "/");

	if (!length)
		return false;
	if (length > NAME_MAX) {
		*err = -ENAMETOOLONG;
		return false;
	}
	memcpy(part, w->rest + skip, length);
	part[length] = '\0';
	memmove(w->rest, w->rest + skip + length, strlen(w->rest + skip + length) + 1);
	return true;
}

/* What it says stands before the rest. */
static int follow(struct walk *w, int link)
{
	char text[PATH_MAX], rest[2 * PATH_MAX];
	ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
	int length;

	if (n <= 0)
		return n ? -errno : -ENOENT;
	text[n] = '\0';
	if (w->links-- <= 0)
		return -ELOOP;
	length = snprintf(rest, sizeof(rest), "%s/%s", text, w->rest);
	if (length >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, (size_t)length + 1);
	if (text[0] == '/')
		go_to_root(w);
	return 0;
}

static int go_down(struct walk *w, const char *part)
{
	int from = w->fds[w->depth - 1], err = 0;
	int fd = openat(from, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (holds(w, fd, from))
		err = -EPERM;
	else if (fstat(fd, &st))
		err = -errno;
	if (!err && !S_ISLNK(st.st_mode)) {
		if (w->depth < DEPTH_MOST) {
			w->fds[w->depth++] = fd;
			return 0;
		}
		err = -ENAMETOOLONG;
	}
	if (!err)
		err = follow(w, fd);
	close(fd);
	return err;
}

static int walk(struct walk *w)
{
	char part[NAME_MAX + 1];
	int err = 0;

	while (!err && take_part(w, part, &err)) {
		if (!strcmp(part, ".."))
			go_up(w);
		else if (strcmp(part, ".") != 0)
			err = go_down(w, part);
	}
	return err;
}

int open_in(int root, const char *path, bool links, const struct open_in_guard *guard)
{
	struct walk w = {
		.fds = { root }, .depth = 1, .links = links ? LINKS_MOST : 0, .guard = guard
	};
	int err, fd;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(w.rest, path);
	err = holds(&w, root, -1) ? -EPERM : walk(&w);
	/* The last one is the caller's. */
	fd = err ? err : fcntl(w.fds[w.depth - 1], F_DUPFD_CLOEXEC, 0);
	if (fd < 0 && !err)
		fd = -errno;
	go_to_root(&w);
	return fd;
}
