/* SPDX-License-Identifier: MIT */
#include "drain_durations.h"

#include <bpf/bpf.h>

void durations_free(struct durations *seen)
{
	samples_free(&seen->taken[0]);
	samples_free(&seen->taken[1]);
}

/*
 * The part where the last ones were comes first: mostly it has them all. Each was read after the step,
 * and together they must not be ahead of its episodes.
 */
int drain_durations(struct durations *seen, int hists, const struct pb_step_key *step,
		    const struct pb_step *e, int direction, struct hist *into)
{
	struct pb_hist_key key = { .step = *step, .direction = (uint32_t)direction };
	struct samples_taken *taken = &seen->taken[direction];
	uint64_t sampled = e->sampled[direction] - e->base.direction[direction].closed;
	unsigned int first = seen->part[direction];
	struct pb_hist part;
	int err = 0;

	hist_clear(into);
	for (unsigned int i = 0; !err && i < PB_HIST_PARTS && sampled > taken->total; i++) {
		uint64_t before = taken->total;

		key.part = (first + i) % PB_HIST_PARTS;
		if (!(e->parts[direction] & 1u << key.part) ||
		    bpf_map_lookup_elem(hists, &key, &part))
			continue;
		err = samples_take(taken, key.part, &part, sampled - before, into);
		if (taken->total > before)
			seen->part[direction] = key.part;
	}
	/* What was taken is to be handed on. */
	return into->count ? 0 : err;
}
