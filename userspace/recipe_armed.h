/* SPDX-License-Identifier: MIT */
/*
 * recipe_armed.h - a process's memory at the sites of a recipe: whether it is what the file has, or probed
 *
 * By whoever: a probe is a breakpoint. Looks only.
 */
#ifndef RECIPE_ARMED_H
#define RECIPE_ARMED_H

#include "discover.h"
#include "file_mappings.h"
#include "recipe_sites.h"

struct recipe_armed {
	size_t armed;          /* with a breakpoint where the file has something else */
	size_t plain;          /* as in the file */
	size_t others;         /* neither */
	int err;               /* -EACCES, -ESRCH, ...; -ENOENT: none of the sites is mapped */
	struct file_loss loss; /* what was not read */
};

void recipe_armed_read(struct recipe_armed *out, pid_t pid, const struct file_id *id, int fd,
		       const struct recipe_sites *sites);

#endif /* RECIPE_ARMED_H */
