/* SPDX-License-Identifier: MIT */
/* cgroup_id.h - the path of a cgroup by its number, which the kernel side has of each step */
#ifndef CGROUP_ID_H
#define CGROUP_ID_H

#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH_SIZE 4096

/*
 * Within the version 2 hierarchy, beginning with '/'. -ENOENT: no such cgroup any more, or the hierarchy
 * is not mounted; -EPERM: takes CAP_DAC_READ_SEARCH; -ERANGE: `size` is too small.
 */
int cgroup_id_path(uint64_t id, char *path, size_t size);

#endif /* CGROUP_ID_H */
