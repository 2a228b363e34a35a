/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * pushback.bpf.c - the kernel side
 *
 * An event is one fire of one of the four sites. The consumer has already accounted in its own
 * memory; the event says "look at this struct now". So every event is handled alike: find the step's
 * entry, copy the struct into it, put what closed into its histogram. That makes a duplicate harmless
 * and a lost event repairable by the next one. Which probe it was matters only at the first sight of
 * a step, when the baseline is set.
 *
 * One thread at a time drives a step, so an entry has one writer; the loader sees a torn copy by its
 * sequence numbers. Entries of dead steps are deleted by the loader, after it has read them.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "pushback_abi.h"
#include "maps.bpf.h"
#include "pushback_kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Only processes in `targets`. Filtered here: a filter per link is slow and misses nothing less. */
const volatile bool filter_processes = false;

/* For who pauses a file that is hit too often. */
const volatile bool count_hits = false;

/* libbpf has it from 1.2 on. */
#ifndef PT_REGS_PARM6
#ifdef __TARGET_ARCH_x86
#define PT_REGS_PARM6(x) ((x)->r9)
#else
#define PT_REGS_PARM6(x) (((const struct user_pt_regs *)(x))->regs[5])
#endif
#endif

const volatile bool never = false;

/*
 * For each program that a uprobe runs. From Linux 6.13 on the kernel gives programs of this type a stack per
 * CPU, because those of kprobes are not preempted. Those of uprobes are, and then another thread's hit writes
 * over it. Programs with a tail call keep to their thread's stack, also with one that is never reached. It
 * names no map: a map of programs is freed by a work item, and the kernel never frees one that somebody
 * lists by id (as bpftool does) just when its last descriptor was closed.
 */
static __always_inline void own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, NULL, 0);
}

#define READ_SIZE offsetof(struct pushback_step, name) /* what changes of a struct */

static __always_inline void lose(__u32 reason, __u64 n)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &reason);

	/* One uprobe's program may be preempted by another's on this CPU. */
	if (count)
		__sync_fetch_and_add(count, n);
}

/* After what has changed: who reads the maps then finds it there. */
static __always_inline void count_change(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&changes, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void count_hit(__u32 object, __u32 kind)
{
	__u32 key = object * PB_HITS + kind;
	__u64 *count = bpf_map_lookup_elem(&hits, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* A task that the verifier knows as one is read without a call. */
static __always_inline void process_of(struct task_struct *task, struct pb_process_key *key)
{
	key->tgid = task->tgid;
	key->start_time = task->group_leader->start_time;
	key->exec_id = (__u32)task->self_exec_id;
}

static __always_inline void write_begin(struct pb_step *e)
{
	__sync_fetch_and_add(&e->sequence_begin, 1);
	barrier();
}

static __always_inline void write_end(struct pb_step *e)
{
	barrier();
	__sync_fetch_and_add(&e->sequence_end, 1);
}

/* ---- Durations ---- */

static __always_inline struct pb_hist *part_of(struct pb_step *e, const struct pb_step_key *key,
					       __u32 direction, __u32 part)
{
	struct pb_hist_key hist_key = { .step = *key, .direction = direction, .part = part };
	struct pb_hist *hist = bpf_map_lookup_elem(&hists, &hist_key);
	__u32 zero = 0;
	void *empty;

	if (hist)
		return hist;
	empty = bpf_map_lookup_elem(&zero_hist, &zero);
	if (!empty || bpf_map_update_elem(&hists, &hist_key, empty, BPF_NOEXIST))
		lose(PB_LOSS_HISTS_FULL, 1);
	hist = bpf_map_lookup_elem(&hists, &hist_key);
	if (hist)
		e->parts[direction] |= 1u << part;
	return hist;
}

static __always_inline void remember(struct pb_recent *r, __u32 index, __u64 weight)
{
	__u32 at = r->count % PB_RECENT;

	barrier_var(at);
	if (at >= PB_RECENT)
		return;
	r->last[at].index = index;
	r->last[at].weight = weight <= 0xffff ? weight : 0;
	r->count++;
}

/* Non-zero: there is no room. */
static __noinline int put(struct pb_step *e, const struct pb_step_key *key, __u32 direction,
			  __u64 ns, __u64 count)
{
	__u32 index = pb_hist_index(ns), at = index % PB_HIST_PART;
	struct pb_hist *hist;

	if (!e || !key || direction > PUSHBACK_RECEIVE)
		return 1;
	hist = part_of(e, key, direction, index / PB_HIST_PART);
	/* clang loses the bound on its way here. */
	barrier_var(at);
	if (!hist || at >= PB_HIST_PART)
		return 1;
	__sync_fetch_and_add(&hist->count[at], (__u32)count);
	remember(&e->recent[direction], index, count);
	return 0;
}

/*
 * What closed since the last event goes in with a duration of its own. For folded episodes one of them
 * stands, picked by the step with equal chances; where they were few (a heartbeat) or it is the end,
 * their mean. A fired one is a sample by itself; there is more than one only where a fire was lost.
 */
static __noinline int sample(struct pb_step *e, const struct pb_step_key *key, __u32 direction)
{
	__u64 closed, folded, closed_ns, folded_ns;
	struct pushback_direction *d;
	struct pushback_pick *pick;
	bool mean;
	__u64 ns;

	if (!e || !key || direction > PUSHBACK_RECEIVE)
		return 0;
	d = &e->now.direction[direction];
	pick = &e->now.pick[direction];
	closed = d->closed - e->sampled[direction];
	folded = d->folded - e->folded[direction];
	if ((__s64)closed <= 0 || folded > closed)
		return 0;
	closed_ns = d->closed_ns - e->sampled_ns[direction];
	folded_ns = d->folded_ns - e->folded_ns[direction];
	mean = e->now.state & (PUSHBACK_BEAT | PUSHBACK_ENDED) || pick->of != folded;
	if (folded) {
		if (put(e, key, direction, mean ? folded_ns / folded : pick->ns, folded))
			return 0;
		e->sampled[direction] += folded;
		e->sampled_ns[direction] += folded_ns;
		e->folded[direction] = d->folded;
		e->folded_ns[direction] = d->folded_ns;
		closed -= folded;
	}
	if (!closed)
		return 0;
	ns = closed == 1 ? closed_ns - folded_ns : (closed_ns - folded_ns) / closed;
	if (closed == 1 && e->now.state & PUSHBACK_SAMPLE << direction)
		ns = d->last;
	if (put(e, key, direction, ns, closed))
		return 0;
	e->sampled[direction] = d->closed;
	e->sampled_ns[direction] = d->closed_ns;
	return 0;
}

#include "pushback_trace.bpf.h"

/* ---- The end of a step ---- */

/* The step lives no more; `now` is when. Its entry stays until the loader has read it. */
static __always_inline void bury(struct pb_step *e, struct pb_process *process, __u32 why,
				 __u64 now)
{
	__u32 slot = e->slot;

	e->flags |= why;
	e->dead_ns = now;
	count_change();
	if (!process)
		return;
	__sync_fetch_and_add(&process->steps, -1);
	barrier_var(slot);
	if (slot < PB_MAX_EXIT_STEPS)
		process->list[slot].instance = 0;
}

/* A new instance lives where this one did, and nobody said that it ended: its memory was written over. */
static __always_inline void replace(struct pb_step_key *key, struct pb_process *process, __u64 now)
{
	struct pb_step *e = bpf_map_lookup_elem(&steps, key);

	if (!e || e->flags & PB_STEP_DEAD)
		return;
	lose(PB_LOSS_REPLACED, 1);
	write_begin(e);
	pushback_abandon(&e->now, now);
	trace_step(e, key, now, TRACE_LAST | TRACE_UNREAD);
	bury(e, process, PB_STEP_REPLACED, now);
	write_end(e);
}

/* ---- The beginning of a step ---- */

/*
 * What this observer leaves out. A watch that began after we attached is ours from its beginning;
 * of one that somebody else began, all but this event.
 */
static __always_inline void set_baseline(struct pb_step *e, __u64 cookie, __u32 value, __u64 now)
{
	const struct pushback_step *s = &e->now;
	__u32 number = cookie >> 8, probe = cookie & 0xff, i;
	struct pb_object *object = bpf_map_lookup_elem(&objects, &number);

	e->base.accepted = s->watch_accepted;
	e->base.rejected = s->watch_rejected;
	e->base.forwarded = s->watch_forwarded;
	e->base.refused = s->watch_refused;
	e->seen_ns = s->watch_since;
	e->object = number;
	if (object && object->partly)
		e->flags |= PB_STEP_PARTLY;
	if (object && s->watch_since >= object->attached_ns)
		return;
	e->seen_ns = now;
	e->base.accepted =
		s->accepted - (probe == PB_PROBE_SUBMIT_RETURN && value == PUSHBACK_ACCEPTED);
	e->base.rejected =
		s->rejected - (probe == PB_PROBE_SUBMIT_RETURN && value == PUSHBACK_REJECTED);
	e->base.forwarded =
		s->forwarded - (probe == PB_PROBE_FORWARD_RETURN && value == PUSHBACK_ACCEPTED);
	e->base.refused =
		s->refused - (probe == PB_PROBE_FORWARD_RETURN &&
			      (value == PUSHBACK_REJECTED || value == PUSHBACK_PROPAGATED));
	for (i = PUSHBACK_SEND; i <= PUSHBACK_RECEIVE; i++) {
		const struct pushback_direction *d = &s->direction[i];
		__u64 sampled = !!(s->state & PUSHBACK_SAMPLE << i);

		e->base.direction[i].closed = d->closed - sampled;
		e->base.direction[i].partial = d->partial - !!(s->state & PUSHBACK_PARTED << i);
		e->base.direction[i].folded = d->folded;
		e->base.direction[i].time_ns = pushback_time(s, i, now);
		e->sampled[i] = d->closed - sampled;
		e->sampled_ns[i] = d->closed_ns - sampled * d->last;
		e->folded[i] = d->folded;
		e->folded_ns[i] = d->folded_ns;
	}
	e->base.self_ns = pushback_self_time(s, now);
}

static __always_inline struct pb_process *process_get(struct pb_process_key *key)
{
	struct pb_process *process = bpf_map_lookup_elem(&processes, key);
	__u32 zero = 0;
	void *empty;

	if (process)
		return process;
	empty = bpf_map_lookup_elem(&zero_process, &zero);
	if (empty)
		bpf_map_update_elem(&processes, key, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&processes, key);
}

/* A place in the list of those that are read at exit; PB_MAX_EXIT_STEPS when it is full. */
static __noinline __u32 list_step(struct pb_process *process, __u64 place, __u64 instance)
{
	__u32 i;

	if (!process)
		return PB_MAX_EXIT_STEPS;
	for (i = 0; i < PB_MAX_EXIT_STEPS; i++) {
		if (!process->list[i].instance &&
		    __sync_val_compare_and_swap(&process->list[i].instance, 0, instance) == 0) {
			process->list[i].place = place;
			return i;
		}
	}
	return PB_MAX_EXIT_STEPS;
}

static __always_inline void move_out(const struct pb_step_key *key, struct pb_process *process,
				     __u64 place, __u64 now)
{
	struct pb_place_key place_key = { .process = key->process, .place = place };
	struct pb_step_key before = *key;
	__u64 *lives = bpf_map_lookup_elem(&places, &place_key);

	if (lives && *lives != key->instance) {
		before.instance = *lives;
		replace(&before, process, now);
	}
}

/* Only once the step has an entry: the loader deletes its place with it. */
static __always_inline void move_in(const struct pb_step_key *key, __u64 place)
{
	struct pb_place_key place_key = { .process = key->process, .place = place };

	if (bpf_map_update_elem(&places, &place_key, &key->instance, BPF_ANY))
		lose(PB_LOSS_PLACE_FULL, 1);
}

/*
 * Whether one more of `steps` may be this process's. The dead count until the loader has deleted them,
 * or else a process of ever new instances could hold the whole map.
 */
static __always_inline bool has_room(struct pb_process_key *key, struct pb_process *process)
{
	__u32 *deleted = bpf_map_lookup_elem(&deletions, key);

	return process->made - (deleted ? *deleted : 0) < PB_MAX_PROCESS_STEPS;
}

/* A step that was not seen before: an entry for it, or NULL with the loss counted. */
static __noinline struct pb_step *step_new(struct pb_step_key *key, __u64 place)
{
	struct pb_process *process = process_get(&key->process);
	__u32 zero = 0;
	struct pb_step *e;
	void *empty = bpf_map_lookup_elem(&zero_step, &zero);

	if (!process || !empty) {
		lose(PB_LOSS_PROCESSES_FULL, 1);
		return NULL;
	}
	move_out(key, process, place, bpf_ktime_get_ns());
	if (!has_room(&key->process, process)) {
		lose(PB_LOSS_PROCESS_FULL, 1);
		return NULL;
	}
	if (bpf_map_update_elem(&steps, key, empty, BPF_NOEXIST)) {
		lose(PB_LOSS_STEPS_FULL, 1);
		return NULL;
	}
	__sync_fetch_and_add(&process->made, 1);
	__sync_fetch_and_add(&process->steps, 1);
	move_in(key, place);
	e = bpf_map_lookup_elem(&steps, key);
	count_change();
	if (!e)
		return NULL;
	e->place = place;
	e->slot = list_step(process, place, key->instance);
	e->cgroup_id = bpf_get_current_cgroup_id();
	return e;
}

static __always_inline void name_step(struct pb_step *e)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;

	bpf_core_read_str(e->comm, sizeof(e->comm), &leader->comm);
	/* Resident, since it lies in the struct; a failure leaves it empty, which is shown as unknown. */
	bpf_probe_read_user(e->now.name, sizeof(e->now.name),
			    (void *)(e->place + offsetof(struct pushback_step, name)));
}

/* ---- Events ---- */

static __always_inline bool is_target(void)
{
	__u32 tgid;

	/* The compiler would leave the call there for nothing. */
	if (!filter_processes)
		return true;
	tgid = bpf_get_current_pid_tgid() >> 32;
	return bpf_map_lookup_elem(&targets, &tgid);
}

/* The slot of a next step that lives no more, as after a rebalance of what is behind this one. */
static __always_inline __u32 forget_next(const struct pb_step *e, const struct pb_step_key *key)
{
	struct pb_place_key place_key = { .process = key->process };
	__u32 i;

	for (i = 0; i < PB_MAX_NEXT; i++) {
		place_key.place = e->next[i].place;
		if (!bpf_map_lookup_elem(&places, &place_key))
			break;
	}
	return i;
}

/* Whom it hands messages to. A later observer has of the struct whom it was told with last. */
static __noinline int learn_next(struct pb_step *e, const struct pb_step_key *key, __u64 place,
				 __u64 refused)
{
	__u32 i;

	if (!e || !key || !place)
		return 0;
	for (i = 0; i < PB_MAX_NEXT; i++) {
		if (!e->next[i].place)
			e->next[i].place = place;
		if (e->next[i].place == place) {
			e->next[i].refusals += refused;
			return 0;
		}
	}
	i = forget_next(e, key);
	if (i < PB_MAX_NEXT) {
		e->next[i].place = place;
		e->next[i].refusals = refused;
	} else {
		lose(PB_LOSS_NEXT_FULL, 1);
	}
	return 0;
}

static __always_inline void learn_order(struct pb_step *e, const struct pb_step_key *key,
					struct pt_regs *ctx)
{
	__u32 value = PT_REGS_PARM3(ctx);
	__u64 next = PT_REGS_PARM6(ctx);

	if (next && (bpf_get_attach_cookie(ctx) & 0xff) == PB_PROBE_FORWARD_RETURN)
		learn_next(e, key, next,
			   value == PUSHBACK_REJECTED || value == PUSHBACK_PROPAGATED);
}

static __always_inline void end_step(struct pb_step *e, struct pb_step_key *key)
{
	struct pb_process *process = bpf_map_lookup_elem(&processes, &key->process);

	bury(e, process, PB_STEP_ENDED, bpf_ktime_get_ns());
}

static __always_inline bool is_step(const struct pushback_step *s)
{
	return s->magic == PUSHBACK_STEP_MAGIC && s->version >= PUSHBACK_STEP_VERSION &&
	       s->size >= sizeof(*s) && s->instance;
}

/*
 * The step's entry with the struct as it is now; whoever called ends the writing. NULL with the
 * instance in the key where it has none yet, without where there is nothing to do. By way of the
 * stack: the kernel may check what user memory is copied to, and of a map's value that takes longer
 * than the copying.
 */
static __noinline struct pb_step *refresh(struct pb_step_key *key, __u64 place)
{
	char copy[READ_SIZE] __attribute__((aligned(8)));
	const struct pushback_step *s = (void *)copy;
	struct pb_step *e;

	key->instance = 0;
	if (bpf_probe_read_user(copy, READ_SIZE, (void *)place)) {
		lose(PB_LOSS_READ, 1);
		return NULL;
	}
	if (!is_step(s)) {
		lose(PB_LOSS_INVALID, 1);
		return NULL;
	}
	key->instance = s->instance;
	e = bpf_map_lookup_elem(&steps, key);
	if (!e)
		return NULL;
	if (e->flags & PB_STEP_DEAD) {
		key->instance = 0;
		return NULL;
	}
	write_begin(e);
	__builtin_memcpy(&e->now, copy, READ_SIZE);
	return e;
}

/* What is known of a step from its first event on. */
static __noinline int introduce(struct pb_step *e, const struct pb_step_key *key,
				struct pt_regs *ctx)
{
	if (!e || !key)
		return 0;
	name_step(e);
	set_baseline(e, bpf_get_attach_cookie(ctx), PT_REGS_PARM3(ctx), bpf_ktime_get_ns());
	learn_next(e, key, e->now.next, 0);
	return 0;
}

SEC("uprobe")
int pushback_event(struct pt_regs *ctx)
{
	__u64 place = PT_REGS_PARM1(ctx);
	struct pb_step_key key;
	struct pb_step *e;

	own_stack(ctx);
	if (!is_target())
		return 0;
	if (count_hits)
		count_hit(bpf_get_attach_cookie(ctx) >> 8, PB_HIT_OWN);
	process_of(bpf_get_current_task_btf(), &key.process);
	e = refresh(&key, place);
	if (!e && key.instance && step_new(&key, place))
		e = refresh(&key, place);
	if (!e)
		return 0;

	if (!e->events)
		introduce(e, &key, ctx);
	learn_order(e, &key, ctx);
	trace_step(e, &key, e->now.fired, 0);
	sample(e, &key, PUSHBACK_SEND);
	sample(e, &key, PUSHBACK_RECEIVE);
	/* The consumer has just looked at the clock, which takes as long as the rest of this. */
	e->event_ns = e->now.fired;
	e->events++;
	if (e->now.state & PUSHBACK_ENDED)
		end_step(e, &key);
	write_end(e);
	return 0;
}

#include "pushback_recipe.bpf.h"
#include "pushback_exit.bpf.h"
#include "pushback_execs.bpf.h"
