/* SPDX-License-Identifier: MIT */
#include "doctor_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cpu_time.h"
#include "doctor_read.h"

int doctor_process_read(pid_t pid, struct doctor_process *out)
{
	char path[64], text[1024], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (doctor_read_text(path, text, sizeof(text)))
		return -ESRCH;
	/* The process chooses its name, which may hold anything. */
	end = strrchr(text, ')');
	if (!end || end[1] != ' ' || !end[2])
		return -ESRCH;
	out->state = end[2];
	out->cpu_ns = cpu_time_of(pid);
	return out->cpu_ns ? 0 : -ESRCH;
}

const char *doctor_process_state(char state)
{
	switch (state) {
	case 'R':
		return "runnable";
	case 'S':
		return "sleeping";
	case 'D':
		return "in uninterruptible sleep";
	case 'T':
		return "stopped";
	case 't':
		return "stopped by a debugger";
	case 'Z':
	case 'X':
		return "dead";
	default:
		return "in a state of its own";
	}
}
