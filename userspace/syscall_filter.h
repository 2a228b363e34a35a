/* SPDX-License-Identifier: MIT */
/*
 * syscall_filter.h - which system calls the agent may make once it has started, through seccomp
 *
 * All else is refused with EPERM, and not by death: it is the second wall behind the capabilities, and a
 * C library that is newer than this list is to lose what it tried and not the watch. What nothing of ours
 * or of a library would call - to start or to change another process, to change the system - ends the
 * process at once: then it is somebody else's code that runs.
 */
#ifndef SYSCALL_FILTER_H
#define SYSCALL_FILTER_H

#include <stdbool.h>

struct syscall_filter_options {
	bool perf; /* perf uprobes: also perf_event_open(2), and the programs with which libbpf tries them */
	bool pins; /* also what keeps a state in a bpf file system */
};

/*
 * For all threads, those to come included. No way back. 0; -errno, -EOPNOTSUPP among them, where the kernel
 * has none; 1 in a build for sanitizers or valgrind (NO_SYSCALL_FILTER), whose own calls are many.
 */
int syscall_filter_install(const struct syscall_filter_options *options);

#endif /* SYSCALL_FILTER_H */
