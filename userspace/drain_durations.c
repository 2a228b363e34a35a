/* SPDX-License-Identifier: MIT */
#include "drain_durations.h"

#include <errno.h>
#include <bpf/bpf.h>

void durations_free(struct durations *seen)
{
	samples_free(&seen->samples[0]);
	samples_free(&seen->samples[1]);
}

int durations_read(struct durations *seen, const struct pb_hist_key *key,
		   const struct pb_hist *counts)
{
	if (key->direction > 1 || key->part >= PB_HIST_PARTS)
		return -EINVAL;
	seen->part[key->direction] = key->part;
	return samples_read(&seen->samples[key->direction], key->part, counts);
}

static uint64_t ahead(uint64_t sampled, const struct samples *samples)
{
	return sampled > samples->total ? sampled - samples->total : 0;
}

static uint64_t sampled_of(const struct pb_step *e, int direction)
{
	return e->sampled[direction] - e->base.direction[direction].closed;
}

bool durations_are_told(const struct durations *seen, const struct pb_step *e)
{
	return !ahead(sampled_of(e, 0), &seen->samples[0]) &&
	       !ahead(sampled_of(e, 1), &seen->samples[1]);
}

/*
 * The part where the last ones were comes first: mostly it has them all. Each was read after the step,
 * and together they must not be ahead of its episodes.
 */
int drain_durations(struct durations *seen, int hists, const struct pb_step_key *step,
		    const struct pb_step *e, int direction, struct hist *into)
{
	struct pb_hist_key key = { .step = *step, .direction = (uint32_t)direction };
	struct samples *samples = &seen->samples[direction];
	uint64_t sampled = sampled_of(e, direction);
	unsigned int first = seen->part[direction];
	struct pb_hist counts;
	int err;

	hist_clear(into);
	err = samples_hand_on(samples, ahead(sampled, samples), into);
	for (unsigned int i = 0; !err && i < PB_HIST_PARTS && ahead(sampled, samples); i++) {
		key.part = (first + i) % PB_HIST_PARTS;
		if (!(e->parts[direction] & 1u << key.part) ||
		    bpf_map_lookup_elem(hists, &key, &counts))
			continue;
		err = durations_read(seen, &key, &counts);
		if (!err)
			err = samples_hand_on(samples, ahead(sampled, samples), into);
	}
	/* What was taken is to be handed on. */
	return into->count ? 0 : err;
}
