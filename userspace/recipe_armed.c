/* SPDX-License-Identifier: MIT */
#include "recipe_armed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peek.h"
#include "proc_maps.h"

#if defined(__x86_64__)
typedef uint8_t code_unit;
#define BREAKPOINT_CODE 0xccu
#define BREAKPOINT_MASK 0xffu
#else
typedef uint32_t code_unit;
#define BREAKPOINT_CODE 0xd4200000u
#define BREAKPOINT_MASK 0xffe0001fu /* any brk */
#endif

struct reading {
	struct recipe_armed *out;
	pid_t pid;
	int fd;
	const struct recipe_sites *sites;
};

static int read_memory(pid_t pid, uint64_t address, code_unit *code)
{
	ssize_t n = peek(pid, address, code, sizeof(*code));

	if (n < 0)
		return n == -EPERM ? -EACCES : (int)n;
	return n == sizeof(*code) ? 0 : -EFAULT;
}

static void count_site(const struct reading *r, uint64_t offset, uint64_t address)
{
	code_unit there, in_file;
	int err = read_memory(r->pid, address, &there);

	if (!err && pread(r->fd, &in_file, sizeof(in_file), (off_t)offset) != sizeof(in_file))
		err = -EIO;
	if (err)
		r->out->err = err;
	else if (there == in_file)
		r->out->plain++;
	else if ((there & BREAKPOINT_MASK) == BREAKPOINT_CODE)
		r->out->armed++;
	else
		r->out->others++;
}

/* The sites that lie in this mapping. */
static void count_in(const struct reading *r, const struct proc_mapping *mapping)
{
	for (size_t i = 0; i < r->sites->sites_count; i++) {
		uint64_t offset = r->sites->sites[i].offset;

		if (offset >= mapping->offset &&
		    offset - mapping->offset < mapping->end - mapping->start)
			count_site(r, offset, mapping->start + (offset - mapping->offset));
	}
}

void recipe_armed_read(struct recipe_armed *out, pid_t pid, const struct file_id *id, int fd,
		       const struct recipe_sites *sites)
{
	struct reading reading = { out, pid, fd, sites };
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;

	*out = (struct recipe_armed){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps) {
		out->err = errno == ENOENT ? -ESRCH : -errno;
		return;
	}
	while (getline(&line, &size, maps) > 0) {
		struct proc_mapping mapping;

		if (proc_maps_parse(line, &mapping) && mapping.executable &&
		    mapping.inode == id->inode && mapping.dev == id->dev)
			count_in(&reading, &mapping);
	}
	free(line);
	fclose(maps);
	if (!out->err && !(out->armed + out->plain + out->others))
		out->err = -ENOENT;
}
