/* SPDX-License-Identifier: MIT */
#include "recipe_armed.h"

#include <errno.h>
#include <unistd.h>

#include "site_code.h"

struct reading {
	struct recipe_armed *out;
	pid_t pid;
	int fd;
};

static void count_site(void *arg, uint64_t offset, uint64_t address)
{
	const struct reading *r = (const struct reading *)arg;
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

void recipe_armed_read(struct recipe_armed *out, pid_t pid, const struct file_id *id, int fd,
		       const struct recipe_sites *sites)
{
	struct file_place places[RECIPE_SITES_MAX];
	struct reading reading = { out, pid, fd };
	struct file_reading file = {
		.pid = pid,
		.id = id,
		.places = places,
		.places_count = sites->sites_count,
		.wants = file_mapping_is_code,
		.read = count_site,
		.arg = &reading,
	};
	int err;

	*out = (struct recipe_armed){ 0 };
	for (size_t i = 0; i < sites->sites_count; i++)
		places[i] = (struct file_place){ .offset = sites->sites[i].offset };
	err = file_mappings_read(&file, &out->loss);
	if (err)
		out->err = err;
	else if (!out->err && !(out->armed + out->plain + out->others))
		out->err = -ENOENT;
}
