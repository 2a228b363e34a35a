/* SPDX-License-Identifier: MIT */
/*
 * Linked into what runs in valgrind, in the place of what sets probes in ourselves
 *
 * valgrind runs a copy of our code that it has made itself. Where the kernel has put a breakpoint the copy
 * has one that no kernel knows of, and the process ends by SIGTRAP.
 */
#include "doctor_redzone.h"
#include "doctor_self.h"
#include "hit_cost.h"

int __wrap_hit_cost_measure(struct hit_cost *out, char *why);
void __wrap_doctor_self_check(struct finding *f, bool no_multi);
void __wrap_doctor_redzone_check(struct finding *f);

/* Such a machine as there are many. */
int __wrap_hit_cost_measure(struct hit_cost *out, char *why)
{
	(void)why;
	for (int i = 0; i < PB_HITS; i++)
		out->ns[i] = 1000;
	return 0;
}

void __wrap_doctor_self_check(struct finding *f, bool no_multi)
{
	(void)no_multi;
	finding_ok(f, "not tried in valgrind");
}

void __wrap_doctor_redzone_check(struct finding *f)
{
	finding_ok(f, "not tried in valgrind");
}
