/* SPDX-License-Identifier: MIT */
/*
 * doctor_site.h - the probe sites of a file in a process's memory: who holds them?
 */
#ifndef DOCTOR_SITE_H
#define DOCTOR_SITE_H

#include "discover.h"
#include "elfnote.h"
#include "finding.h"

struct doctor_sites {
	int semaphore; /* as semaphore_read() */
	int err;       /* 0, or why the sites cannot be read: -EACCES, -ENOENT not mapped, -ESRCH */
	size_t nops;
	size_t breakpoints;
	size_t others; /* neither: not the code of the file */
};

void doctor_sites_read(struct doctor_sites *out, pid_t pid, const struct file_id *id,
		       const struct elfnote *note);

/* Before we attach: is somebody else here? Pure. */
void doctor_sites_judge(struct finding *f, const struct doctor_sites *sites);

#endif /* DOCTOR_SITE_H */
