/* SPDX-License-Identifier: MIT */
/* What of the drain outlives the agent. */
#include <errno.h>
#include <bpf/bpf.h>

#include "drain_delete.h"
#include "drain_internal.h"

void drain_set_keeps(struct drain *d)
{
	d->keeps = true;
}

size_t drain_ended(const struct drain *d)
{
	return d->ended;
}

void drain_bury(struct drain *d)
{
	struct seen *seen, *next;

	HASH_ITER (hh, d->seen.steps, seen, next) {
		if (!seen->ended)
			continue;
		if (!bpf_map_lookup_elem(d->maps.steps, &seen->key, &d->entry)) {
			d->entry.flags |= seen->ended;
			drain_delete_step(&d->maps, &seen->key, &d->entry);
		}
		seen_forget(&d->seen, seen);
	}
	d->ended = 0;
	d->known_count = 0;
}

void drain_save(const struct drain *d, struct keep_writer *w)
{
	keep_number(w, DRAIN_LOSSES);
	keep_numbers(w, d->lost, DRAIN_LOSSES);
	seen_save(&d->seen, w);
}

int drain_load(struct drain *d, struct keep_reader *r)
{
	int err;

	if (keep_read(r) != DRAIN_LOSSES)
		return -EBADMSG;
	keep_read_numbers(r, d->lost, DRAIN_LOSSES);
	err = seen_load(&d->seen, r);
	for (const struct seen *seen = d->seen.steps; !err && seen; seen = seen->hh.next)
		d->ended += seen->ended != 0;
	return err;
}
