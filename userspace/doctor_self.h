/* SPDX-License-Identifier: MIT */
/*
 * doctor_self.h - the whole way, tried out: attach to probes of our own, count known hits, let go
 *
 * A child of ours is a consumer of one step. It makes a known number of returns while it is watched the
 * way every consumer is: by inode, with the same programs, through the same drain. Its probes are
 * those of pushback.h in our own executable.
 */
#ifndef DOCTOR_SELF_H
#define DOCTOR_SELF_H

#include <stdbool.h>

#include "finding.h"

/* `no_multi`: by perf uprobes. */
void doctor_self_check(struct finding *f, bool no_multi);

#endif /* DOCTOR_SELF_H */
