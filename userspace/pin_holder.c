/* SPDX-License-Identifier: MIT */
#include "pin_holder.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "discover.h"
#include "text.h"

/* Of a line "1: FLOCK  ADVISORY  WRITE 4711 00:26:1489794 0 EOF"; 0: another file's. */
static pid_t holder_in(const char *line, const struct stat *st)
{
	unsigned int major_number, minor_number;
	uint64_t inode;
	int pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%" SCNu64, &pid, &major_number, &minor_number,
		   &inode) != 4)
		return 0;
	if (inode != st->st_ino || makedev(major_number, minor_number) != st->st_dev)
		return 0;
	return pid;
}

static pid_t find_holder(const struct stat *st)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	pid_t pid = 0;

	while (locks && pid <= 0 && fgets(line, sizeof(line), locks))
		pid = holder_in(line, st);
	if (locks)
		fclose(locks);
	return pid;
}

/* When it began, by the wall clock. */
static time_t began(pid_t pid)
{
	uint64_t ticks = discover_start_time(pid);
	long a_second = sysconf(_SC_CLK_TCK);
	struct timespec boot;

	if (!ticks || a_second <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot))
		return 0;
	return time(NULL) - (boot.tv_sec - (time_t)(ticks / (uint64_t)a_second));
}

void pin_holder(int fd, char *text, size_t size)
{
	char name[16] = "", when[32] = "";
	struct tm tm;
	struct stat st;
	time_t since;
	pid_t pid = fstat(fd, &st) ? 0 : find_holder(&st);

	if (pid <= 0 || discover_name(pid, name, sizeof(name))) {
		snprintf(text, size, "another process");
		return;
	}
	since = began(pid);
	if (since && localtime_r(&since, &tm))
		strftime(when, sizeof(when), ", since %b %e %H:%M:%S", &tm);
	snprintf(text, size, "process %d (%s%s)", (int)pid, text_name(name), when);
}
