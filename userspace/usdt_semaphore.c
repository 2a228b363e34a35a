/* SPDX-License-Identifier: MIT */
#include "usdt_semaphore.h"

#include <errno.h>

#include "file_mappings.h"
#include "peek.h"

static int read_value(pid_t pid, uint64_t address)
{
	uint16_t value;
	ssize_t n = peek(pid, address, &value, sizeof(value));

	if (n < 0)
		return n == -EPERM ? -EACCES : (int)n;
	return n == sizeof(value) ? value : -EFAULT;
}

/* Above 0 says it all, and what could not be read is worse than a 0. */
static int worse(int a, int b)
{
	if (a > 0 || b > 0)
		return a > b ? a : b;
	return a < b ? a : b;
}

struct reading {
	pid_t pid;
	const struct elfnote *note;
	bool found;
	int result;
};

/* Where the kernel counts: the file's own data, private to the process. */
static void read_in(void *arg, const struct proc_mapping *mapping)
{
	struct reading *r = (struct reading *)arg;
	const struct elfnote *note = r->note;
	uint64_t address;

	if (!mapping->writable || mapping->shared)
		return;
	for (size_t i = 0; i < note->sites_count; i++) {
		uint64_t offset = note->sites[i].semaphore;

		/* An object's sites share one. */
		if ((i && offset == note->sites[i - 1].semaphore) ||
		    !file_mapping_holds(mapping, offset, &address))
			continue;
		r->found = true;
		r->result = worse(r->result, read_value(r->pid, address));
	}
}

int semaphore_read(pid_t pid, const struct file_id *id, const struct elfnote *note)
{
	struct reading reading = { pid, note, false, 0 };
	int err = file_mappings_each(pid, id, read_in, &reading);

	if (err)
		return err;
	return reading.found ? reading.result : -ENOENT;
}
