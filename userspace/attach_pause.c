/* SPDX-License-Identifier: MIT */
/* attach_pause.c - files that are attached for a part of the time, and what their sites cost */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "attach_internal.h"

struct attached_again {
	int fd;
	struct elfnote note;
};

struct attached_again *attach_again_new(int fd, const struct elfnote *note)
{
	struct attached_again *again = calloc(1, sizeof(*again));

	if (!again)
		return NULL;
	again->note = *note;
	again->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (again->fd >= 0)
		return again;
	free(again);
	return NULL;
}

void attach_again_free(struct attached_again *again)
{
	if (!again)
		return;
	close(again->fd);
	free(again);
}

void attach_pause(struct attach *a, int number)
{
	struct attached *file = &a->files[number];

	if (!file->again)
		return;
	attach_arm(a, (size_t)number, false);
	attach_unlink(file);
	attach_recipe_pause(file->recipe);
}

int attach_resume(struct attach *a, int number, bool partly)
{
	struct attached *file = &a->files[number];
	int err;

	if (!file->again)
		return -ENOENT;
	err = attach_mark(a, (size_t)number, partly);
	if (!err && file->again->note.sites_count)
		err = attach_make_link(a, file->again->fd, &file->again->note, (size_t)number,
				       file);
	if (!err)
		err = attach_recipe_resume(a, file->again->fd, file->recipe, partly);
	if (!err && file->recipe)
		err = attach_arm(a, (size_t)number, true);
	if (err)
		attach_pause(a, number);
	return err;
}

bool attach_hits(const struct attach *a, int number, uint64_t hits[PB_HITS])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *per_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*per_cpu)) : NULL;
	int fd = bpf_object__find_map_fd_by_name(a->object, "hits");
	bool ok = per_cpu && a->files[number].sites;

	for (uint32_t kind = 0; ok && kind < PB_HITS; kind++) {
		uint32_t key = (uint32_t)number * PB_HITS + kind;

		ok = !bpf_map_lookup_elem(fd, &key, per_cpu);
		hits[kind] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			hits[kind] += per_cpu[cpu];
	}
	free(per_cpu);
	return ok;
}

void attach_name(const struct attach *a, int number, char name[ATTACH_NAME_SIZE])
{
	const struct attached_again *again = a->files[number].again;
	char path[64];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", again ? again->fd : -1);
	size = readlink(path, name, ATTACH_NAME_SIZE - 1);
	name[size > 0 ? size : 0] = '\0';
}

bool attach_is_foreign(const struct attach *a, int number)
{
	return a->files[number].recipe;
}

int attach_numbers(const struct attach *a)
{
	return (int)a->files_count;
}
