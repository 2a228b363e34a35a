/* SPDX-License-Identifier: MIT */
/*
 * pin_dir.h - the directory in a bpf file system that holds the state of an agent
 *
 * One for each version of the ABI; it belongs to one user, and to one agent at a time (flock, which
 * goes with the process, however it ends). Errors are -errno; `why` gets one line that says what is
 * wrong and what would help. Not thread-safe.
 */
#ifndef PIN_DIR_H
#define PIN_DIR_H

#include <stdbool.h>
#include <stddef.h>

#define PIN_DIR_DEFAULT "/sys/fs/bpf"
#define PIN_DIR_SIZE    512 /* of the path of anything in it */

struct pin_dir {
	int fd;                  /* of the directory; the lock is its */
	bool mounted;            /* there was no bpf file system, and now there is */
	char base[PIN_DIR_SIZE]; /* where the file system is */
	char path[PIN_DIR_SIZE]; /* for people */
};

/*
 * Mounts a bpf file system at `base` where none is, makes the directory where there is none, and locks
 * it. -EBUSY: another agent has it; -EEXIST: there is a state of another version; -EPERM: it belongs to
 * somebody else, or we may not mount.
 */
int pin_dir_open(struct pin_dir *d, const char *base, char *why, size_t why_size);
void pin_dir_close(struct pin_dir *d);

/* Whether it can still be found: not after an unmount, or an rm. */
bool pin_dir_is_there(const struct pin_dir *d);
/* The path of what is called so, whatever the directory's own path leads to by now. Returns `path`. */
const char *pin_dir_path(const struct pin_dir *d, const char *name, char path[PIN_DIR_SIZE]);
/* Fine if there is no such thing. 0 or -errno. */
int pin_dir_remove(const struct pin_dir *d, const char *name);
/* `name` takes the place of what is called `over`. 0 or -errno. */
int pin_dir_rename(const struct pin_dir *d, const char *name, const char *over);
/* Removes all whose names begin so: how many there were, or -errno. */
int pin_dir_clear(const struct pin_dir *d, const char *prefix);
/* "pushback unpin", as it has to be called for this one. */
const char *pin_dir_command(const char *base, char *text, size_t size);

/*
 * Removes the states of all versions at `base`, in whatever condition: how many pins there were, or
 * -errno; -EBUSY: an agent holds one. Nothing there is fine.
 */
int pin_dir_unpin(const char *base, char *why, size_t why_size);

#endif /* PIN_DIR_H */
