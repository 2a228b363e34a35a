/* SPDX-License-Identifier: MIT */
/*
 * drain.c - see drain.h
 *
 * Totals in the maps only grow and nothing is reset, so nothing is lost between a read and a reset.
 * What this file remembers of a step is how much of its histograms it has handed on.
 */
#include "drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "drain_delete.h"
#include "drain_internal.h"
#include "drain_record.h"

#define SILENT_NS 1000000000ull
/* Durations are not left for longer: counts of the kernel's histograms wrap at 2^32. */
#define DURATIONS_NS 60000000000ull
/* Drains in a row in which a silent step's memory held something else: it is gone. */
#define GONE_DRAINS 5
/* Steps that are read together, and then told of while they are in the caches. */
#define TOGETHER 256
/* Few of the steps, to be read one by one, are less than this part. */
#define FEW_PART 8

/* One drain's arguments. */
struct call {
	uint64_t now;
	enum drain_kind kind;
	bool again; /* entries are those of the drain before, brought up to date */
	size_t had_events;
	drain_fn fn;
	void *context;
};

struct drain *drain_new(const struct attach_maps *maps)
{
	struct drain *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->maps = *maps;
	d->map.fd = maps->steps;
	d->cpus = libbpf_num_possible_cpus();
	if (d->cpus < 1)
		d->cpus = 1;
	d->per_cpu = calloc((size_t)d->cpus, sizeof(*d->per_cpu));
	d->peeks = calloc(TOGETHER, sizeof(*d->peeks));
	d->peeker = peeker_new();
	d->hists = drain_hists_new(maps->hists);
	if (!d->per_cpu || !d->peeks || !d->peeker || !d->hists) {
		drain_free(d);
		return NULL;
	}
	return d;
}

void drain_free(struct drain *d)
{
	if (!d)
		return;
	seen_free(&d->seen);
	hist_free(&d->samples[0]);
	hist_free(&d->samples[1]);
	free(d->per_cpu);
	drain_map_free(&d->map);
	drain_hists_free(d->hists);
	free(d->known);
	free(d->items);
	free(d->peeks);
	peeker_free(d->peeker);
	free(d);
}

size_t drain_steps(const struct drain *d)
{
	return d->steps;
}

size_t drain_processes(const struct drain *d)
{
	return d->processes;
}

size_t drain_histograms(const struct drain *d)
{
	return d->seen.parts;
}

/* ---- Steps ---- */

/* What was read may well be later than the drain's instant. */
static bool is_long_ago(uint64_t at, uint64_t now)
{
	return at < now && now - at >= SILENT_NS;
}

/* No event for a while. */
static bool is_silent(const struct pb_step *e, uint64_t now)
{
	return is_long_ago(e->event_ns, now);
}

/*
 * What its memory has and no sample tells gets none before its next event: it was folded, or its event was
 * lost. Of an event that came after the entry was read the memory has the time, and its samples are there
 * for the next drain.
 */
static bool is_settled(const struct pb_step *e, uint64_t now)
{
	return is_silent(e, now) && is_long_ago(e->now.fired, now);
}

/*
 * Its memory is gone. Mostly it has exited since the entry was read, and the kernel has put its last
 * words there. Else its exit was not seen, or it had too many steps to be read then; or the process
 * lives on without it, as after a dlclose. True if `e` is the step's end.
 */
static bool is_gone(struct drain *d, struct seen *seen, struct pb_step *e, bool process_gone,
		    uint64_t now)
{
	if (bpf_map_lookup_elem(d->maps.steps, &seen->key, e) ||
	    !drain_read_whole(d, &seen->key, e))
		return false;
	if (e->flags & PB_STEP_DEAD)
		return true;
	seen->misses += is_silent(e, now);
	if (!process_gone && seen->misses < GONE_DRAINS)
		return false;
	d->lost[DRAIN_LOSS_GONE]++;
	pushback_abandon(&e->now, now);
	e->flags |= process_gone ? PB_STEP_EXITED : PB_STEP_ENDED;
	return true;
}

/*
 * The struct's memory as it is now. An event is news, no more: a step counts on between two, folds
 * episodes, and one that nobody drives fires nothing. True if `e->now` is its present state.
 */
static bool is_fresh(struct drain *d, struct seen *seen, struct pb_step *e, int peeked,
		     const struct call *call)
{
	uint64_t now = call->now;
	/* Else its next event makes up for it. */
	bool missed = is_silent(e, now) || call->kind == DRAIN_LAST;

	switch (peeked) {
	case 0:
		seen->misses = 0;
		return true;
	case -EAGAIN: /* being driven right now: its events tell */
		return false;
	case -EPERM:
		d->lost[DRAIN_LOSS_SILENT] += missed && !seen->unreadable_counted;
		seen->unreadable_counted |= missed;
		return false;
	case -ESRCH:
		return is_gone(d, seen, e, true, now);
	default:
		return is_gone(d, seen, e, false, now);
	}
}

static void count_name(struct drain *d, struct seen *seen, const struct pb_step *e)
{
	if (seen->name_counted)
		return;
	seen->name_counted = true;
	if (e->now.state & PUSHBACK_NAME_CUT || e->now.name[PUSHBACK_NAME_SIZE - 1])
		d->lost[DRAIN_LOSS_NAME_CUT]++;
}

static int read_durations(struct drain *d, struct seen *seen, const struct pb_step *e,
			  struct record *r)
{
	int err = 0, direction;

	for (direction = 0; !err && direction < 2; direction++) {
		err = drain_durations(&seen->durations, d->maps.hists, &seen->key, e, direction,
				      &d->samples[direction]);
		r->samples[direction] = d->samples[direction];
	}
	d->had_read += durations_were_read(&seen->durations);
	if (!err && durations_may_agree(&seen->durations) &&
	    !bpf_map_lookup_elem(d->maps.steps, &seen->key, &d->entry))
		durations_agree(&seen->durations, e, &d->entry);
	return err;
}

/* Its last record was handed on. */
static void end_step(struct drain *d, struct item *item, const struct pb_step *e)
{
	struct seen *seen = item->seen;

	d->steps--;
	d->known_count = 0;
	if (d->keeps) {
		seen->ended = e->flags & PB_STEP_DEAD;
		d->ended++;
	} else {
		drain_delete_step(&d->maps, &seen->key, e);
		seen_forget(&d->seen, seen);
		/* Until the next drain the item is still there: drain_retire() goes through them. */
		item->seen = NULL;
		item->whole = false;
	}
}

/* -ENOMEM: its next drain makes up for it, unless it was the last one. */
static int read_step(struct drain *d, struct item *item, const struct call *call)
{
	struct seen *seen = item->seen;
	struct pb_step *e = &d->map.values[item->at];
	struct record r = { .key = seen->key };
	bool fresh = true;
	int err;

	if (d->terse && call->again && drain_is_same(item, call->kind)) {
		drain_same_record(&d->same, item, e);
		err = call->fn(&d->same, call->context);
		/* Whoever does not want it any more, or could not take it, gets all the next time. */
		if (err)
			seen->told = seen->rested = false;
		return err < 0 ? err : 0;
	}
	seen->told = seen->rested = false;
	count_name(d, seen, e);
	/* Else its entry is as it was. */
	if (!call->again || item->read)
		seen_count_parts(&d->seen, seen, e);
	if (!(e->flags & PB_STEP_DEAD))
		fresh = is_fresh(d, seen, e, item->peeked, call);
	r.dead = e->flags & PB_STEP_DEAD;
	if (r.dead || call->kind != DRAIN_COUNTS) {
		r.settle =
			r.dead || call->kind == DRAIN_LAST || (fresh && is_settled(e, call->now));
		err = read_durations(d, seen, e, &r);
		if (err)
			return err;
	}
	if (!drain_record(&r, e, call->now, fresh)) {
		d->lost[DRAIN_LOSS_LIE] += !seen->lie_counted;
		seen->lie_counted = true;
	}
	err = call->fn(&r, call->context);
	seen->left_out = err > 0;
	if (!err && fresh)
		drain_note_told(seen, e, r.settle);
	if (r.dead)
		end_step(d, item, e);
	return err < 0 ? err : 0;
}

/* Whether it had some since the last drain with durations, or has to be read as if. */
static void note_events(const struct drain *d, struct item *item, struct call *call)
{
	uint64_t events = d->map.values[item->at].events;

	if (call->kind == DRAIN_COUNTS)
		return;
	call->had_events += item->read || events != item->seen->events;
	item->seen->events = events;
}

/* Steps that are read together. */
static int drain_some(struct drain *d, struct item *items, size_t count, struct call *call)
{
	drain_look(d, items, count, call->again, call->kind);
	for (size_t i = 0; i < count; i++) {
		int err;

		if (!items[i].whole || items[i].seen->ended)
			continue;
		note_events(d, &items[i], call);
		err = read_step(d, &items[i], call);
		if (err && err != -ENOMEM)
			return err;
		d->lost[DRAIN_LOSS_MEMORY] += err == -ENOMEM;
	}
	return 0;
}

/* ---- All steps ---- */

static int by_place(const void *a, const void *b)
{
	const struct seen *x = ((const struct item *)a)->seen, *y = ((const struct item *)b)->seen;
	int order = memcmp(&x->key.process, &y->key.process, sizeof(x->key.process));

	return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Steps that the map has no longer. */
static void sweep_steps(struct drain *d)
{
	struct seen *seen, *next;

	HASH_ITER (hh, d->seen.steps, seen, next)
		if (seen->walk != d->walk)
			seen_forget(&d->seen, seen);
}

static void put_in_order(struct drain *d)
{
	size_t i;

	d->walk++;
	d->items_count = 0;
	for (i = 0; i < d->map.count; i++) {
		struct seen *seen = seen_get(&d->seen, &d->map.keys[i]);

		if (!seen) {
			d->lost[DRAIN_LOSS_MEMORY]++;
			continue;
		}
		seen->walk = d->walk;
		seen->place = d->map.values[i].place;
		d->items[d->items_count++] = (struct item){ .seen = seen, .at = i };
	}
	if (d->items_count)
		qsort(d->items, d->items_count, sizeof(*d->items), by_place);
	d->known_count = d->items_count == d->map.count ? d->map.count : 0;
	if (d->map.count)
		memcpy(d->known, d->map.keys, d->map.count * sizeof(*d->map.keys));
}

/* As long as there are the same steps their order is the same. */
static bool is_in_order(const struct drain *d)
{
	return d->map.count && d->map.count == d->known_count &&
	       !memcmp(d->known, d->map.keys, d->map.count * sizeof(*d->map.keys));
}

static int drain_all(struct drain *d, struct call *call)
{
	size_t done, count;
	int err = 0;

	for (done = 0; !err && done < d->items_count; done += count) {
		count = d->items_count - done < TOGETHER ? d->items_count - done : TOGETHER;
		err = drain_some(d, &d->items[done], count, call);
	}
	return err;
}

/* For all that the map has. 0 or -ENOMEM. */
static int reserve(struct drain *d)
{
	const struct {
		void *array; /* a pointer to one, whatever it is to */
		size_t size;
	} arrays[] = {
		{ &d->known, sizeof(*d->known) },
		{ &d->items, sizeof(*d->items) },
	};

	for (size_t i = 0; d->capacity < d->map.capacity && i < 2; i++) {
		void *old, *array;

		memcpy(&old, arrays[i].array, sizeof(old));
		array = realloc(old, d->map.capacity * arrays[i].size);
		if (!array)
			return -ENOMEM;
		memcpy(arrays[i].array, &array, sizeof(array));
	}
	d->capacity = d->map.capacity;
	return 0;
}

/* The map as it is now, and what it has no longer is forgotten. */
static int read_all(struct drain *d)
{
	int err = drain_map_read(&d->map);

	if (err && err != -ENOMEM)
		return err;
	if (reserve(d)) {
		d->map.count = d->capacity < d->map.count ? d->capacity : d->map.count;
		err = -ENOMEM;
	}
	/* Those that there was no memory for are not forgotten. */
	d->lost[DRAIN_LOSS_MEMORY] += err == -ENOMEM;
	if (!is_in_order(d)) {
		put_in_order(d);
		if (!err)
			sweep_steps(d);
	}
	d->steps = d->items_count;
	return 0;
}

static uint64_t count_changes(const struct drain *d)
{
	uint64_t count = 0;
	uint32_t key = 0;

	/* Unknown is as good as changed. */
	return bpf_map_lookup_elem(d->maps.changes, &key, &count) ? d->changes + 1 : count;
}

/* Of histograms all at once take less where many steps need theirs. */
static bool read_few(const struct drain *d)
{
	return d->had_read * FEW_PART < d->steps;
}

/* Such ones are read by themselves: of many, all at once take less. */
static bool had_few_events(const struct drain *d)
{
	return d->had_events * FEW_PART < d->steps;
}

static bool can_do_without_map(const struct drain *d, enum drain_kind kind)
{
	return kind == DRAIN_COUNTS || (kind == DRAIN_ALL && had_few_events(d));
}

static void take_durations(const struct pb_hist_key *key, const struct pb_hist *counts,
			   void *context)
{
	struct drain *d = context;
	struct seen *seen = seen_next(&d->seen, &key->step);

	/* What there is no memory for is read again where it is missed. */
	if (seen)
		durations_read(&seen->durations, key, counts);
}

static void read_histograms(struct drain *d)
{
	seen_begin(&d->seen);
	drain_hists_read(d->hists, take_durations, d);
}

int drain_run(struct drain *d, uint64_t now, enum drain_kind kind, drain_fn fn, void *context)
{
	struct call call = { .now = now, .kind = kind, .fn = fn, .context = context };
	uint64_t changes = count_changes(d);
	bool changed = changes != d->changes || !d->known_count;
	int err;

	if (now - d->durations_at >= DURATIONS_NS && kind == DRAIN_COUNTS)
		call.kind = DRAIN_ALL;
	call.again = !changed && can_do_without_map(d, call.kind);
	err = call.again ? 0 : read_all(d);
	/* After the steps: no episode that an entry has is without its duration. */
	if (!err && call.kind != DRAIN_COUNTS && !read_few(d))
		read_histograms(d);
	if (!err && call.kind != DRAIN_COUNTS)
		d->had_read = 0;
	if (!err)
		err = drain_all(d, &call);
	if (err)
		return err;
	if (changed)
		d->processes = drain_sweep_processes(&d->maps);
	d->changes = changes;
	if (call.kind != DRAIN_COUNTS) {
		d->durations_at = now;
		d->had_events = call.had_events;
	}
	return 0;
}
