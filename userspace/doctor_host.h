/* SPDX-License-Identifier: MIT */
/* doctor_host.h - can this host do it, and if not, why? */
#ifndef DOCTOR_HOST_H
#define DOCTOR_HOST_H

#include <stdbool.h>

#include "finding.h"

/*
 * All checks in order, each told when it is done; about a second. `no_multi`: as before Linux 6.6.
 * false: attaching to somebody's program could stop this host.
 */
bool doctor_host(bool no_multi, finding_fn tell, void *context);

#endif /* DOCTOR_HOST_H */
