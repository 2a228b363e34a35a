/* SPDX-License-Identifier: MIT */
/*
 * discover.h - /proc -> processes and their mapped files
 *
 * A mapped file is opened through its process (/proc/PID/exe, map_files, /proc/PID/root), so
 * deleted binaries and other mount namespaces work. Library code: returns -errno, does not print.
 * Nothing that a process controls (names, environment, arguments) is trusted.
 */
#ifndef DISCOVER_H
#define DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What makes a file the same file: as /proc/PID/maps has it, which on overlayfs and btrfs is not
 * what stat says. The same file seen through two overlay mounts has two.
 */
struct file_id {
	uint64_t dev;
	uint64_t inode;
};

/*
 * One file mapped executable by a process. `path` is what /proc/PID/maps says (without "
 * (deleted)"), for people; `fd` is open (O_RDONLY | O_CLOEXEC) and closed after the call unless
 * taken (set to -1).
 */
struct mapped_file {
	pid_t pid;
	struct file_id id;
	const char *path;
	bool deleted;
	int fd;
};

/* Return non-zero to stop; that value is handed on. */
typedef int (*mapped_file_fn)(struct mapped_file *file, void *context);

/*
 * Calls `fn` for every distinct regular file that `pid` maps executable and that `wanted` (may be
 * NULL: all) says yes to; only those are opened. -ESRCH: no such process (any more); -EACCES: not
 * allowed. Files that can't be opened, or are not what was mapped, are passed over (and added to
 * `*skipped`, which may be NULL).
 */
int discover_process(pid_t pid, bool (*wanted)(const struct file_id *id, void *context),
		     mapped_file_fn fn, void *context, size_t *skipped);

/*
 * The same for all processes of /proc. Those that vanish or are kernel threads are passed over; one
 * that we may not look into counts as one skipped.
 */
int discover_all(bool (*wanted)(const struct file_id *id, void *context), mapped_file_fn fn,
		 void *context, size_t *skipped);

/*
 * Calls `fn` for each process of /proc until it returns non-zero; that value is handed on. -errno
 * when /proc can't be read.
 */
int discover_pids(int (*fn)(pid_t pid, void *context), void *context);

/*
 * The process's name (comm), cut to `size` (not 0; 16 suffice), NUL-terminated, any bytes otherwise:
 * the process chooses it. -ESRCH: no such process.
 */
int discover_name(pid_t pid, char *value, size_t size);

/*
 * The path of its executable, without " (deleted)". -ESRCH: no such process, or it waits to be reaped;
 * -EACCES: not allowed; -ERANGE: `size` is too small.
 */
int discover_executable(pid_t pid, char *value, size_t size);

/* Start time of a process in clock ticks since boot, 0 if there is none such. */
uint64_t discover_start_time(pid_t pid);
/* 0: there is no such process, or its parent is none that we see. */
pid_t discover_parent(pid_t pid);
/* Whose it is: the real user. 0 or -errno. */
int discover_user(pid_t pid, uid_t *user);
/*
 * Whether the process that started then still runs: not when another one has its number, nor when it
 * has exited and only waits to be reaped.
 */
bool discover_is_running(pid_t pid, uint64_t start_time);

/*
 * The value of an environment variable / of an option ("--group=x", "--group x") of a process at
 * its start, cut to `size` (not 0), NUL-terminated, any bytes otherwise; the first match counts.
 * -ENOENT: not there (or beyond 4 MB); -ESRCH: no such process; -EACCES: not allowed.
 */
int discover_environment(pid_t pid, const char *name, char *value, size_t size);
int discover_argument(pid_t pid, const char *option, char *value, size_t size);

/*
 * Calls `fn` with the process's path in each cgroup hierarchy ("/system.slice/x.service", terminated, any
 * bytes) until it returns non-zero; that value is handed on. -ESRCH: no such process.
 */
int discover_cgroups(pid_t pid, int (*fn)(const char *path, void *context), void *context);

/*
 * From the process's cgroup path: the container's id (64 hex digits, or as systemd units and
 * kubelet write it) and the pod's uid (with dashes). -ENOENT: not there; -ERANGE: `size` is too
 * small (65 and 37 suffice); -ESRCH: no such process.
 */
int discover_container_id(pid_t pid, char *value, size_t size);
int discover_pod_uid(pid_t pid, char *value, size_t size);

#endif /* DISCOVER_H */
