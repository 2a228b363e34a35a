/* SPDX-License-Identifier: MIT */
/*
 * doctor_site.h - the probe sites of a file in a process's memory: who holds them?
 */
#ifndef DOCTOR_SITE_H
#define DOCTOR_SITE_H

#include "discover.h"
#include "elfnote.h"
#include "file_mappings.h"
#include "finding.h"

struct doctor_sites {
	int semaphore; /* as semaphore_read() */
	int err;       /* 0, or why the sites cannot be read: -EACCES, -ENOENT not mapped, -ESRCH */
	size_t nops;
	size_t breakpoints;
	size_t others;         /* neither: not the code of the file */
	struct file_loss loss; /* what was not read */
};

void doctor_sites_read(struct doctor_sites *out, pid_t pid, const struct file_id *id,
		       const struct elfnote *note);

/* Before we attach: is somebody else here? Pure. */
void doctor_sites_judge(struct finding *f, const struct doctor_sites *sites);

/* What was not read is told as well, and nothing is all right without it. Pure. */
void doctor_sites_judge_loss(struct finding *f, const struct file_loss *loss);

#endif /* DOCTOR_SITE_H */
