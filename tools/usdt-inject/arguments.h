/* SPDX-License-Identifier: MIT */
/*
 * arguments.h - whether an argument text is one that every tracer reads
 *
 * "-4@%eax 8@16(%rsp) 8@$7" on x86-64, "-4@x0 8@[sp, 16] 8@7" on aarch64: how many bytes (signed with
 * a minus), and where they are at the site. A tracer that can't read one gives up on the probe, or
 * shows a wrong value.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "why.h"

int arguments_check(const char *text, unsigned machine, struct why *why);

#endif /* ARGUMENTS_H */
