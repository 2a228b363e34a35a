/* SPDX-License-Identifier: MIT */
/* A shared library with probes; with second.c and unused.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "observer.h"
#include "units.h"

static struct pushback_step inner = PUSHBACK_STEP_INIT("inner");

__attribute__((visibility("default"))) uint64_t plugin_run_(void)
{
	int i;

	pushback_submit_return(&inner, PUSHBACK_REJECTED);
	if (inner.rejected != 0)
		return 0;
	pushback_step_end(&inner);
	observer_attach();
	pushback_submit_return(&inner, PUSHBACK_REJECTED);
	second_submit(PUSHBACK_ACCEPTED);
	for (i = 0; i < 1000; i++)
		pushback_submit_return(&inner, PUSHBACK_REJECTED);
	second_submit(PUSHBACK_ACCEPTED);
	pushback_forward_return(&inner, PUSHBACK_REJECTED);
	observer_detach();
	if (observer_count != 3 || inner.rejected != 1001)
		return 0;
	return observer_fires[2].next == observer_fires[1].place ? inner.instance : 0;
}
