/* SPDX-License-Identifier: MIT */
/* doctor_hits.h - attach to a target for a moment: are there hits, and if not, why? */
#ifndef DOCTOR_HITS_H
#define DOCTOR_HITS_H

#include "doctor_process.h"
#include "doctor_site.h"
#include "doctor_target.h"

void doctor_hits_check(struct finding *f, const struct doctor_target *t, uint64_t for_ns,
		       bool no_multi);

/* What was seen of one process while it was attached and had no hit. */
struct doctor_silence {
	pid_t pid;
	bool gone; /* it ended meanwhile */
	uint64_t watched_ns;
	bool others; /* somebody watched it before */
	struct doctor_process before;
	struct doctor_process after;
	struct doctor_sites sites; /* while attached */
};

/* Why there was none. Pure. */
void doctor_hits_judge_silence(struct finding *f, const struct doctor_silence *silence);

#endif /* DOCTOR_HITS_H */
