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

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "peek.h"

#define BATCH      256
#define SILENT_NS  1000000000ull
#define TORN_TRIES 4
/* Clocks are read here and there, and a drain takes its time. */
#define BLUR_NS 10000000000ull
/* Drains in a row in which a silent step's memory held something else: it is gone. */
#define GONE_DRAINS 5

/* What of a histogram was handed on. */
struct consumed {
	uint16_t index;
	uint32_t count;
};

struct seen {
	struct pb_step_key key;
	UT_hash_handle hh;
	struct consumed *consumed[2];
	size_t consumed_count[2];
	uint64_t consumed_total[2];
	unsigned int misses;
	unsigned int generation; /* of the drain that saw it last */
	bool name_counted;
	bool unreadable_counted;
	bool lie_counted;
};

struct drain {
	struct attach_maps maps;
	struct seen *seen;
	unsigned int generation;
	size_t steps;
	size_t processes;
	uint64_t lost[DRAIN_LOSSES];
	bool no_batch;
	int cpus;
	uint64_t *per_cpu;
	struct pb_step_key *keys;
	struct pb_step *values;
	struct hist samples[2];
	struct pb_hist buckets;
	struct pb_process process;
};

static const char *const loss_names[DRAIN_LOSSES] = {
	[PB_LOSS_READ] = "step_unreadable",          [PB_LOSS_INVALID] = "step_invalid",
	[PB_LOSS_STEPS_FULL] = "steps_full",         [PB_LOSS_PROCESS_FULL] = "process_full",
	[PB_LOSS_PROCESSES_FULL] = "processes_full", [PB_LOSS_HISTS_FULL] = "histograms_full",
	[PB_LOSS_EXIT_UNREAD] = "exit_unread",       [PB_LOSS_PLACE_FULL] = "places_full",
	[PB_LOSS_NEXT_FULL] = "nexts_full",          [DRAIN_LOSS_TORN] = "torn",
	[DRAIN_LOSS_SILENT] = "silent_unreadable",   [DRAIN_LOSS_GONE] = "gone",
	[DRAIN_LOSS_NAME_CUT] = "name_cut",          [DRAIN_LOSS_MEMORY] = "drain_no_memory",
	[DRAIN_LOSS_LIE] = "step_implausible",
};

const char *drain_loss_name(unsigned int reason)
{
	return reason < DRAIN_LOSSES ? loss_names[reason] : NULL;
}

struct drain *drain_new(const struct attach_maps *maps)
{
	struct drain *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->maps = *maps;
	d->cpus = libbpf_num_possible_cpus();
	if (d->cpus < 1)
		d->cpus = 1;
	d->per_cpu = calloc((size_t)d->cpus, sizeof(*d->per_cpu));
	d->keys = calloc(BATCH, sizeof(*d->keys));
	d->values = calloc(BATCH, sizeof(*d->values));
	if (!d->per_cpu || !d->keys || !d->values) {
		drain_free(d);
		return NULL;
	}
	return d;
}

static void forget(struct drain *d, struct seen *seen)
{
	HASH_DEL(d->seen, seen);
	free(seen->consumed[0]);
	free(seen->consumed[1]);
	free(seen);
}

void drain_free(struct drain *d)
{
	struct seen *seen, *next;

	if (!d)
		return;
	HASH_ITER (hh, d->seen, seen, next)
		forget(d, seen);
	hist_free(&d->samples[0]);
	hist_free(&d->samples[1]);
	free(d->per_cpu);
	free(d->keys);
	free(d->values);
	free(d);
}

uint64_t drain_lost(struct drain *d, unsigned int reason)
{
	uint64_t sum = 0;
	uint32_t key = reason;
	int cpu;

	if (reason >= PB_LOSSES)
		return reason < DRAIN_LOSSES ? d->lost[reason] : 0;
	if (bpf_map_lookup_elem(d->maps.losses, &key, d->per_cpu))
		return 0;
	for (cpu = 0; cpu < d->cpus; cpu++)
		sum += d->per_cpu[cpu];
	return sum;
}

size_t drain_steps(const struct drain *d)
{
	return d->steps;
}

size_t drain_processes(const struct drain *d)
{
	return d->processes;
}

/* ---- Durations ---- */

/* How much of bucket `index` was handed on; `at` moves along the sorted list. */
static uint32_t consumed_of(const struct seen *seen, int direction, size_t *at, unsigned int index)
{
	const struct consumed *c = seen->consumed[direction];

	while (*at < seen->consumed_count[direction] && c[*at].index < index)
		(*at)++;
	if (*at < seen->consumed_count[direction] && c[*at].index == index)
		return c[*at].count;
	return 0;
}

/*
 * Takes what is new in `buckets`, but not more than `most`: the histogram was read after the step,
 * and must not be ahead of its episodes. The rest stays new.
 */
static int take_new(struct drain *d, struct seen *seen, int direction, uint64_t most)
{
	struct consumed *after = NULL;
	size_t count = 0, used = 0, at = 0;
	unsigned int i;

	for (i = 0; i < PB_HIST_BUCKETS; i++)
		used += d->buckets.count[i] != 0;
	after = malloc((used + seen->consumed_count[direction] + 1) * sizeof(*after));
	if (!after)
		return -ENOMEM;
	for (i = 0; i < PB_HIST_BUCKETS; i++) {
		uint32_t before = consumed_of(seen, direction, &at, i);
		uint32_t fresh = d->buckets.count[i] - before; /* counts wrap */

		if (fresh > most)
			fresh = (uint32_t)most;
		if (fresh && hist_add(&d->samples[direction], hist_bucket_ns(i), fresh))
			fresh = 0;
		most -= fresh;
		seen->consumed_total[direction] += fresh;
		if (before + fresh)
			after[count++] = (struct consumed){ (uint16_t)i, before + fresh };
	}
	free(seen->consumed[direction]);
	seen->consumed[direction] = after;
	seen->consumed_count[direction] = count;
	return 0;
}

static int read_samples(struct drain *d, struct seen *seen, const struct pb_step *e, int direction)
{
	struct pb_hist_key key = { .step = seen->key, .direction = (uint32_t)direction };
	uint64_t sampled = e->sampled[direction] - e->base.direction[direction].closed;

	hist_clear(&d->samples[direction]);
	if (sampled <= seen->consumed_total[direction])
		return 0;
	if (bpf_map_lookup_elem(d->maps.hists, &key, &d->buckets))
		return 0;
	return take_new(d, seen, direction, sampled - seen->consumed_total[direction]);
}

/* ---- Records ---- */

static uint64_t since_base(uint64_t now, uint64_t base)
{
	return (int64_t)(now - base) > 0 ? now - base : 0;
}

/*
 * Up to when what is open is known to be. An event may show a direction open whose end it does not
 * promise to tell (PUSHBACK_SHOWN): that is known up to the event only.
 */
static uint64_t known_until(const struct pb_step *e, int direction, uint64_t now, bool fresh)
{
	return fresh || e->now.state & PUSHBACK_SHOWN << direction ? now : e->event_ns;
}

static void count_direction(struct record *r, const struct pb_step *e, int direction, uint64_t now,
			    bool fresh)
{
	const struct pushback_direction *d = &e->now.direction[direction];
	bool receive = direction == PUSHBACK_RECEIVE;
	uint64_t closed = since_base(d->closed, e->base.direction[direction].closed);
	uint64_t *counter = r->counter;
	uint64_t rest = d->closed - e->sampled[direction];

	now = known_until(e, direction, now, fresh);
	counter[receive ? COUNTER_RECEIVE_TIME : COUNTER_SEND_TIME] =
		since_base(pushback_time(&e->now, (unsigned int)direction, now),
			   e->base.direction[direction].time_ns);
	counter[receive ? COUNTER_RECEIVE_EPISODES : COUNTER_SEND_EPISODES] = closed;
	counter[receive ? COUNTER_RECEIVE_ABANDONED : COUNTER_SEND_ABANDONED] =
		since_base(d->abandoned, e->base.direction[direction].abandoned);
	counter[receive ? COUNTER_RECEIVE_PARTIAL : COUNTER_SEND_PARTIAL] =
		since_base(d->partial, e->base.direction[direction].partial);
	counter[receive ? COUNTER_RECEIVE_FOLDED : COUNTER_SEND_FOLDED] =
		since_base(d->folded, e->base.direction[direction].folded);
	r->since[direction] = d->since;
	r->open_partial[direction] = e->now.state & PUSHBACK_PARTIAL << direction;
	r->rest_ns[direction] = 0;
	if ((int64_t)rest > 0)
		r->rest_ns[direction] = since_base(d->closed_ns, e->sampled_ns[direction]) / rest;
}

/*
 * No step is in backpressure for longer than it was watched, nor does it count more than once a ns.
 * What it says beyond would stay in the sums that it shares with others of its name.
 */
static void believe(struct drain *d, struct record *r, struct seen *seen, uint64_t watched_ns)
{
	bool lies = false;
	int i;

	for (i = 0; i < COUNTERS; i++) {
		if (r->counter[i] <= watched_ns + BLUR_NS)
			continue;
		r->counter[i] = watched_ns + BLUR_NS;
		lies = true;
	}
	d->lost[DRAIN_LOSS_LIE] += lies && !seen->lie_counted;
	seen->lie_counted |= lies;
}

static void fill_next(struct record *r, const struct pb_step *e)
{
	for (int i = 0; i < PB_MAX_NEXT; i++) {
		r->next[i].place = e->next[i].place;
		r->next[i].refusals = e->next[i].refusals;
	}
}

static void fill_record(struct drain *d, struct record *r, struct seen *seen,
			const struct pb_step *e, uint64_t now, bool fresh)
{
	r->key = seen->key;
	r->place = e->place;
	fill_next(r, e);
	r->marks = e->now.state & PUSHBACK_MARKS;
	r->depth = (uint32_t)e->now.depth;
	r->capacity = (uint32_t)(e->now.depth >> 32);
	r->cgroup_id = e->cgroup_id;
	r->events = e->events;
	r->begun = e->seen_ns;
	r->self_since = e->now.self_since;
	r->counter[COUNTER_SEND] = since_base(e->now.rejected, e->base.rejected);
	r->counter[COUNTER_RECEIVE] = since_base(e->now.refused, e->base.refused);
	r->counter[COUNTER_ACCEPTED] = since_base(e->now.accepted, e->base.accepted);
	r->counter[COUNTER_FORWARDED] = since_base(e->now.forwarded, e->base.forwarded);
	r->counter[COUNTER_SEND_SELF_TIME] =
		since_base(pushback_self_time(&e->now, known_until(e, PUSHBACK_SEND, now, fresh)),
			   e->base.self_ns);
	count_direction(r, e, PUSHBACK_SEND, now, fresh);
	count_direction(r, e, PUSHBACK_RECEIVE, now, fresh);
	believe(d, r, seen, since_base(now, e->seen_ns));
	r->samples[0] = d->samples[0];
	r->samples[1] = d->samples[1];
	memcpy(r->name, e->now.name, sizeof(r->name));
	r->name[sizeof(r->name) - 1] = '\0';
	memcpy(r->process, e->comm, sizeof(r->process));
	r->process[sizeof(r->process) - 1] = '\0';
}

/* ---- Steps ---- */

static struct seen *see(struct drain *d, const struct pb_step_key *key)
{
	struct seen *seen;

	HASH_FIND(hh, d->seen, key, sizeof(*key), seen);
	if (seen)
		return seen;
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	seen->key = *key;
	HASH_ADD(hh, d->seen, key, sizeof(seen->key), seen);
	if (!seen->hh.tbl) {
		free(seen);
		return NULL;
	}
	return seen;
}

/* No event for a while. The last one may well be later than the drain's instant. */
static bool is_silent(const struct pb_step *e, uint64_t now)
{
	return since_base(now, e->event_ns) >= SILENT_NS;
}

/* A copy that its writer did not change meanwhile; the batch's may be torn. */
static bool read_whole(struct drain *d, const struct pb_step_key *key, struct pb_step *e)
{
	int i;

	for (i = 0; i < TORN_TRIES; i++) {
		if (e->sequence_begin == e->sequence_end)
			return true;
		if (bpf_map_lookup_elem(d->maps.steps, key, e))
			return false;
	}
	d->lost[DRAIN_LOSS_TORN]++;
	return false;
}

/*
 * Its memory is gone. Mostly it has exited since the entry was read, and the kernel has put its last
 * words there. Else its exit was not seen, or it had too many steps to be read then; or the process
 * lives on without it, as after a dlclose. True if `e` is the step's end.
 */
static bool is_gone(struct drain *d, struct seen *seen, struct pb_step *e, bool process_gone,
		    uint64_t now)
{
	if (bpf_map_lookup_elem(d->maps.steps, &seen->key, e) || !read_whole(d, &seen->key, e))
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
static bool refresh(struct drain *d, struct seen *seen, struct pb_step *e, uint64_t now)
{
	switch (peek_step((pid_t)seen->key.process.tgid, e->place, &e->now)) {
	case 0:
		seen->misses = 0;
		return true;
	case -EAGAIN: /* being driven right now: its events tell */
		return false;
	case -EPERM:
		d->lost[DRAIN_LOSS_SILENT] += is_silent(e, now) && !seen->unreadable_counted;
		seen->unreadable_counted |= is_silent(e, now);
		return false;
	case -ESRCH:
		return is_gone(d, seen, e, true, now);
	default:
		return is_gone(d, seen, e, false, now);
	}
}

/* Makes room for another one. A process that was swept has no room to make. */
static void count_deletion(struct drain *d, const struct pb_process_key *key)
{
	uint32_t deleted = 0;

	if (bpf_map_lookup_elem(d->maps.processes, key, &d->process))
		return;
	bpf_map_lookup_elem(d->maps.deletions, key, &deleted);
	deleted++;
	bpf_map_update_elem(d->maps.deletions, key, &deleted, BPF_ANY);
}

static void delete_process(struct drain *d, const struct pb_process_key *key)
{
	bpf_map_delete_elem(d->maps.processes, key);
	bpf_map_delete_elem(d->maps.deletions, key);
}

static void delete_step(struct drain *d, struct seen *seen, const struct pb_step *e)
{
	struct pb_hist_key hist = { .step = seen->key };
	struct pb_place_key place = { .process = seen->key.process, .place = e->place };
	uint64_t lives;

	bpf_map_delete_elem(d->maps.steps, &seen->key);
	for (hist.direction = 0; hist.direction < 2; hist.direction++)
		bpf_map_delete_elem(d->maps.hists, &hist);
	if (!bpf_map_lookup_elem(d->maps.places, &place, &lives) && lives == seen->key.instance)
		bpf_map_delete_elem(d->maps.places, &place);
	/* One whose exit was seen is still going through its steps, until it says that it has exited. */
	if (e->flags & PB_STEP_EXITED && !e->dead_ns)
		delete_process(d, &seen->key.process);
	else
		count_deletion(d, &seen->key.process);
}

static void count_name(struct drain *d, struct seen *seen, const struct pb_step *e)
{
	if (seen->name_counted)
		return;
	seen->name_counted = true;
	if (e->now.state & PUSHBACK_NAME_CUT || e->now.name[PUSHBACK_NAME_SIZE - 1])
		d->lost[DRAIN_LOSS_NAME_CUT]++;
}

/* -ENOMEM: its next drain makes up for it, unless it was the last one. */
static int read_step(struct drain *d, const struct pb_step_key *key, struct pb_step *e,
		     uint64_t now, bool last, drain_fn fn, void *context)
{
	struct seen *seen;
	struct record r = { 0 };
	bool fresh = true;
	int err, direction;

	seen = see(d, key);
	if (!seen)
		return -ENOMEM;
	/* Also of one that cannot be read now: what was handed on of it is not forgotten. */
	seen->generation = d->generation;
	if (!read_whole(d, key, e) || !e->events)
		return 0;
	count_name(d, seen, e);
	if (!(e->flags & PB_STEP_DEAD))
		fresh = refresh(d, seen, e, now);
	r.dead = e->flags & PB_STEP_DEAD;
	r.settle = r.dead || last || (fresh && is_silent(e, now));
	for (direction = 0; direction < 2; direction++) {
		err = read_samples(d, seen, e, direction);
		if (err)
			return err;
	}
	fill_record(d, &r, seen, e, now, fresh);
	err = fn(&r, context);
	/* The samples may have been moved by the callee's reading; the memory is ours. */
	if (r.dead) {
		delete_step(d, seen, e);
		forget(d, seen);
	}
	return err;
}

static int drain_step(struct drain *d, const struct pb_step_key *key, struct pb_step *e,
		      uint64_t now, bool last, drain_fn fn, void *context)
{
	int err = read_step(d, key, e, now, last, fn, context);

	if (err != -ENOMEM)
		return err;
	d->lost[DRAIN_LOSS_MEMORY]++;
	return 0;
}

/* ---- The maps ---- */

static int drain_one_by_one(struct drain *d, uint64_t now, bool last, drain_fn fn, void *context)
{
	struct pb_step_key key, next;
	bool more = !bpf_map_get_next_key(d->maps.steps, NULL, &next);
	int err;

	while (more) {
		key = next;
		/* Before the entry may be deleted. */
		more = !bpf_map_get_next_key(d->maps.steps, &key, &next);
		if (bpf_map_lookup_elem(d->maps.steps, &key, &d->values[0]))
			continue;
		err = drain_step(d, &key, &d->values[0], now, last, fn, context);
		if (err)
			return err;
	}
	return 0;
}

/*
 * By batches where the kernel has them. A batch holds whole hash buckets, so deletions between two do
 * not disturb the walk.
 */
static int drain_batches(struct drain *d, uint64_t now, bool last, drain_fn fn, void *context)
{
	uint64_t in = 0, out = 0;
	bool first = true;
	uint32_t count, i;
	int end, err;

	do {
		count = BATCH;
		end = bpf_map_lookup_batch(d->maps.steps, first ? NULL : &in, &out, d->keys,
					   d->values, &count, NULL);
		if (end && end != -ENOENT)
			return end;
		for (i = 0; i < count; i++) {
			err = drain_step(d, &d->keys[i], &d->values[i], now, last, fn, context);
			if (err)
				return err;
		}
		in = out;
		first = false;
	} while (!end);
	return 0;
}

/* Processes that have exited; their steps are flagged on their own. Counts the others. */
static void sweep_processes(struct drain *d)
{
	struct pb_process_key key, next;
	bool more = !bpf_map_get_next_key(d->maps.processes, NULL, &next);

	d->processes = 0;
	while (more) {
		key = next;
		more = !bpf_map_get_next_key(d->maps.processes, &key, &next);
		if (!bpf_map_lookup_elem(d->maps.processes, &key, &d->process) && d->process.exited)
			delete_process(d, &key);
		else
			d->processes++;
	}
}

/* Steps that the maps have no longer. */
static void sweep_steps(struct drain *d)
{
	struct seen *seen, *after;

	d->steps = 0;
	HASH_ITER (hh, d->seen, seen, after) {
		if (seen->generation != d->generation)
			forget(d, seen);
		else
			d->steps++;
	}
}

int drain_run(struct drain *d, uint64_t now, bool last, drain_fn fn, void *context)
{
	int err = -EINVAL;

	d->generation++;
	if (!d->no_batch)
		err = drain_batches(d, now, last, fn, context);
	if (err == -EINVAL || err == -ENOTSUP || err == -ENOSPC) {
		/* Not known to this kernel, or one hash bucket holds more than a batch. */
		d->no_batch = err != -ENOSPC;
		d->generation++;
		err = drain_one_by_one(d, now, last, fn, context);
	}
	if (!err) {
		sweep_steps(d);
		sweep_processes(d);
	}
	return err;
}
