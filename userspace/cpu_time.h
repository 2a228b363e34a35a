/* SPDX-License-Identifier: MIT */
/* cpu_time.h - what a process, or this thread, has taken of the CPUs */
#ifndef CPU_TIME_H
#define CPU_TIME_H

#include <stdint.h>
#include <sys/types.h>

/*
 * ns, of all threads that it has had. What one of them takes right now may be added when the kernel's clock
 * ticks, some milliseconds later. 0: there is no such process. Asks for no privilege.
 */
uint64_t cpu_time_of(pid_t pid);

/* ns, of this thread: on a busy host what it does lasts longer, and takes no more. */
uint64_t cpu_time_here(void);
/* And from then on this as well: of a process that it has waited for. */
void cpu_time_add_here(uint64_t ns);

#endif /* CPU_TIME_H */
