/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * pushback_execs.bpf.h - new images: the loader is told of each exec
 *
 * They may be of binaries that it has not seen yet. Part of pushback.bpf.c, in a file of its own.
 */
#ifndef PUSHBACK_EXECS_BPF_H
#define PUSHBACK_EXECS_BPF_H

/* Where it is paths that are watched, that there was any is enough, and a full buffer says so. */
const volatile bool each_exec = false;

SEC("tp_btf/sched_process_exec")
int BPF_PROG(pushback_new_image, struct task_struct *task)
{
	struct pb_exec *entry = bpf_ringbuf_reserve(&execs, sizeof(*entry), 0);

	if (!entry) {
		if (each_exec)
			lose(PB_LOSS_EXEC_UNTOLD, 1);
		return 0;
	}
	entry->tgid = task->tgid;
	entry->reserved = 0;
	bpf_ringbuf_submit(entry, 0);
	return 0;
}

#endif /* PUSHBACK_EXECS_BPF_H */
