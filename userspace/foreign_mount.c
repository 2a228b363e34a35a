/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "foreign_mount.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "discover.h"
#include "mount_line.h"
#include "namespaces.h"

#define REFUSED_MOST 1024
#define THEIRS_MOST  4096 /* mounts of a process that are looked through */
#define PARENTS_MOST 8

/* ---- Where a descriptor is ---- */

struct place {
	uint64_t mount;
	uint64_t dev; /* as stat has it, which on an overlay may be no mount's */
};

/* Without a wish for anything: what is in the kernel is told, of a server that it may not ask as well. */
static bool find_place(int fd, struct place *place)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) ||
	    !(st.stx_mask & STATX_MNT_ID))
		return false;
	place->mount = st.stx_mnt_id;
	place->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return true;
}

bool foreign_mount_is_same(int fd, int other)
{
	struct place a, b;

	return find_place(fd, &a) && find_place(other, &b) && a.mount == b.mount;
}

/* What memfd_create() makes is of a mount that nobody sees. */
static bool is_of_memory(uint64_t mount)
{
	static uint64_t memory;
	static bool known;
	struct place place;
	int fd;

	if (!known) {
		fd = memfd_create("", MFD_CLOEXEC);
		memory = fd >= 0 && find_place(fd, &place) ? place.mount : UINT64_MAX;
		known = true;
		if (fd >= 0)
			close(fd);
	}
	return mount == memory;
}

/* ---- What is mounted there ---- */

static bool has_id(const struct mount_line *mount, uint64_t id)
{
	return mount->id == id;
}

static bool has_dev(const struct mount_line *mount, uint64_t dev)
{
	return mount->dev == dev;
}

/* The first that has it among so many mounts of "self", "1"... */
static bool find_mount(const char *process, size_t most,
		       bool (*has)(const struct mount_line *, uint64_t), uint64_t wanted,
		       struct mount_line *mount)
{
	char path[64], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *mounts;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", process);
	mounts = fopen(path, "re");
	while (mounts && !found && most-- && getline(&line, &size, mounts) > 0)
		found = mount_line_parse(line, mount) && has(mount, wanted);
	free(line);
	if (mounts)
		fclose(mounts);
	return found;
}

/*
 * As the process sees it. One that has changed its root sees nothing of the mount which that is in: then whose
 * child it is may, and in the same namespace it is the same mount.
 */
static bool find_theirs(pid_t pid, uint64_t id, struct mount_line *mount)
{
	pid_t seer = pid;
	char process[16];

	for (int i = 0; i <= PARENTS_MOST && seer > 1; i++, seer = discover_parent(seer)) {
		if (i && namespaces_are_same(pid, seer, "mnt") != 1)
			return false;
		snprintf(process, sizeof(process), "%d", (int)seer);
		if (find_mount(process, THEIRS_MOST, has_id, id, mount))
			return true;
	}
	return false;
}

static bool find_ours(bool (*has)(const struct mount_line *, uint64_t), uint64_t wanted,
		      struct mount_line *mount)
{
	return find_mount("self", SIZE_MAX, has, wanted, mount) ||
	       find_mount("1", SIZE_MAX, has, wanted, mount);
}

/* ---- Each refused one once: they are met again at each look ---- */

static uint64_t refused[REFUSED_MOST];
static size_t refused_count;

static void refuse(uint64_t dev)
{
	size_t i = 0;

	while (i < refused_count && refused[i] != dev)
		i++;
	if (i == refused_count && i < REFUSED_MOST)
		refused[refused_count++] = dev;
}

/* ---- The judgement ---- */

/* As only the process sees it. */
static bool theirs_may_hold(pid_t pid, const struct mount_line *mount)
{
	struct mount_line ours;

	if (mount->kind != MOUNT_OTHER)
		return mount->kind == MOUNT_USERS;
	/* In a user namespace of their own users mount what they like, and are 0. */
	if (namespaces_is_ours(pid, "user") == 1)
		return false;
	/* Root may have mounted it, and then made the namespace: its mounts there are others of the same. */
	return !find_ours(has_dev, mount->dev, &ours) || ours.kind == MOUNT_USERS;
}

/* `dev` becomes that which stands for the whole file system, if there is such a one. */
static bool may_hold(pid_t pid, bool is_root, uint64_t id, uint64_t *dev)
{
	struct mount_line mount;
	bool is_ours = find_ours(has_id, id, &mount);

	/*
	 * Of a mount that was taken away, or is in yet other namespaces? What stat calls its file system does not
	 * help: of a file on an overlay that may be one which lies beneath.
	 */
	if (!is_ours && !find_theirs(pid, id, &mount))
		return !is_root && !is_of_memory(id);
	*dev = mount.dev;
	/* Who is root by now may have had the file mapped, or the path, as somebody else. */
	if (is_ours || is_root)
		return mount.kind == MOUNT_USERS;
	return theirs_may_hold(pid, &mount);
}

bool foreign_mount_holds(pid_t pid, int fd)
{
	struct place place = { 0 };
	bool is_placed = find_place(fd, &place);
	uid_t user;

	/* One that has ended has still led us there. */
	if (discover_user(pid, &user))
		return true;
	if (is_placed ? !may_hold(pid, !user, place.mount, &place.dev) : !user)
		return false;
	refuse(place.dev);
	return true;
}

size_t foreign_mount_refused(void)
{
	return refused_count;
}
