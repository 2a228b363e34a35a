/* SPDX-License-Identifier: MIT */
/*
 * cgroup_path.h - what a container runtime writes into a cgroup path
 *
 * Pure: takes the text of /proc/PID/cgroup (version 1 and 2, `size` bytes, any bytes). The last
 * match of a line counts, so of nested containers the innermost; the first line that has one wins.
 */
#ifndef CGROUP_PATH_H
#define CGROUP_PATH_H

#include <stddef.h>

/*
 * The container's id: 64 hex digits that are a path component of their own, or the end of one
 * (docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope,
 * SLICE:cri-containerd:ID), but not of a runtime's monitor process (..-conmon-ID). -ENOENT: there
 * is none; -ERANGE: `value` is too small (65 bytes suffice).
 */
int cgroup_container_id(const char *text, size_t size, char *value, size_t value_size);

/*
 * The pod's uid: what follows "pod" in a component of the kubelet's, with '-' or, as systemd needs
 * it,
 * '_' between its parts; '-' in the value. A static pod's uid is 32 hex digits and no dash. Errors
 * as above (37 bytes suffice).
 */
int cgroup_pod_uid(const char *text, size_t size, char *value, size_t value_size);

#endif /* CGROUP_PATH_H */
