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

/* That the entry's last ones are all that is new, and just that. */
static bool are_recent(const struct durations *seen, const struct pb_recent *recent, int direction,
		       uint64_t wanted)
{
	uint32_t n = seen->recent[direction];
	uint64_t weight = 0;

	if (seen->out_of_step[direction] || !seen->few[direction])
		return false;
	for (; n != recent->count; n++) {
		uint32_t one = recent->last[n % PB_RECENT].weight;

		if (!one || recent->last[n % PB_RECENT].index >= PB_HIST_BUCKETS)
			return false;
		weight += one;
	}
	return weight == wanted;
}

static int hand_on_recent(struct durations *seen, const struct pb_recent *recent, int direction,
			  struct hist *into)
{
	int err = 0;

	while (!err && seen->recent[direction] != recent->count) {
		uint32_t at = seen->recent[direction] % PB_RECENT;

		err = samples_pass(&seen->samples[direction], recent->last[at].index,
				   recent->last[at].weight, into);
		seen->recent[direction] += !err;
	}
	return err;
}

/*
 * The part where the last ones were comes first: mostly it has them all. Each was read after the step,
 * and together they must not be ahead of its episodes.
 */
static int hand_on_read(struct durations *seen, int hists, const struct pb_step_key *step,
			const struct pb_step *e, int direction, struct hist *into)
{
	struct pb_hist_key key = { .step = *step, .direction = (uint32_t)direction };
	struct samples *samples = &seen->samples[direction];
	uint64_t sampled = sampled_of(e, direction);
	unsigned int first = seen->part[direction];
	struct pb_hist counts;
	int err;

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
	seen->recent[direction] = e->recent[direction].count;
	seen->out_of_step[direction] = true;
	return err;
}

int drain_durations(struct durations *seen, int hists, const struct pb_step_key *step,
		    const struct pb_step *e, int direction, struct hist *into)
{
	const struct pb_recent *recent = &e->recent[direction];
	uint64_t wanted = ahead(sampled_of(e, direction), &seen->samples[direction]);
	int err;

	hist_clear(into);
	seen->read[direction] = false;
	if (!wanted)
		return 0;
	seen->few[direction] = recent->count - seen->recent[direction] <= PB_RECENT;
	if (are_recent(seen, recent, direction, wanted)) {
		err = hand_on_recent(seen, recent, direction, into);
	} else {
		seen->read[direction] = true;
		err = hand_on_read(seen, hists, step, e, direction, into);
	}
	/* What was taken is to be handed on. */
	return into->count ? 0 : err;
}

bool durations_were_read(const struct durations *seen)
{
	return seen->read[0] || seen->read[1];
}

bool durations_may_agree(const struct durations *seen)
{
	return (seen->read[0] && seen->few[0]) || (seen->read[1] && seen->few[1]);
}

void durations_agree(struct durations *seen, const struct pb_step *e, const struct pb_step *later)
{
	/* Nothing was under way either. */
	if (later->sequence_begin != e->sequence_end || later->sequence_end != e->sequence_end)
		return;
	for (int d = 0; d < 2; d++)
		if (seen->read[d] && !ahead(sampled_of(e, d), &seen->samples[d]))
			seen->out_of_step[d] = false;
}
