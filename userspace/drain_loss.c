/* SPDX-License-Identifier: MIT */
/* What was lost: the kernel's counts and the drain's own, and their names. */
#include <stddef.h>
#include <bpf/bpf.h>

#include "drain_internal.h"

static const char *const loss_names[DRAIN_LOSSES] = {
	[PB_LOSS_READ] = "step_unreadable",
	[PB_LOSS_INVALID] = "step_invalid",
	[PB_LOSS_STEPS_FULL] = "steps_full",
	[PB_LOSS_PROCESS_FULL] = "process_full",
	[PB_LOSS_PROCESSES_FULL] = "processes_full",
	[PB_LOSS_HISTS_FULL] = "histograms_full",
	[PB_LOSS_EXIT_UNREAD] = "exit_unread",
	[PB_LOSS_PLACE_FULL] = "places_full",
	[PB_LOSS_NEXT_FULL] = "nexts_full",
	[DRAIN_LOSS_TORN] = "torn",
	[DRAIN_LOSS_SILENT] = "silent_unreadable",
	[DRAIN_LOSS_GONE] = "gone",
	[DRAIN_LOSS_NAME_CUT] = "name_cut",
	[DRAIN_LOSS_MEMORY] = "drain_no_memory",
	[DRAIN_LOSS_LIE] = "step_implausible",
	[PB_LOSS_EXEC_UNTOLD] = "exec_untold",
	[PB_LOSS_REPLACED] = "replaced",
	[PB_LOSS_FRAMES_FULL] = "frames_full",
	[PB_LOSS_SOURCE_UNREAD] = "value_unreadable",
	[PB_LOSS_RESULT_UNKNOWN] = "result_unknown",
	[PB_LOSS_RETURN_UNMATCHED] = "return_unmatched",
};

const char *drain_loss_name(unsigned int reason)
{
	return reason < DRAIN_LOSSES ? loss_names[reason] : NULL;
}

uint64_t drain_lost(struct drain *d, unsigned int reason)
{
	uint64_t sum = 0;
	uint32_t key = reason;
	int cpu;

	if (reason >= PB_LOSSES)
		return reason < DRAIN_LOSSES ? d->lost[reason] : 0;
	if (bpf_map_lookup_elem(d->maps.losses, &key, d->per_cpu))
		return 0;
	for (cpu = 0; cpu < d->cpus; cpu++)
		sum += d->per_cpu[cpu];
	return sum;
}
