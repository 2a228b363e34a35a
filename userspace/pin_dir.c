/* SPDX-License-Identifier: MIT */
#include "pin_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pin_holder.h"
#include "pushback_abi.h"

#define BPF_FS    0xcafe4a11
#define PREFIX    "pushback-abi"
#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)
#define OURS      PREFIX NUMBER(PB_ABI_VERSION)

static int explain(char *why, size_t why_size, const char *what, const char *path, int err)
{
	snprintf(why, why_size, "cannot %s %s: %s", what, path, strerror(-err));
	return err == -EACCES ? -EPERM : err;
}

const char *pin_dir_command(const char *base, char *text, size_t size)
{
	if (strcmp(base, PIN_DIR_DEFAULT))
		snprintf(text, size, "pushback unpin --pin-dir %.400s", base);
	else
		snprintf(text, size, "pushback unpin");
	return text;
}

/* ---- The file system ---- */

static bool is_bpf(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS;
}

/* The next entry but "." and "..". */
static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

static int mount_there(struct pin_dir *d, char *why, size_t why_size)
{
	DIR *dir = opendir(d->base);
	bool empty;

	if (!dir)
		return explain(why, why_size, "read", d->base, -errno);
	empty = !next_entry(dir);
	closedir(dir);
	if (!empty) {
		snprintf(why, why_size,
			 "%s is no bpf file system and not empty: give an empty directory, or one "
			 "where 'mount -t bpf' has been",
			 d->base);
		return -ENOTEMPTY;
	}
	if (mount("bpf", d->base, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
		int err = -errno;

		snprintf(
			why, why_size,
			"no bpf file system at %s, and cannot mount it (%s): as root 'mount -t bpf "
			"bpf %s'",
			d->base, strerror(-err), d->base);
		return err;
	}
	d->mounted = true;
	return 0;
}

static int find_base(struct pin_dir *d, const char *base, char *why, size_t why_size)
{
	/* Room for what is in it. */
	if (strlen(base) >= sizeof(d->base) - 128) {
		snprintf(why, why_size, "the name of the directory for pins is too long");
		return -ENAMETOOLONG;
	}
	strcpy(d->base, base);
	if (mkdir(base, 0700) && errno != EEXIST)
		return explain(why, why_size, "make", base, -errno);
	return is_bpf(base) ? 0 : mount_there(d, why, why_size);
}

/* ---- Our directory ---- */

static int refuse_others(const struct pin_dir *d, char *why, size_t why_size)
{
	DIR *dir = opendir(d->base);
	char command[PIN_DIR_SIZE];
	struct dirent *entry;

	if (!dir)
		return explain(why, why_size, "read", d->base, -errno);
	while ((entry = next_entry(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) || !strcmp(entry->d_name, OURS))
			continue;
		snprintf(why, why_size,
			 "%s/%.64s is the state of another version of pushback: '%s' removes it",
			 d->base, entry->d_name,
			 pin_dir_command(d->base, command, sizeof(command)));
		closedir(dir);
		return -EEXIST;
	}
	closedir(dir);
	return 0;
}

static int refuse_held(const struct pin_dir *d, char *why, size_t why_size)
{
	char holder[128];

	pin_holder(d->fd, holder, sizeof(holder));
	snprintf(why, why_size,
		 "%s is held by %s: stop that one; a run without --pin watches beside it", d->path,
		 holder);
	return -EBUSY;
}

/* 0, or 1: it was removed meanwhile. */
static int lock(struct pin_dir *d, char *why, size_t why_size)
{
	struct stat st;

	if (flock(d->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? refuse_held(d, why, why_size)
					    : explain(why, why_size, "lock", d->path, -errno);
	if (fstat(d->fd, &st))
		return explain(why, why_size, "look at", d->path, -errno);
	return st.st_nlink == 0;
}

static int refuse_owner(const struct pin_dir *d, char *why, size_t why_size)
{
	char command[PIN_DIR_SIZE];
	struct stat st;

	if (fstat(d->fd, &st))
		return explain(why, why_size, "look at", d->path, -errno);
	if (st.st_uid == geteuid())
		return 0;
	snprintf(why, why_size, "%s belongs to another user (uid %u): '%s' removes it", d->path,
		 (unsigned int)st.st_uid, pin_dir_command(d->base, command, sizeof(command)));
	return -EPERM;
}

static int open_ours(struct pin_dir *d, const char *name, char *why, size_t why_size)
{
	snprintf(d->path, sizeof(d->path), "%.400s/%.100s", d->base, name);
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return d->fd < 0 ? explain(why, why_size, "open", d->path, -errno) : 0;
}

int pin_dir_open(struct pin_dir *d, const char *base, char *why, size_t why_size)
{
	int err;

	*d = (struct pin_dir){ .fd = -1 };
	err = find_base(d, base, why, why_size);
	if (!err)
		err = refuse_others(d, why, why_size);
	if (err)
		return err;
	do {
		pin_dir_close(d);
		snprintf(d->path, sizeof(d->path), "%.400s/" OURS, d->base);
		if (mkdir(d->path, 0700) && errno != EEXIST)
			return explain(why, why_size, "make", d->path, -errno);
		err = open_ours(d, OURS, why, why_size);
		if (!err)
			err = refuse_owner(d, why, why_size);
		if (!err)
			err = lock(d, why, why_size);
	} while (err > 0);
	if (err)
		pin_dir_close(d);
	return err;
}

void pin_dir_close(struct pin_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

bool pin_dir_is_there(const struct pin_dir *d)
{
	struct stat ours, there;

	return !fstat(d->fd, &ours) && !stat(d->path, &there) && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

const char *pin_dir_path(const struct pin_dir *d, const char *name, char path[PIN_DIR_SIZE])
{
	snprintf(path, PIN_DIR_SIZE, "/proc/self/fd/%d/%.255s", d->fd, name);
	return path;
}

int pin_dir_remove(const struct pin_dir *d, const char *name)
{
	return unlinkat(d->fd, name, 0) && errno != ENOENT ? -errno : 0;
}

int pin_dir_rename(const struct pin_dir *d, const char *name, const char *over)
{
	return renameat(d->fd, name, d->fd, over) ? -errno : 0;
}

/* One by one from the beginning: what was read ahead may be gone. */
int pin_dir_clear(const struct pin_dir *d, const char *prefix)
{
	int count = 0, err = 0, fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	while (!err && (entry = next_entry(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		if (unlinkat(d->fd, entry->d_name, 0))
			err = -errno;
		else
			count++;
		rewinddir(dir);
	}
	closedir(dir);
	return err ? err : count;
}

/* ---- All of them ---- */

static int unpin_one(const char *base, const char *name, char *why, size_t why_size)
{
	struct pin_dir d = { .fd = -1 };
	int count, err;

	strcpy(d.base, base); /* which has room in it */
	err = open_ours(&d, name, why, why_size);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = lock(&d, why, why_size);
	count = err < 0 ? err : pin_dir_clear(&d, "");
	if (!err && count < 0)
		explain(why, why_size, "clear", d.path, count);
	if (count >= 0 && rmdir(d.path) && errno != ENOENT)
		count = explain(why, why_size, "remove", d.path, -errno);
	pin_dir_close(&d);
	return count;
}

int pin_dir_unpin(const char *base, char *why, size_t why_size)
{
	struct dirent *entry;
	int sum = 0;
	DIR *dir;

	if (strlen(base) >= PIN_DIR_SIZE - 128)
		return explain(why, why_size, "read", base, -ENAMETOOLONG);
	dir = opendir(base);
	if (!dir)
		return errno == ENOENT ? 0 : explain(why, why_size, "read", base, -errno);
	while (sum >= 0 && (entry = next_entry(dir))) {
		int count;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			continue;
		count = unpin_one(base, entry->d_name, why, why_size);
		sum = count < 0 ? count : sum + count + 1;
		rewinddir(dir);
	}
	closedir(dir);
	return sum;
}
