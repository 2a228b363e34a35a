/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * pushback_exit.bpf.h - exit and exec: the last word of all steps of a process
 *
 * Part of pushback.bpf.c, in a file of its own.
 */
#ifndef PUSHBACK_EXIT_BPF_H
#define PUSHBACK_EXIT_BPF_H

/*
 * The last word of a step whose memory is about to go, if it is still there. Not static: the verifier
 * looks at a global function once, instead of once per turn of the loop that calls it.
 */
__noinline int leave(struct pb_process_key *process_key, __u32 slot, __u64 now)
{
	struct pb_step_key key = {};
	struct pb_process *process;
	struct pushback_step *s;
	struct pb_step *e;
	__u32 zero = 0;
	bool whole = true;
	__u64 place;

	if (!process_key || slot >= PB_MAX_EXIT_STEPS)
		return 0;
	key.process = *process_key;
	process = bpf_map_lookup_elem(&processes, &key.process);
	if (!process)
		return 0;
	key.instance = process->list[slot].instance;
	place = process->list[slot].place;
	if (!key.instance)
		return 0;
	e = bpf_map_lookup_elem(&steps, &key);
	if (!e) /* the loader has found that it is gone, and counted that */
		__sync_fetch_and_add(&process->steps, -1);
	s = bpf_map_lookup_elem(&exit_scratch, &zero);
	if (!e || !s || e->flags & PB_STEP_DEAD)
		return 0;
	write_begin(e);
	if (key.instance & PB_FOREIGN) {
		/* Its struct is ours. */
	} else if (!bpf_probe_read_user(s, offsetof(struct pushback_step, name), (void *)place) &&
		   is_step(s) && s->instance == key.instance &&
		   s->watch_since == e->now.watch_since) {
		__builtin_memcpy(&e->now, s, offsetof(struct pushback_step, name));
		e->flags |= PB_STEP_READ;
	} else {
		lose(PB_LOSS_EXIT_UNREAD, 1);
		whole = false;
	}
	pushback_abandon(&e->now, now);
	e->now.state |= PUSHBACK_ENDED;
	trace_step(e, &key, now, whole ? 0 : TRACE_UNREAD);
	sample(e, &key, PUSHBACK_SEND);
	sample(e, &key, PUSHBACK_RECEIVE);
	bury(e, process, PB_STEP_EXITED, now);
	write_end(e);
	return 0;
}

static __always_inline void leave_all(struct pb_process_key *key)
{
	struct pb_process *process = bpf_map_lookup_elem(&processes, key);
	__u64 now = bpf_ktime_get_ns();
	__u32 i;

	/* Of threads that exit at once, several may find that no other one lives. */
	if (!process || __sync_val_compare_and_swap(&process->leaving, 0, 1))
		return;
	for (i = 0; i < PB_MAX_EXIT_STEPS; i++) {
		if (process->list[i].instance)
			leave(key, i, now);
	}
	if (process->steps)
		lose(PB_LOSS_EXIT_UNREAD, process->steps);
	process->exited = 1;
	count_change();
}

static __always_inline int end_process(struct task_struct *task)
{
	struct pb_process_key key = {};

	leave_frames();
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0; /* other threads live on */
	process_of(task, &key);
	leave_all(&key);
	return 0;
}

/* The old image at the point of no return, its memory still in place. */
static __always_inline int end_image(struct task_struct *task)
{
	struct pb_process_key key = {};

	leave_frames();
	process_of(task, &key);
	leave_all(&key);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(pushback_exit, struct task_struct *task)
{
	return end_process(task);
}

/*
 * Before Linux 6.16 the memory has gone by then. This is where a task that exits lets go of it, for each of
 * its threads, with all that the above looks at already as it is there.
 */
SEC("kprobe/exit_mm_release")
int pushback_exit_memory(struct pt_regs *ctx)
{
	(void)ctx;
	return end_process(bpf_get_current_task_btf());
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(pushback_prepare_exec, struct task_struct *task)
{
	return end_image(task);
}

/* Kernels without the above (Linux 6.10): where the old image's memory is let go of. */
SEC("kprobe/exec_mm_release")
int pushback_exec_memory(struct pt_regs *ctx)
{
	(void)ctx;
	return end_image(bpf_get_current_task_btf());
}

/* Where neither is to be had the old image is gone, and its last events are what is left. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(pushback_exec, struct task_struct *task)
{
	struct pb_process_key key = {};

	leave_frames();
	process_of(task, &key);
	key.exec_id--;
	leave_all(&key);
	return 0;
}

#endif /* PUSHBACK_EXIT_BPF_H */
