/* SPDX-License-Identifier: MIT */
/* doctor_worst.h - of the processes of a file the worst one */
#ifndef DOCTOR_WORST_H
#define DOCTOR_WORST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "finding.h"

#define DOCTOR_PIDS_MOST 64 /* of one file that are examined */

struct doctor_pids {
	const pid_t *pids;
	size_t count;
	bool is_asked; /* for that one: it need not be named */
};

typedef void (*doctor_judge_fn)(struct finding *f, pid_t pid, const void *context);

/* Fills in the rest of `worst`, which has its check. false: there are none. */
bool doctor_worst(struct finding *worst, const struct doctor_pids *pids, doctor_judge_fn judge,
		  const void *context);

#endif /* DOCTOR_WORST_H */
