/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* pushback_kernel.bpf.h - what we read of the kernel's; offsets are relocated when it is loaded */
#ifndef PUSHBACK_KERNEL_BPF_H
#define PUSHBACK_KERNEL_BPF_H

#include <linux/bpf.h>

struct signal_struct {
	struct {
		int counter;
	} live;
} __attribute__((preserve_access_index));

struct task_struct {
	int tgid;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	__u64 start_time;
	__u64 self_exec_id;
	char comm[16];
} __attribute__((preserve_access_index));

#endif /* PUSHBACK_KERNEL_BPF_H */
