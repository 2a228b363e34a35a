/* SPDX-License-Identifier: MIT */
/*
 * file_mappings.h - where a process has places of a file in its memory
 *
 * Within bounds: it may have mapped the file 65,000 times over.
 */
#ifndef FILE_MAPPINGS_H
#define FILE_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "discover.h"
#include "proc_maps.h"

/* That are read of one file: it is mapped once, or a few times where parts were mprotect()ed. */
#define FILE_MAPPINGS_MOST 16

struct file_place {
	uint64_t offset; /* in the file */
	bool read;
};

struct file_reading {
	pid_t pid;
	const struct file_id *id;
	struct file_place *places; /* sorted by it, and marked */
	size_t places_count;
	bool (*wants)(const struct proc_mapping *mapping);
	/* Gets each place of each mapping that is read. */
	void (*read)(void *arg, uint64_t offset, uint64_t address);
	void *arg;
};

/* Of those that are wanted. */
struct file_loss {
	size_t mappings; /* that hold places, and were passed over */
	size_t places;   /* that are in none that was read, where some were passed over */
};

/* 0, or why not: -ESRCH the process is gone, -EACCES, ... Then there is no loss. */
int file_mappings_read(const struct file_reading *reading, struct file_loss *loss);

bool file_mapping_is_code(const struct proc_mapping *mapping);

#endif /* FILE_MAPPINGS_H */
