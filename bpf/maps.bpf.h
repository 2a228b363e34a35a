/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * maps.bpf.h - every map: its size, who writes, who reads
 *
 * Values are made on demand (BPF_F_NO_PREALLOC), so an idle host pays for what it has, not for the
 * bounds. Values of hashes are too large for the BPF stack: new ones start as copies of a zero that
 * an array map holds.
 */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#define PB_HASH(name, key_type, value_type, most)     \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(max_entries, most);            \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, key_type);                \
		__type(value, value_type);            \
	} name SEC(".maps")

#define PB_ZERO(name, value_type)                 \
	struct {                                  \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(max_entries, 1);           \
		__type(key, __u32);               \
		__type(value, value_type);        \
	} name SEC(".maps")

/* Written by the driving thread's events and at exit; read every second and deleted by the loader. */
PB_HASH(steps, struct pb_step_key, struct pb_step, PB_MAX_STEPS);
/* Written by events; read by the loader where a step's `sampled` has changed; deleted with the step. */
PB_HASH(hists, struct pb_hist_key, struct pb_hist, 8 * PB_MAX_STEPS);
/* Written by events; read at exit; deleted by the loader when the process is gone. */
PB_HASH(processes, struct pb_process_key, struct pb_process, PB_MAX_PROCESSES);
/* How many steps of a process the loader has deleted: written by it, read at the first sight of one. */
PB_HASH(deletions, struct pb_process_key, __u32, PB_MAX_PROCESSES);
/* Written and read by events; deleted by the loader with the step. */
PB_HASH(places, struct pb_place_key, __u64, PB_MAX_STEPS);
/* Written by the loader (--pid), read by events if `filter_processes`. */
PB_HASH(targets, __u32, __u8, PB_MAX_PROCESSES);

/* Written by the loader before it attaches an object, read at the first sight of a step. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PB_MAX_OBJECTS);
	__type(key, __u32);
	__type(value, struct pb_object);
} objects SEC(".maps");

/* Written by events, read by the loader: how often the sites of an object were hit, by PB_HIT_.... */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PB_MAX_OBJECTS *PB_HITS);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

/* Of recipes. Written by the loader before it attaches, read at each of their hits. */
PB_HASH(rules, __u32, struct pb_rule, PB_MAX_RULES);
/* Of recipes. Made by the loader before it attaches, counted up by hits if `tally`, read by the loader. */
PB_HASH(tallies, __u32, struct pb_tally, PB_MAX_TALLIES);
/*
 * Of recipes, by PB_COOKIE_TALLY: where a function that ends by a jump goes on. Written by the loader before it
 * attaches, read at each of those hits. A constant counts from the jump itself.
 */
PB_HASH(jumps, __u32, struct pb_source, PB_MAX_TALLIES);
/* Of recipes. Written and read by a thread's own hits; deleted at its end. */
PB_HASH(threads, __u64, struct pb_thread, PB_MAX_THREADS);
/* Of recipes. How many instances have been given a number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} instances SEC(".maps");

/*
 * Written at each exec, read by the loader, which is woken only once it has read all: however many there
 * are, it decides how often it looks.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PB_EXECS_SIZE);
} execs SEC(".maps");

/*
 * Of traces. Written by events, read by the loader, which is woken when a quarter is full; what it leaves
 * there for too long has no room, and is counted in `closes_untold`.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PB_CLOSES_SIZE);
} closes SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} closes_untold SEC(".maps");
/* Of traces. Written and read by a step's events; deleted with its last one, or by the loader. */
PB_HASH(traces, struct pb_step_key, struct pb_trace, PB_MAX_STEPS);

/* Written here, read by the loader, which adds up the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PB_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

/* Written here, read by the loader: how often a step or process has come or ended. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} changes SEC(".maps");

/*
 * A step as read at exit. Only the exit programs use it: tracepoints are not preempted, while one
 * uprobe's program may be by another's.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pushback_step);
} exit_scratch SEC(".maps");

PB_ZERO(zero_step, struct pb_step);
PB_ZERO(zero_hist, struct pb_hist);
PB_ZERO(zero_process, struct pb_process);
PB_ZERO(zero_thread, struct pb_thread);
PB_ZERO(zero_trace, struct pb_trace);

#endif /* MAPS_BPF_H */
