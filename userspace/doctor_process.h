/* SPDX-License-Identifier: MIT */
/* doctor_process.h - is a process running, and does it get on? */
#ifndef DOCTOR_PROCESS_H
#define DOCTOR_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct doctor_process {
	char state;      /* of its first thread, a letter of /proc/PID/stat: R, S, D, T, t, Z... */
	uint64_t cpu_ns; /* of all its threads so far */
};

/* 0; -ESRCH: there is none (any more). */
int doctor_process_read(pid_t pid, struct doctor_process *out);

/* "stopped"... */
const char *doctor_process_state(char state);

#endif /* DOCTOR_PROCESS_H */
