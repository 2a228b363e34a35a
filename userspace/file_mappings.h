/* SPDX-License-Identifier: MIT */
/*
 * file_mappings.h - where a process has a file in its memory
 */
#ifndef FILE_MAPPINGS_H
#define FILE_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "discover.h"
#include "proc_maps.h"

typedef void (*file_mapping_fn)(void *arg, const struct proc_mapping *mapping);

/* `fn` gets each mapping of the file. 0, or why not: -ESRCH the process is gone, -EACCES, ... */
int file_mappings_each(pid_t pid, const struct file_id *id, file_mapping_fn fn, void *arg);

/* The address of this offset of the file, if it lies in the mapping. */
bool file_mapping_holds(const struct proc_mapping *mapping, uint64_t offset, uint64_t *address);

#endif /* FILE_MAPPINGS_H */
