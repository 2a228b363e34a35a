/* SPDX-License-Identifier: MIT */
/*
 * doctor_target.h - a process or a file that does not report: has it probes, and do they fire?
 *
 * A target is files with their notes, and the processes that map them: of a process its files, of a
 * file its processes. Not thread-safe.
 */
#ifndef DOCTOR_TARGET_H
#define DOCTOR_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discover.h"
#include "elfnote.h"
#include "finding.h"

struct doctor_file {
	struct file_id id; /* as maps has it */
	char *path;
	int fd;
	struct elfnote note;
};

struct doctor_target {
	pid_t pid; /* 0: a file was given */
	uint64_t start_time;
	struct doctor_file *files; /* with notes of ours; of a file that was given that one */
	size_t files_count;
	pid_t *pids;
	size_t pids_count;
	size_t skipped; /* mapped files, or processes, that could not be looked into */
};

/*
 * 0, or -errno with a line in `why`: -EPERM we may not look into it; others: there is no such process,
 * or no such file of this machine's.
 */
int doctor_target_process(struct doctor_target **out, pid_t pid, char *why, size_t why_size);
int doctor_target_file(struct doctor_target **out, const char *path, char *why, size_t why_size);
void doctor_target_free(struct doctor_target *t);

/* Whether a file that this process maps is still the one on disk. */
void doctor_target_check_mapping(struct finding *f, pid_t pid, const struct doctor_file *file);

struct doctor_options {
	uint64_t
		for_ns; /* attach for so long at most, less once there are hits; 0: do not attach */
	bool no_multi;
	bool by_recipe; /* that it has no probes of ours is all right */
};

/* All checks in order. */
void doctor_target_examine(const struct doctor_target *t, const struct doctor_options *options,
			   finding_fn fn, void *context);

#endif /* DOCTOR_TARGET_H */
