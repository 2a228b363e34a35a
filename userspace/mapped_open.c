/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "mapped_open.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "foreign_mount.h"
#include "open_in.h"

static bool find_mapping(const void *address, struct proc_mapping *mapping)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t at = (uint64_t)(uintptr_t)address;
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (maps && !found && getline(&line, &size, maps) > 0)
		found = proc_maps_parse(line, mapping) && mapping->start <= at && at < mapping->end;
	free(line);
	if (maps)
		fclose(maps);
	return found;
}

/* Maps it ourselves and sees what maps calls it then. */
bool mapped_identity(int fd, uint64_t *dev, uint64_t *inode)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *address = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	struct proc_mapping ours;
	bool found;

	if (address == MAP_FAILED)
		return false;
	found = find_mapping(address, &ours);
	munmap(address, size);
	if (!found)
		return false;
	*dev = ours.dev;
	*inode = ours.inode;
	return true;
}

static bool is_same(int fd, const struct proc_mapping *mapping)
{
	uint64_t dev, inode;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_dev == mapping->dev && st.st_ino == mapping->inode)
		return true;
	return mapped_identity(fd, &dev, &inode) && dev == mapping->dev && inode == mapping->inode;
}

/*
 * `path_fd` (closed) only names something that holds nobody, which must be `mapping` if that is given. Opening a
 * device or a fifo has effects or blocks, so it is looked at before it is opened; the link in /proc leads to the
 * very same thing.
 */
static int open_regular(int path_fd, const struct proc_mapping *mapping)
{
	char link[64];
	struct stat st;
	int fd;

	if (fstat(path_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(path_fd);
		return -ESTALE;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = -errno;
	close(path_fd);
	if (fd >= 0 && mapping && !is_same(fd, mapping)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

/* Also what it leads to now: another may be mapped than maps had shown. */
static int open_link(pid_t pid, const char *link, const struct proc_mapping *mapping)
{
	int path_fd = open(link, O_PATH | O_CLOEXEC);

	/* -EPERM is a refusal of ours. */
	if (path_fd < 0)
		return errno == EPERM ? -EACCES : -errno;
	if (foreign_mount_holds(pid, path_fd)) {
		close(path_fd);
		return -EPERM;
	}
	return open_regular(path_fd, mapping);
}

static int open_map_file(pid_t pid, const struct proc_mapping *mapping)
{
	char link[96];

	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		 mapping->start, mapping->end);
	return open_link(pid, link, mapping);
}

static int open_exe(pid_t pid, const struct proc_mapping *mapping)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	return open_link(pid, link, mapping);
}

/* On the way to a file; each takes a look through all mounts, of which a process may have 100,000. */
#define MOUNTS_MOST 16

struct way {
	pid_t pid;
	unsigned int mounts;
};

static bool holds(int fd, int from, void *context)
{
	struct way *way = context;

	if (from >= 0 && foreign_mount_is_same(fd, from))
		return false;
	return way->mounts++ == MOUNTS_MOST || foreign_mount_holds(way->pid, fd);
}

/* On behalf of `pid`, which may have chosen the path or what is there; 0: of ours alone. */
static int open_through(pid_t pid, const char *root, const char *path, bool links,
			const struct proc_mapping *mapping)
{
	struct way way = { .pid = pid };
	const struct open_in_guard guard = { .holds = holds, .context = &way };
	int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (root_fd < 0)
		return -errno;
	fd = open_in(root_fd, path, links, pid ? &guard : NULL);
	close(root_fd);
	return fd < 0 ? fd : open_regular(fd, mapping);
}

/*
 * maps shows resolved paths: a symbolic link on the way was put there later, perhaps to lead us
 * out. " (deleted)" is left on: a file may be called so, and a deleted one isn't found either way.
 */
static int open_below(pid_t pid, const char *root, const char *path,
		      const struct proc_mapping *mapping)
{
	char *plain = strdup(path);
	int fd;

	if (!plain)
		return -ENOMEM;
	proc_maps_unescape(plain);
	fd = open_through(pid, root, plain, false, mapping);
	free(plain);
	return fd;
}

/*
 * Of a process in another mount namespace maps shows paths within that one; of one that has only
 * changed its root, as we see them.
 */
static int open_by_path(pid_t pid, const struct proc_mapping *mapping)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
	fd = open_below(pid, link, mapping->path, mapping);
	return fd < 0 ? open_below(pid, "/", mapping->path, mapping) : fd;
}

int mapped_open_now(pid_t pid, const char *path)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
	return open_below(pid, link, path, NULL);
}

int mapped_open_through(pid_t pid, const char *path)
{
	char link[64] = "/";

	if (pid)
		snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
	return open_through(pid, link, path, true, NULL);
}

bool mapped_is_same(int fd, int other)
{
	struct stat a, b;
	uint64_t dev, inode, other_dev, other_inode;

	if (fstat(fd, &a) || fstat(other, &b))
		return false;
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return true;
	/* Of most that is enough to tell. */
	if (a.st_size != b.st_size || a.st_mtim.tv_sec != b.st_mtim.tv_sec ||
	    a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		return false;
	return mapped_identity(fd, &dev, &inode) &&
	       mapped_identity(other, &other_dev, &other_inode) && dev == other_dev &&
	       inode == other_inode;
}

int mapped_open(pid_t pid, const struct proc_mapping *mapping)
{
	int mapped = open_map_file(pid, mapping), fd = mapped;

	if (fd < 0)
		fd = open_exe(pid, mapping);
	if (fd < 0)
		fd = open_by_path(pid, mapping);
	return fd < 0 && mapped == -EPERM ? mapped : fd;
}
