/* SPDX-License-Identifier: MIT */
#include "denied.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "discover.h"
#include "doctor_judge.h"
#include "doctor_read.h"
#include "namespaces.h"

const char *denied_advice(const struct denied_asker *asker)
{
	if (!asker->host)
		return "run it in the user namespace of the host";
	if (asker->ptrace)
		return "denied in spite of CAP_SYS_PTRACE, by a security module or the container "
		       "runtime; allow it there";
	if (asker->root)
		return "root lacks CAP_SYS_PTRACE here; start the container with "
		       "--cap-add=SYS_PTRACE";
	return "run as root, or with CAP_SYS_PTRACE";
}

const char *denied_why(void)
{
	const struct denied_asker asker = {
		.root = !geteuid(),
		.ptrace = doctor_read_capabilities() >> DOCTOR_CAP_SYS_PTRACE & 1,
		.host = namespaces_user_is_host(),
	};

	return denied_advice(&asker);
}

struct count {
	size_t all, denied;
};

static int look_at(pid_t pid, void *context)
{
	struct count *count = context;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	count->all++;
	if (fd >= 0)
		close(fd);
	else
		count->denied += errno == EACCES || errno == EPERM;
	return 0;
}

int denied_count(size_t *all, size_t *denied)
{
	struct count count = { 0 };
	int err = discover_pids(look_at, &count);

	*all = count.all;
	*denied = count.denied;
	return err;
}
