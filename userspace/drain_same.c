/* SPDX-License-Identifier: MIT */
/* Which steps are as their last record said, so that no other one is made. */
#include <string.h>

#include "drain_internal.h"

void drain_set_terse(struct drain *d)
{
	d->terse = true;
}

bool drain_is_same(const struct item *item, enum drain_kind kind)
{
	const struct seen *seen = item->seen;

	if (!item->same || item->read || item->peeked)
		return false;
	return kind == DRAIN_COUNTS ? seen->told : seen->rested;
}

/* For what is open times go on. */
static bool is_anything_open(const struct pb_step *e)
{
	return e->now.state & PUSHBACK_OPEN_ANY || e->now.self_since;
}

void drain_note_told(struct seen *seen, const struct pb_step *e, bool settled)
{
	seen->told = !is_anything_open(e);
	seen->rested = seen->told && settled && durations_are_told(&seen->durations, e);
}

void drain_same_record(struct record *r, const struct item *item, const struct pb_step *e)
{
	r->same = true;
	r->key = item->seen->key;
	r->place = e->place;
	memcpy(r->process, e->comm, sizeof(r->process));
	r->process[sizeof(r->process) - 1] = '\0';
}
