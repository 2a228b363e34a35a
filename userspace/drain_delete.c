/* SPDX-License-Identifier: MIT */
#include "drain_delete.h"

#include <stdbool.h>
#include <bpf/bpf.h>

/* Makes room for another one. A process that was swept has no room to make. */
static void count_deletion(const struct attach_maps *maps, const struct pb_process_key *key)
{
	struct pb_process process;
	uint32_t deleted = 0;

	if (bpf_map_lookup_elem(maps->processes, key, &process))
		return;
	bpf_map_lookup_elem(maps->deletions, key, &deleted);
	deleted++;
	bpf_map_update_elem(maps->deletions, key, &deleted, BPF_ANY);
}

static void delete_process(const struct attach_maps *maps, const struct pb_process_key *key)
{
	bpf_map_delete_elem(maps->processes, key);
	bpf_map_delete_elem(maps->deletions, key);
}

static void delete_durations(const struct attach_maps *maps, const struct pb_step_key *key,
			     const struct pb_step *e)
{
	struct pb_hist_key hist = { .step = *key };

	for (hist.direction = 0; hist.direction < 2; hist.direction++)
		for (hist.part = 0; hist.part < PB_HIST_PARTS; hist.part++)
			if (e->parts[hist.direction] & 1u << hist.part)
				bpf_map_delete_elem(maps->hists, &hist);
}

void drain_delete_step(const struct attach_maps *maps, const struct pb_step_key *key,
		       const struct pb_step *e)
{
	struct pb_place_key place = { .process = key->process, .place = e->place };
	uint64_t lives;

	delete_durations(maps, key, e);
	if (!bpf_map_lookup_elem(maps->places, &place, &lives) && lives == key->instance)
		bpf_map_delete_elem(maps->places, &place);
	/* Last, and counted but once: should we be killed in between, the next agent does it again. */
	if (bpf_map_delete_elem(maps->steps, key))
		return;
	/* One whose exit was seen is still going through its steps, until it says that it has exited. */
	if (e->flags & PB_STEP_EXITED && !e->dead_ns)
		delete_process(maps, &key->process);
	else
		count_deletion(maps, &key->process);
}

size_t drain_sweep_processes(const struct attach_maps *maps)
{
	struct pb_process_key key, next;
	bool more = !bpf_map_get_next_key(maps->processes, NULL, &next);
	struct pb_process process;
	size_t count = 0;

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(maps->processes, &key, &next);
		if (!bpf_map_lookup_elem(maps->processes, &key, &process) && process.exited)
			delete_process(maps, &key);
		else
			count++;
	}
	return count;
}
