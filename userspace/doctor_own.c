/* SPDX-License-Identifier: MIT */
#include "doctor_own.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "attach.h"
#include "doctor_read.h"
#include "proc_maps.h"

#define PMU_TYPE "/sys/bus/event_source/devices/uprobe/type"

int doctor_own_offset(const void *address, uint64_t *offset)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t at = (uint64_t)(uintptr_t)address;
	struct proc_mapping mapping;
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (maps && !found && getline(&line, &size, maps) > 0)
		found = proc_maps_parse(line, &mapping) && mapping.inode && mapping.start <= at &&
			at < mapping.end;
	free(line);
	if (maps)
		fclose(maps);
	if (!found)
		return -ENOENT;
	*offset = at - mapping.start + mapping.offset;
	return 0;
}

int doctor_own_perf(uint64_t offset, pid_t pid)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.uprobe_path = (uint64_t)(uintptr_t)DOCTOR_OWN_PATH,
		.probe_offset = offset,
	};
	long type, fd;
	int err;

	err = doctor_read_number(PMU_TYPE, &type);
	if (err)
		return err;
	attr.type = (uint32_t)type;
	fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

int doctor_own_multi(uint64_t offset, pid_t pid)
{
	return attach_try_multi(DOCTOR_OWN_PATH, offset, pid);
}
