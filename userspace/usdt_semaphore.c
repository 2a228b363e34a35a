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
	bool found;
	int result;
};

/* Where the kernel counts: the file's own data, private to the process. */
static bool is_data(const struct proc_mapping *mapping)
{
	return mapping->writable && !mapping->shared;
}

static void read_one(void *arg, uint64_t offset, uint64_t address)
{
	struct reading *r = (struct reading *)arg;

	(void)offset;
	r->found = true;
	r->result = worse(r->result, read_value(r->pid, address));
}

static size_t places_of(const struct elfnote *note, struct file_place *places)
{
	size_t count = 0;

	for (size_t i = 0; i < note->sites_count; i++) {
		uint64_t offset = note->sites[i].semaphore;

		/* An object's sites share one. */
		if (!i || offset != note->sites[i - 1].semaphore)
			places[count++] = (struct file_place){ .offset = offset };
	}
	return count;
}

int semaphore_read(pid_t pid, const struct file_id *id, const struct elfnote *note)
{
	struct file_place places[ELFNOTE_SITES_MAX];
	struct reading reading = { .pid = pid };
	struct file_reading file = {
		.pid = pid,
		.id = id,
		.places = places,
		.places_count = places_of(note, places),
		.wants = is_data,
		.read = read_one,
		.arg = &reading,
	};
	struct file_loss loss;
	int err = file_mappings_read(&file, &loss);

	if (err)
		return err;
	if (loss.mappings && !reading.result)
		return -E2BIG;
	return reading.found ? reading.result : -ENOENT;
}
