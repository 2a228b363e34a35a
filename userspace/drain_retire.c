/* SPDX-License-Identifier: MIT */
/* drain_retire.c - steps that nobody watches any more, while their process goes on */
#include <bpf/bpf.h>

#include "drain_internal.h"

/* Of an episode that was open the beginning was seen and the end will not be. */
static void part(struct pushback_step *s, uint64_t now)
{
	for (int i = PUSHBACK_SEND; i <= PUSHBACK_RECEIVE; i++) {
		struct pushback_direction *d = &s->direction[i];

		if (!d->since)
			continue;
		d->partial_ns += pushback_since(d->since, now);
		d->partial++;
		d->since = 0;
	}
	s->state &= ~(PUSHBACK_OPEN_ANY | PUSHBACK_PARTIAL | PUSHBACK_PARTIAL << 1);
	pushback_self(s, now);
}

/* As the last drain has it, which is newer than the kernel's entry: there the memory is not in. */
static void retire(struct drain *d, struct item *item, uint64_t now)
{
	struct pb_step *e = &d->map.values[item->at];

	part(&e->now, now);
	e->flags |= PB_STEP_ENDED | PB_STEP_PARTLY;
	e->dead_ns = now;
	bpf_map_update_elem(d->maps.steps, &item->seen->key, e, BPF_EXIST);
}

void drain_retire(struct drain *d, uint32_t object, uint64_t now)
{
	for (size_t i = 0; i < d->items_count; i++) {
		struct item *item = &d->items[i];
		const struct pb_step *e = &d->map.values[item->at];

		if (item->whole && !item->seen->ended && e->object == object &&
		    !(e->flags & PB_STEP_DEAD))
			retire(d, item, now);
	}
	/* The map is to be read again: nothing in it has told of this. */
	d->known_count = 0;
}
