/* SPDX-License-Identifier: MIT */
/*
 * doctor_own.h - places of our own executable that a probe can be attached to
 *
 * Ours are found by their addresses: the executable carries no notes, or every agent of the host would
 * take each `pushback` for a consumer.
 */
#ifndef DOCTOR_OWN_H
#define DOCTOR_OWN_H

#include <stdint.h>
#include <sys/types.h>

#define DOCTOR_OWN_PATH "/proc/self/exe"

/* Where in our executable's file this address is. -ENOENT: nowhere. */
int doctor_own_offset(const void *address, uint64_t *offset);

/*
 * Really attach a uprobe at `offset` of our executable, for process `pid` only. Its descriptor, the
 * caller's, or -errno. A perf uprobe counts its hits: read() gives a uint64_t.
 */
int doctor_own_perf(uint64_t offset, pid_t pid);
int doctor_own_multi(uint64_t offset, pid_t pid);

#endif /* DOCTOR_OWN_H */
