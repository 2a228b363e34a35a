/* SPDX-License-Identifier: MIT */
/* What was handed on of each step, for the next agent. */
#include <errno.h>

#include "drain_seen.h"

enum { NAME_COUNTED = 1, UNREADABLE_COUNTED = 2, LIE_COUNTED = 4 };

static uint64_t flags_of(const struct seen *seen)
{
	return (seen->name_counted ? NAME_COUNTED : 0u) |
	       (seen->unreadable_counted ? UNREADABLE_COUNTED : 0u) |
	       (seen->lie_counted ? LIE_COUNTED : 0u);
}

void seen_save(const struct seen_table *t, struct keep_writer *w)
{
	static const struct samples none;

	keep_number(w, HASH_COUNT(t->steps));
	for (const struct seen *seen = t->steps; seen; seen = seen->hh.next) {
		keep_bytes(w, &seen->key, sizeof(seen->key));
		keep_number(w, flags_of(seen));
		keep_number(w, seen->ended);
		for (int d = 0; d < 2; d++)
			samples_save(seen->left_out ? &none : &seen->durations.samples[d], w);
	}
}

static int load_step(struct seen_table *t, struct keep_reader *r)
{
	struct pb_step_key key;
	struct seen *seen;
	uint64_t flags;
	int err = 0;

	keep_read_bytes(r, &key, sizeof(key));
	if (r->failed)
		return -EBADMSG;
	seen = seen_get(t, &key);
	if (!seen)
		return -ENOMEM;
	if (seen->durations.samples[0].size || seen->durations.samples[1].size)
		return -EBADMSG;
	flags = keep_read(r);
	seen->name_counted = flags & NAME_COUNTED;
	seen->unreadable_counted = flags & UNREADABLE_COUNTED;
	seen->lie_counted = flags & LIE_COUNTED;
	seen->ended = (uint32_t)keep_read(r) & PB_STEP_DEAD;
	for (int d = 0; !err && d < 2; d++) {
		seen->durations.out_of_step[d] = true;
		err = samples_load(&seen->durations.samples[d], r);
	}
	return err;
}

int seen_load(struct seen_table *t, struct keep_reader *r)
{
	size_t count = keep_read_count(r);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = load_step(t, r);
	return err ? err : keep_result(r);
}
