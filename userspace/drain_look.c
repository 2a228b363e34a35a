/* SPDX-License-Identifier: MIT */
/* What the steps' entries say, and after that their memory, as it is now. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>

#include "cpu_time.h"
#include "drain_internal.h"
#include "drain_whole.h"

/* Drains in a row in which a step's memory is not read as its process has not run. */
#define RESTS_MOST 10

/* The batch's may be torn. */
bool drain_read_whole(struct drain *d, const struct pb_step_key *key, struct pb_step *e)
{
	int err = drain_whole(d->maps.steps, key, e);

	d->lost[DRAIN_LOSS_TORN] += err == -EAGAIN;
	return !err;
}

/* By itself, when the map as a whole is not read. */
static bool read_entry(struct drain *d, const struct pb_step_key *key, struct pb_step *e)
{
	return !bpf_map_lookup_elem(d->maps.steps, key, e) && drain_read_whole(d, key, e) &&
	       e->events;
}

static bool has_next(const struct pb_step *e, uint64_t place)
{
	for (int i = 0; place && i < PB_MAX_NEXT; i++)
		if (e->next[i].place == place)
			return true;
	return !place;
}

/*
 * For counts an entry of the drain before is good if its memory could be read, but for the steps that
 * it hands on to: the memory has the last one of these. For durations there must have been no event:
 * a step notes the time of each beforehand, and no two have the same.
 */
static void renew(struct drain *d, struct item *item, enum drain_kind kind)
{
	struct pb_step *e = &d->map.values[item->at];
	bool durations = kind != DRAIN_COUNTS;
	int peeked = item->peeked;

	if (peeked == -EAGAIN || peeked == -EPERM ||
	    (durations && !peeked && e->now.fired != e->event_ns)) {
		item->whole = read_entry(d, &item->seen->key, e);
		item->read = durations;
		item->at_rest = false;
	} else if (!peeked && !has_next(e, e->now.next) &&
		   read_entry(d, &item->seen->key, &d->entry)) {
		item->same = false;
		memcpy(e->next, d->entry.next, sizeof(e->next));
	}
}

/* What is known of it is all in its entry. */
static bool is_foreign(const struct item *item)
{
	return item->seen->key.instance & PB_FOREIGN;
}

/* In its process's memory. */
static bool is_living(const struct drain *d, const struct item *item)
{
	return item->whole && !is_foreign(item) && !item->seen->ended &&
	       !(d->map.values[item->at].flags & PB_STEP_DEAD);
}

/* Or of those of them that were read by themselves. */
static bool is_asked(const struct drain *d, const struct item *item, bool read)
{
	return is_living(d, item) && item->read >= read && !item->at_rest;
}

/* Into the memory of those. */
static void look(struct drain *d, struct item *items, size_t count, bool read)
{
	size_t asked = 0, i;

	for (i = 0; i < count; i++) {
		struct pb_step *e = &d->map.values[items[i].at];

		if (is_asked(d, &items[i], read))
			d->peeks[asked++] = (struct peek_step){
				.pid = (pid_t)items[i].seen->key.process.tgid,
				.place = e->place,
				.step = &e->now,
			};
	}
	peek_steps(d->peeker, d->peeks, asked);
	for (i = asked = 0; i < count; i++) {
		if (!is_asked(d, &items[i], read))
			continue;
		items[i].peeked = d->peeks[asked].result;
		items[i].same = d->peeks[asked++].same;
	}
}

/*
 * Who has not run has changed nothing: of a process that has had no CPU since its steps were read they are
 * as they were. What a thread has right now may be known some milliseconds later: so the next drain has what
 * this one passes over, and the last one looks. Now and then others do, too: memory can be shared.
 */
static void let_rest(struct item *items, size_t count, bool again, enum drain_kind kind)
{
	uint64_t cpu = 0;

	for (size_t i = 0; i < count; i++) {
		struct item *item = &items[i];
		uint32_t tgid = item->seen->key.process.tgid;
		uint64_t had = again ? item->cpu : 0;

		if (!i || tgid != item[-1].seen->key.process.tgid)
			cpu = cpu_time_of((pid_t)tgid);
		item->cpu = cpu;
		item->at_rest = had && had == cpu && kind != DRAIN_LAST && item->rests < RESTS_MOST;
		item->rests = item->at_rest ? item->rests + 1 : 0;
	}
}

void drain_look(struct drain *d, struct item *items, size_t count, bool again, enum drain_kind kind)
{
	let_rest(items, count, again, kind);
	for (size_t i = 0; i < count; i++) {
		const struct pb_step_key *key = &items[i].seen->key;
		struct pb_step *e = &d->map.values[items[i].at];

		items[i].read = false;
		items[i].peeked = 0;
		items[i].same = items[i].at_rest;
		if (!again)
			items[i].whole = drain_read_whole(d, key, e) && e->events;
		else if (!items[i].whole || is_foreign(&items[i]))
			items[i].whole = read_entry(d, key, e);
		items[i].read = again && is_foreign(&items[i]);
	}
	look(d, items, count, false);
	for (size_t i = 0; again && i < count; i++) {
		if (is_living(d, &items[i]))
			renew(d, &items[i], kind);
	}
	if (again && kind != DRAIN_COUNTS)
		look(d, items, count, true);
	/* Of what was not read nothing is known. */
	for (size_t i = 0; i < count; i++)
		if (!is_living(d, &items[i]) || items[i].peeked)
			items[i].cpu = 0;
}
