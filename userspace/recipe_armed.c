/* SPDX-License-Identifier: MIT */
#include "recipe_armed.h"

#include <errno.h>
#include <unistd.h>

#include "file_mappings.h"
#include "site_code.h"

struct reading {
	struct recipe_armed *out;
	pid_t pid;
	int fd;
	const struct recipe_sites *sites;
};

static void count_site(const struct reading *r, uint64_t offset, uint64_t address)
{
	pushback_instruction there, in_file;
	int err = site_code_read(r->pid, address, &there);

	if (!err && pread(r->fd, &in_file, sizeof(in_file), (off_t)offset) != sizeof(in_file))
		err = -EIO;
	if (err)
		r->out->err = err;
	else if (there == in_file)
		r->out->plain++;
	else if (site_code_is_breakpoint(there))
		r->out->armed++;
	else
		r->out->others++;
}

static void count_in(void *arg, const struct proc_mapping *mapping)
{
	const struct reading *r = (const struct reading *)arg;
	uint64_t address;

	for (size_t i = 0; mapping->executable && i < r->sites->sites_count; i++) {
		uint64_t offset = r->sites->sites[i].offset;

		if (file_mapping_holds(mapping, offset, &address))
			count_site(r, offset, address);
	}
}

void recipe_armed_read(struct recipe_armed *out, pid_t pid, const struct file_id *id, int fd,
		       const struct recipe_sites *sites)
{
	struct reading reading = { out, pid, fd, sites };
	int err;

	*out = (struct recipe_armed){ 0 };
	err = file_mappings_each(pid, id, count_in, &reading);
	if (err)
		out->err = err;
	else if (!out->err && !(out->armed + out->plain + out->others))
		out->err = -ENOENT;
}
