/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#define SECOND_NS 1000000000ll
#define FRESH_NS  (2 * SECOND_NS) /* FAT has the coarsest clock */

/* Bits of an entry in /proc/PID/pagemap. */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME   ((1ull << 55) - 1)

struct inode_view {
	void *page;
	size_t size;
};

static int64_t in_ns(const struct timespec *t)
{
	return t->tv_sec * SECOND_NS + t->tv_nsec;
}

struct file_id identity_where(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return (struct file_id){ 0 };
	return (struct file_id){ .dev = st.st_dev, .inode = st.st_ino };
}

int identity_stamp(int fd, struct file_stamp *out)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*out = (struct file_stamp){ .size = st.st_size,
				    .modified_ns = in_ns(&st.st_mtim),
				    .changed_ns = in_ns(&st.st_ctim) };
	return 0;
}

bool identity_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->size == b->size && a->modified_ns == b->modified_ns &&
	       a->changed_ns == b->changed_ns;
}

static bool has_mount(const char *path, uint64_t id)
{
	FILE *mounts = fopen(path, "re");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (mounts && !found && getline(&line, &size, mounts) > 0)
		found = strtoull(line, NULL, 10) == id;
	free(line);
	if (mounts)
		fclose(mounts);
	return found;
}

/* A service has a copy of the host's mounts, with other numbers: those are the first process's. */
static bool is_our_mount(uint64_t id)
{
	return has_mount("/proc/self/mountinfo", id) || has_mount("/proc/1/mountinfo", id);
}

bool identity_is_reachable(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK | STATX_MNT_ID, &st))
		return false;
	if (st.stx_mask & STATX_MNT_ID && !is_our_mount(st.stx_mnt_id))
		return false;
	return st.stx_nlink > 0;
}

bool identity_stamp_is_fresh(const struct file_stamp *stamp)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return stamp->changed_ns > in_ns(&now) - FRESH_NS;
}

struct inode_view *identity_view(int fd)
{
	struct inode_view *view = malloc(sizeof(*view));

	if (!view)
		return NULL;
	view->size = (size_t)sysconf(_SC_PAGESIZE);
	view->page = mmap(NULL, view->size, PROT_READ, MAP_SHARED, fd, 0);
	if (view->page != MAP_FAILED)
		return view;
	free(view);
	return NULL;
}

void identity_view_free(struct inode_view *view)
{
	if (!view)
		return;
	munmap(view->page, view->size);
	free(view);
}

/* 0: not told. */
static uint64_t frame_of(int pagemap, const struct inode_view *view)
{
	uint64_t entry, number = (uint64_t)(uintptr_t)view->page / view->size;

	/* The kernel reads it in. Asked for instead of touched: of a file that was cut short that kills. */
	if (madvise(view->page, view->size, MADV_POPULATE_READ))
		return 0;
	if (pread(pagemap, &entry, sizeof(entry), (off_t)(number * sizeof(entry))) !=
		    sizeof(entry) ||
	    !(entry & PAGEMAP_PRESENT))
		return 0;
	return entry & PAGEMAP_FRAME;
}

/*
 * Once open, it goes on to tell what it tells whom it was opened by: CAP_SYS_ADMIN, which is given up.
 */
static int own_pagemap = -1;

void identity_prepare(void)
{
	if (own_pagemap < 0)
		own_pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* The first one again at the end: then its page cannot have become the other's meanwhile. */
bool identity_view_is_same(const struct inode_view *a, const struct inode_view *b)
{
	uint64_t frame;

	identity_prepare();
	if (!a || !b || own_pagemap < 0)
		return false;
	frame = frame_of(own_pagemap, a);
	return frame && frame_of(own_pagemap, b) == frame && frame_of(own_pagemap, a) == frame;
}

bool identity_is_overlay(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* A breakpoint is put into pages that are mapped as code, one by one; the file stays as it is. */
int identity_is_probed(int fd, uint64_t offset)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE), at = offset % size;
	unsigned char *page, there;
	int probed = -EIO;

	if (pread(fd, &there, 1, (off_t)offset) != 1)
		return -EIO;
	page = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)(offset - at));
	if (page == MAP_FAILED)
		return -errno;
	/* As above: of a file that was cut short it would kill to touch it. */
	if (!madvise(page, size, MADV_POPULATE_READ))
		probed = page[at] != there;
	munmap(page, size);
	return probed;
}
